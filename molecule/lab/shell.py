"""Run programs and say what goes on."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

# How many times slower than usual this computer is: an emulated one says it is ten times slower.
SLOWNESS = float(os.environ.get("LAB_SLOW") or 1)


def patient(seconds: float) -> float:
    """The time to wait here for what elsewhere takes at most so long."""
    return seconds * SLOWNESS


def run(argv: Sequence[str], stdin: str | None = None, env: dict[str, str] | None = None) -> str:
    """Run a program to its end and return its stdout; its own last words become the error."""
    done = subprocess.run(argv, input=stdin, env=env, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode != 0:
        words = " ".join((done.stderr or done.stdout).split())[-800:]
        raise LabError(f"The command '{' '.join(argv)[:300]}' failed with status {done.returncode}: {words}")
    return done.stdout


def quietly(argv: Sequence[str]) -> bool:
    """Run a program whose failure is an answer, not an error."""
    return subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL).returncode == 0


def write_whole(path: Path, text: str) -> None:
    """Write a file that is never seen half written, whenever its writer is killed."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    os.replace(new, path)


def say(text: str) -> None:
    """A progress line. stderr, so that stdout stays for results."""
    print(f"lab: {text}", file=sys.stderr, flush=True)


@contextmanager
def step(what: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    start = time.monotonic()
    say(f"{what} ...")
    yield
    say(f"{what}: done in {time.monotonic() - start:.1f} s")


@contextmanager
def locked(path: Path, shared: bool = False, wait: bool = True) -> Iterator[None]:
    """One at a time, or any number that share it: others wait, or raise `BlockingIOError`.

    The kernel drops the lock of a killed process.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not emptied: the time of the file is its owner's.
    with path.open("a") as lock:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        yield
