"""The cgroups of the lab's machines: one for each machine, in every cgroup tree of this computer.

Trees are what the kernel says is mounted as one: a plain directory may have any name and any file in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lab.mounts import Mount, mounted

CGROUPS = Path("/sys/fs/cgroup")
TYPES = ("cgroup", "cgroup2")


def trees() -> list[Mount]:
    """The mounted cgroup trees: one on a computer with version 2, a dozen with version 1 or both."""
    found: dict[int, Mount] = {}
    for mount in mounted():
        if mount.type in TYPES and mount.point.is_relative_to(CGROUPS) and mount.reachable():
            found.setdefault(mount.device, mount)
    return list(found.values())


def names(prefix: str) -> set[str]:
    """The cgroups at the top of any tree whose names begin like this."""
    return {path.name for tree in trees() for path in tree.point.glob(f"{prefix}*")}


class Cgroup:
    """The cgroups of one name at the top of all trees."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trees = trees()

    def enter(self) -> None:
        """Move this process there, in every tree.

        With --keep-unit nspawn makes "payload" and "supervisor" below the cgroup it was started in; two machines
        started from one cgroup would share them.
        """
        for tree in self.trees:
            group = tree.point / self.name
            # A tree that refuses is one the machine can do without.
            with contextlib.suppress(OSError):
                group.mkdir(exist_ok=True)
                if tree.type == "cgroup":
                    _give_cpus(tree.point, group)
                _join(group)

    def leave(self) -> None:
        """Move this process to the top of every tree, where no machine is."""
        for tree in self.trees:
            with contextlib.suppress(OSError):
                _join(tree.point)

    def pids(self) -> set[int]:
        """What its lists hold. A process of another pid namespace is a 0 there, and an entry may be out of date."""
        found: set[int] = set()
        for group in self._groups():
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in (group / "cgroup.procs").read_text().split()}
        return found - {0}

    def holds(self, pid: int) -> bool:
        """Whether the kernel says of a process that it is in there now; never of one that has ended."""
        try:
            lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
        except OSError:
            return False
        # A line is: number of the tree, its controllers, path.
        places = [Path(line.split(":", 2)[2]) for line in lines]
        tops = {Path(tree.root) / self.name for tree in self.trees}
        return any(place.is_relative_to(top) for place in places for top in tops)

    def remove(self) -> None:
        """Remove those that are empty; the kernel keeps the others."""
        for group in self._groups():
            with contextlib.suppress(OSError):
                group.rmdir()

    def _groups(self) -> Iterator[Path]:
        """All its directories, deepest first."""
        for tree in self.trees:
            for path, _dirs, _files in os.walk(tree.point / self.name, topdown=False):
                yield Path(path)


def _join(group: Path) -> None:
    # Opened, not made: what is no cgroup has no such file.
    with (group / "cgroup.procs").open("r+") as procs:
        procs.write(str(os.getpid()))


def _give_cpus(top: Path, group: Path) -> None:
    """Version 1 lets nobody into a new cpuset before it has CPUs and memory."""
    for setting in ("cpuset.cpus", "cpuset.mems"):
        if (group / setting).exists():
            (group / setting).write_text((top / setting).read_text())
