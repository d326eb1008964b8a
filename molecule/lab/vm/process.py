"""The one process of this computer that is the guest, whichever kind of machine it is."""

from __future__ import annotations

import contextlib
import os
import signal
import time

from lab import pids
from lab.errors import LabError
from lab.vm.places import PID


def remember(kind: str, number: int) -> None:
    """Note which process is the guest that was just started, and its kind of machine."""
    PID.write_text(f"{number} {pids.birth(number)} {kind}\n")


def _known() -> tuple[int, str]:
    try:
        number, started, kind = PID.read_text().split()
        return (int(number), kind) if pids.birth(int(number)) == started else (0, "")
    except (OSError, ValueError):
        return 0, ""


def pid() -> int:
    """The process id of the running guest, or 0."""
    return _known()[0]


def kind() -> str:
    """The kind of machine that runs."""
    number, name = _known()
    if not number:
        raise LabError("The lab's guest is not running; 'bin/lab guest up' starts it.")
    return name


def inside() -> list[str]:
    """The prefix that runs a command in the guest's network namespace, from where the guest can be reached."""
    kind()
    return ["nsenter", f"--target={pid()}", "--net", "--"]


def kill() -> None:
    """Pull the plug."""
    number = pid()
    with contextlib.suppress(ProcessLookupError):
        if number:
            os.kill(number, signal.SIGKILL)
    deadline = time.monotonic() + 10.0
    while pid():
        if time.monotonic() > deadline:
            raise LabError(f"The guest, process {number}, does not end.")
        time.sleep(0.1)
