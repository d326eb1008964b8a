"""The processes of the lab's machines: which they are, and how they are ended without touching any other.

A number is somebody else's as soon as its process has ended. So a process is held first (a pidfd), then proven, then
signalled through what holds it: the signal reaches the process that was proven, or none.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from lab.cgroups import Cgroup

# How the two processes that run a machine are called.
KEEPER = ["-m", "lab.keeper"]
NSPAWN = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit"]
# What replace themselves by nspawn.
BEFORE_NSPAWN = ("setpriv", "nsenter")
KERNEL_THREAD = 0x00200000  # PF_KTHREAD
ENDED = ("Z", "X")


def birth(pid: int) -> str:
    """When a process began, as one word: a pid with its birth is nobody else's. One that has ended has none."""
    fields = _stat(Path(f"/proc/{pid}/stat"))
    if fields[0] in ENDED:
        # A killed machine stays a zombie until the computer's init looks at it, which may take long.
        raise ProcessLookupError(pid)
    return f"{fields[19]}@{_boot()}"


@cache
def _boot() -> str:
    """Names this boot: after the next, pids and times are given again."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(file: Path) -> list[str]:
    """What the kernel says of a process or a thread, from its state on; the name before may hold anything."""
    return file.read_text(errors="replace").rpartition(")")[2].split()


def alive(pid: int) -> bool:
    """Whether a process of a program runs: no kernel thread, and not only the trace of one that has ended."""
    try:
        if int(_stat(Path(f"/proc/{pid}/stat"))[6]) & KERNEL_THREAD:
            return False
        # Its first thread may have ended before the others.
        return any(_stat(task / "stat")[0] not in ENDED for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return False


def machine_of(argv: Sequence[str]) -> str:
    """The machine whose keeper or nspawn is called like this; empty for every other call."""
    if list(argv[1:3]) == KEEPER and len(argv) == 4:
        return argv[3]
    if NSPAWN[0] in argv and Path(argv[0]).name in (*BEFORE_NSPAWN, NSPAWN[0]):
        call = list(argv[argv.index(NSPAWN[0]) :])
        if call[: len(NSPAWN)] == NSPAWN:
            return next((word.removeprefix("--machine=") for word in call if word.startswith("--machine=")), "")
    return ""


def _runs(pid: int) -> str:
    """The machine that a process is keeper or nspawn of."""
    try:
        return machine_of(Path(f"/proc/{pid}/cmdline").read_text(errors="replace").rstrip("\0").split("\0"))
    except OSError:
        return ""


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def machines(prefix: str) -> set[str]:
    """The machines with such a name that have a keeper or an nspawn."""
    return {name for name in map(_runs, _all()) if name.startswith(prefix)}


def of(machine: str) -> set[int]:
    """Every process of a machine: its keeper, its nspawn and all in its cgroups.

    Found by what they are, not by a state file that may be lost. A machine does not die with its nspawn.
    """
    group = Cgroup(machine)
    callers = {pid for pid in _all() if _runs(pid) == machine}
    return {pid for pid in group.pids() | callers if _is_of(pid, group)}


def _is_of(pid: int, group: Cgroup) -> bool:
    return alive(pid) and (group.holds(pid) or _runs(pid) == group.name)


def kill(pid: int, machine: str) -> None:
    """End a process if it is the machine's at this moment."""
    group = Cgroup(machine)
    _send(pid, signal.SIGKILL, lambda: _is_of(pid, group))


def tell(pid: int, born: str, sign: int) -> bool:
    """Send a signal to the process with that pid and birth; returns whether there still was one."""
    return _send(pid, sign, lambda: birth(pid) == born)


def _send(pid: int, sign: int, proven: Callable[[], bool]) -> bool:
    with contextlib.suppress(OSError):  # it has ended, or is a thread of another
        held = os.pidfd_open(pid)
        try:
            if proven():
                signal.pidfd_send_signal(held, sign)
                return True
        finally:
            os.close(held)
    return False
