"""Do the same for many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def each(keys: Iterable[Key], function: Callable[[Key], Value], at_once: int = 4) -> dict[Key, Value]:
    """Call a function for each key, some at a time; the results by key, or the first exception."""
    wanted = list(keys)
    with ThreadPoolExecutor(at_once) as pool:
        return dict(zip(wanted, pool.map(function, wanted), strict=True))
