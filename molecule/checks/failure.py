"""How a check says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CheckFailedError(Exception):
    """What was expected and what was seen instead, as one sentence."""


def expect(what: str, seen: Any, expected: Any) -> None:
    """Compare; the failure names only what differs where both are mappings."""
    if seen == expected:
        return
    if isinstance(seen, Mapping) and isinstance(expected, Mapping):
        keys = sorted({*seen, *expected}, key=str)
        differing = [key for key in keys if seen.get(key) != expected.get(key)]
        parts = [f"{_words(key)}: expected {expected.get(key)!r}, saw {seen.get(key)!r}" for key in differing]
        raise CheckFailedError(f"{what}: {'; '.join(parts[:6])}{' …' if len(parts) > 6 else ''}")
    raise CheckFailedError(f"{what}: expected {expected!r}, saw {seen!r}")


def _words(key: Any) -> str:
    return " → ".join(map(str, key)) if isinstance(key, tuple) else str(key)
