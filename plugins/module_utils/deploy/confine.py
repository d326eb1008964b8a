# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where programs run that are a machine's, or that are fed from it.

The programs in a machine's tree may have been replaced by whoever broke into it, and so may its files. None of them
gets more than the machine has.
"""

from __future__ import annotations

import os
import resource
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.bounded import (
    Place,
    ask_for_ids,
    end_with_parent,
    leave_waiting,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.syscalls import (
    CAP_NET_ADMIN,
    CLONE_NEWCGROUP,
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUSER,
    CLONE_NEWUTS,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    capabilities_of,
    change_root,
    limit_capabilities,
    mount,
    setns,
    unshare,
)

NAMESPACES = {
    "cgroup": CLONE_NEWCGROUP,
    "ipc": CLONE_NEWIPC,
    "net": CLONE_NEWNET,
    "pid": CLONE_NEWPID,
    "uts": CLONE_NEWUTS,
    "mnt": CLONE_NEWNS,
    # The last: who is in it has no right to the others.
    "user": CLONE_NEWUSER,
}
_OWN = CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWCGROUP
CHECKER_WORDS, MACHINE_WORDS, TOOL_WORDS = 1 << 20, 16 << 20, 64 << 20
"""Bytes that each kind may say."""
DEVICES = ("null", "zero", "full", "random", "urandom")
#: What a checker may use; a process more than it may have cannot be made, and so on.
LIMITS = {
    resource.RLIMIT_AS: 1 << 30,
    resource.RLIMIT_FSIZE: 64 << 20,
    resource.RLIMIT_NPROC: 32,
    resource.RLIMIT_NOFILE: 4096,
    resource.RLIMIT_CORE: 0,
    resource.RLIMIT_MEMLOCK: 0,
    resource.RLIMIT_MSGQUEUE: 0,
}


def checker(root: str, uid_base: int) -> Place:
    """For a program of a machine's tree before the machine runs: in that tree, with nothing else, no network and no
    capability; with the ids from ``uid_base`` on (0: the host's own). What it starts ends with it."""

    def enter() -> None:
        # When memory is short, these go first.
        _write("/proc/self/oom_score_adj", "1000")
        _confine_mounts(root)
        unshare(_OWN | (CLONE_NEWUSER if uid_base else 0))
        if uid_base:
            ask_for_ids()
            _become_root()
        end_with_parent()
        leave_waiting()
        # The first process of a PID namespace is none to be a daemon's program.
        leave_waiting()
        for kind, most in LIMITS.items():
            resource.setrlimit(kind, (most, most))
        limit_capabilities(())

    return Place(enter, f"in {root}", CHECKER_WORDS, uid_base)


def _confine_mounts(root: str) -> None:
    """Of all that is mounted leave this directory. Before there is a user namespace: nothing in one can change it."""
    unshare(CLONE_NEWNS)
    mount("", "/", "", MS_REC | MS_PRIVATE)
    mount(root, root, "", MS_BIND | MS_REC)
    mount("", root, "", MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV)
    _mount_devices(root)
    change_root(root)


def _mount_devices(root: str) -> None:
    """Give the tree devices that are nobody's. Whoever is in the machine may put links in the way: none is followed."""
    beneath = _open_directory(f"{root}/dev")
    mount("weft", f"/proc/self/fd/{beneath}", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
    devices = _open_directory(f"{root}/dev")
    for name in DEVICES:
        place = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, dir_fd=devices)
        mount(f"/dev/{name}", f"/proc/self/fd/{place}", "", MS_BIND)
        os.close(place)
    os.close(devices)
    os.close(beneath)


def _open_directory(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def inside(leader: int) -> Place:
    """For a program of a running machine, in all namespaces of its first process, within its limits, and with what that
    may do."""

    def enter() -> None:
        kept = capabilities_of(leader)
        own, other = (os.stat(f"/proc/{one}/ns/mnt") for one in ("self", leader))
        if own.st_ino == other.st_ino:
            raise OSError("the machine has ended")
        _join_cgroup(leader)
        handles = {name: os.open(f"/proc/{leader}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in NAMESPACES}
        for name, handle in handles.items():
            setns(handle, NAMESPACES[name])
            os.close(handle)
        _become_root()
        end_with_parent()
        leave_waiting()
        limit_capabilities(kept)

    return Place(enter, "in the machine", MACHINE_WORDS)


def _join_cgroup(leader: int) -> None:
    """Count as one of the machine's processes, where there are cgroups of version 2."""
    with open(f"/proc/{leader}/cgroup", "rb") as source:
        path = next((line[3:].strip() for line in source if line.startswith(b"0::")), b"")
    processes = b"/sys/fs/cgroup" + path + b"/cgroup.procs"
    if not os.path.exists(processes):
        return
    try:
        _write(os.fsdecode(processes), str(os.getpid()))
    except FileNotFoundError:
        # The kernel lets nobody cross the root of a cgroup namespace: whoever entered the host from outside, as from
        # the host of a container, counts there.
        return


def tool(leader: Optional[int]) -> Place:
    """For a program of the host that is fed with a machine's files: in the machine's network (None: an empty one), with
    no capability but to configure it, and no file but programs.

    nft needs that: in a user namespace it may not send more at once than net.core.wmem_max, which some thousand
    elements exceed; and it would include any file of the host.
    """

    def enter() -> None:
        if leader is None:
            unshare(CLONE_NEWNET)
        else:
            handle = os.open(f"/proc/{leader}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            setns(handle, CLONE_NEWNET)
            os.close(handle)
        unshare(CLONE_NEWNS | CLONE_NEWPID)
        leave_waiting()
        _mount_programs("/tmp")
        limit_capabilities((CAP_NET_ADMIN,))

    return Place(enter, "in the machine's network", TOOL_WORDS)


def _mount_programs(place: str) -> None:
    """Make a root of programs alone."""
    mount("", "/", "", MS_REC | MS_PRIVATE)
    mount("weft", place, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k")
    for name in ("usr", "proc", "dev"):
        os.mkdir(f"{place}/{name}")
    for name in ("bin", "sbin", "lib", "lib64"):
        if os.path.islink(f"/{name}"):
            os.symlink(os.readlink(f"/{name}"), f"{place}/{name}")
    os.symlink("/proc/self/fd/0", f"{place}/dev/stdin")
    mount("/usr", f"{place}/usr", "", MS_BIND | MS_REC)
    mount("", f"{place}/usr", "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV)
    mount("proc", f"{place}/proc", "proc", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    mount("", place, "", MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    change_root(place)


def _write(path: str, text: str) -> None:
    with open(path, "wb", buffering=0) as target:
        target.write(text.encode())


def _become_root() -> None:
    """Take root's ids of the user namespace."""
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
