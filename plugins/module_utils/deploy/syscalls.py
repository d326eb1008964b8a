# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""System calls of Linux that Python 3.9 has no functions for."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Collection

# linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
# linux/mount.h
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2
# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
# linux/capability.h
CAP_NET_ADMIN = 12
# linux/keyctl.h, asm/unistd.h of Debian's architectures that we know
KEYCTL_JOIN_SESSION_KEYRING = 1
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_CAPABILITIES = range(64)
_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _call("unshare", flags)


def setns(handle: int, kind: int) -> None:
    """setns(2)."""
    _call("setns", handle, kind)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    words = (word.encode() or None for word in (source, target, kind))
    _call("mount", *words, ctypes.c_ulong(flags), data.encode() or None)


def change_root(root: str) -> None:
    """Make a mounted directory the root of this mount namespace, and leave nothing else mounted in it."""
    os.chdir(root)
    _call("pivot_root", b".", b".")
    _call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def prctl(option: int, value: int) -> None:
    """prctl(2) of one argument."""
    _call("prctl", option, *(ctypes.c_ulong(each) for each in (value, 0, 0, 0)))


def leave_keys_behind() -> None:
    """Take a session keyring of one's own, where that is allowed: elsewhere keys cannot be asked for either."""
    number = _KEYCTL.get(os.uname().machine)
    if number is not None:
        _libc.syscall(ctypes.c_long(number), KEYCTL_JOIN_SESSION_KEYRING, None)


def limit_capabilities(kept: Collection[int]) -> None:
    """Give up all capabilities but these for good: for this process, and whatever program it becomes."""
    for number in _CAPABILITIES:
        # What the kernel does not know, nobody has.
        if number not in kept:
            _libc.prctl(PR_CAPBSET_DROP, *(ctypes.c_ulong(each) for each in (number, 0, 0, 0)))
    mask = sum(1 << number for number in kept)
    words = [word for half in (mask & 0xFFFFFFFF, mask >> 32) for word in (half, half, 0)]
    _call("capset", (ctypes.c_uint32 * 2)(_VERSION_3, 0), (ctypes.c_uint32 * 6)(*words))
    prctl(PR_SET_NO_NEW_PRIVS, 1)


def capabilities_of(pid: int) -> list[int]:
    """The capabilities that a process may ever have."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as source:
        found = next(line.split()[1] for line in source if line.startswith("CapBnd:"))
    return [number for number in _CAPABILITIES if int(found, 16) >> number & 1]
