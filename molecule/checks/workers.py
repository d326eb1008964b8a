"""Tests of several labs beside each other: each process has a lab of its own, and who measures is alone.

All that runs beside others is `busy`; a measurement is `quiet`: it begins when nobody is busy any more, and until it
ends nobody begins. The locks lie in `place`, one directory for those who care; the kernel drops those of a process that
is killed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def lab_of(base: str, worker: str) -> str:
    """The lab of a process of pytest-xdist, which calls them gw0, gw1 ...; without such processes it is `base`."""
    return base + worker.removeprefix("gw")


@contextmanager
def busy(place: Path) -> Iterator[None]:
    """Beside others, but nobody who wants quiet."""
    with _held(place / "door", fcntl.LOCK_SH):
        room = _taken(place / "room", fcntl.LOCK_SH)
    try:
        yield
    finally:
        os.close(room)


@contextmanager
def quiet(place: Path) -> Iterator[None]:
    """Alone. Whoever waits for that keeps the door shut, or there would always be somebody busy."""
    with _held(place / "door", fcntl.LOCK_EX), _held(place / "room", fcntl.LOCK_EX):
        yield


@contextmanager
def _held(path: Path, how: int) -> Iterator[None]:
    lock = _taken(path, how)
    try:
        yield
    finally:
        os.close(lock)


def _taken(path: Path, how: int) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    fcntl.flock(lock, how)
    return lock
