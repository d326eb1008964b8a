# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running a program that may be hostile: it inherits nothing, has so much time, and may say so much."""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable, NoReturn, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import TIMEOUT, CommandError, Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.syscalls import (
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    leave_keys_behind,
    prctl,
)

ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
#: Descriptors in the child: besides standard input and output, where it reports why it fails and where it asks for ids.
REPORT, IDS = 3, 4
_FREE = 16

Entry = Callable[[], None]
"""Goes where the program is to run. It may go on in a child (see `leave_waiting`), and ask for ids (see `ask_for_ids`).

From the root of a machine on nothing is imported any more: it would come from there.
"""


class NotStartedError(CommandError):
    """The program's place could not be reached, or it is not there."""


@dataclass(frozen=True)
class Place:
    """Where and how a program runs: how to get there, in words, and how many bytes it may say."""

    entry: Entry
    words: str
    most: int
    uid_base: int = 0


def attempt_bounded(argv: Sequence[str], place: Place, stdin: str = "", timeout: float = TIMEOUT) -> Result:
    """Like commands.attempt, at the place."""
    out, err, report = os.pipe(), os.pipe(), os.pipe()
    ids = tuple(each.detach() for each in socket.socketpair())
    given = _as_file(stdin)
    parent, keeper = os.getpid(), os.fork()
    if keeper == 0:
        _become(argv, place.entry, [given, out[1], err[1], report[1], ids[1]], parent)
    for handle in (given, out[1], err[1], report[1], ids[1]):
        os.close(handle)
    hearing, stopped = _Hearing(out[0], err[0], report[0], place.most), True
    try:
        if os.read(ids[0], 1):
            _map_ids(keeper, place.uid_base)
            os.write(ids[0], b"k")
        reason = hearing.until(time.monotonic() + timeout)
        stopped = reason is not None
    finally:
        if stopped:
            os.kill(keeper, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(keeper, 0)[1])
        for handle in (out[0], err[0], report[0], ids[0]):
            os.close(handle)
    if hearing.report:
        raise NotStartedError(argv, f"it could not be started {place.words}: {_text(hearing.report)}")
    if reason is not None:
        raise CommandError(argv, reason if reason != _TIME else f"it took longer than {timeout:g} s")
    return Result(status, _text(hearing.out), _text(hearing.err))


def _as_file(text: str) -> int:
    """Standard input, complete: nobody has to write while the program reads, or does not."""
    handle = os.memfd_create("stdin", os.MFD_CLOEXEC)
    with os.fdopen(os.dup(handle), "wb") as target:
        target.write(text.encode())
    os.lseek(handle, 0, os.SEEK_SET)
    return handle


def _text(said: bytearray) -> str:
    return said.decode(errors="replace")


def _map_ids(pid: int, uid_base: int) -> None:
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as target:
            target.write(f"0 {uid_base} 65536")


_TIME = "time"


class _Hearing:
    """What the program says, until its keeper has ended."""

    def __init__(self, out: int, err: int, report: int, most: int) -> None:
        self.out, self.err, self.report = bytearray(), bytearray(), bytearray()
        self._most = most
        self._said = {out: self.out, err: self.err, report: self.report}
        self._report = report
        for handle in self._said:
            os.set_blocking(handle, False)

    def until(self, end: float) -> Optional[str]:
        """Listen until then at most; the reason if the program is to be stopped."""
        with selectors.DefaultSelector() as selector:
            for handle in self._said:
                selector.register(handle, selectors.EVENT_READ)
            while self._report in selector.get_map():
                left = end - time.monotonic()
                if left <= 0:
                    return _TIME
                for key, _events in selector.select(left):
                    if not self._read(key.fd):
                        selector.unregister(key.fd)
                if self._too_much():
                    return f"it said more than {self._most} bytes"
        # What still comes is not the program's, but of what it has left behind.
        for handle in (each for each in self._said if each != self._report):
            while not self._too_much() and self._read(handle):
                pass
        return None

    def _too_much(self) -> bool:
        return len(self.out) + len(self.err) > self._most

    def _read(self, handle: int) -> bool:
        try:
            data = os.read(handle, 1 << 16)
        except BlockingIOError:
            return False
        self._said[handle].extend(data)
        return bool(data)


def _become(argv: Sequence[str], entry: Entry, handles: Sequence[int], parent: int) -> NoReturn:
    """In the child: the program, at its place."""
    try:
        # Nobody but us may look into what we are a copy of, and nothing is imported from where we go.
        prctl(PR_SET_DUMPABLE, 0)
        sys.meta_path.clear()
        os.setsid()
        leave_keys_behind()
        _keep_only(handles)
        end_with_parent(parent)
        entry()
        _execute(argv)
    except BaseException as error:  # pylint: disable=broad-exception-caught
        os.write(REPORT, f"{error}".encode(errors="replace")[:4096])
    finally:
        os._exit(127)


def _execute(argv: Sequence[str]) -> NoReturn:
    """As os.execvpe, which would import something."""
    for directory in ENVIRONMENT["PATH"].split(":"):
        try:
            os.execve(argv[0] if "/" in argv[0] else f"{directory}/{argv[0]}", list(argv), ENVIRONMENT)
        except FileNotFoundError:
            continue
    raise OSError(f"there is no {argv[0]}")


def _keep_only(handles: Sequence[int]) -> None:
    """Give these the numbers from 0 on, and close all others."""
    high = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, _FREE) for handle in handles]
    for number, handle in enumerate(high):
        os.dup2(handle, number, inheritable=number < REPORT)
    for name in os.listdir("/proc/self/fd"):
        if int(name) >= len(handles):
            try:
                os.close(int(name))
            except OSError:
                # That of the listing itself.
                continue


def end_with_parent(parent: Optional[int] = None) -> None:
    """Be killed when the parent ends. A change of ids ends this; a parent outside the PID namespace has no number."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent is not None and os.getppid() != parent:
        os._exit(127)


def ask_for_ids() -> None:
    """Wait until this process's user namespace has ids."""
    os.write(IDS, b"m")
    if os.read(IDS, 1) != b"k":
        raise OSError("the ids could not be mapped")


def leave_waiting() -> None:
    """Go on in a child; who called this waits for it, with nothing else open, and ends as it does."""
    child = os.fork()
    if child == 0:
        end_with_parent()
        return
    for handle in (0, 1, 2, IDS):
        os.close(handle)
    status: Optional[int] = None
    while status is None:
        # The first process of a PID namespace is left the children of others, too.
        pid, raw = os.wait()
        status = os.waitstatus_to_exitcode(raw) if pid == child else None
    os._exit(status if status >= 0 else 128 - status)
