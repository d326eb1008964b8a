"""What is mounted where, as the kernel tells this process."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.shell import quietly, run

ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """One mount: where it is, which part of its file system is there, and of which type and device that is.

    `options` are the file system's own, with the layers of an overlay.
    """

    point: Path
    root: str
    type: str
    device: int
    options: str

    def reachable(self) -> bool:
        """Whether its place still leads to it, and not to something that was mounted over it later."""
        try:
            return self.point.stat().st_dev == self.device
        except OSError:
            return False


def mounted() -> list[Mount]:
    """Every mount, oldest first."""
    return [_mount(line) for line in Path("/proc/self/mountinfo").read_bytes().splitlines()]


def _mount(line: bytes) -> Mount:
    """A line is: id, parent, major:minor, root, point, options, optional words, "-", type, source, options."""
    before, _, after = line.partition(b" - ")
    device, root, point = before.split()[2:5]
    major, minor = device.split(b":")
    kind, _source, options = after.split(b" ", 2)
    where = os.makedev(int(major), int(minor))
    return Mount(Path(_plain(point)), _plain(root), os.fsdecode(kind), where, _plain(options))


def _plain(field: bytes) -> str:
    """A blank, a newline or a backslash of a name is written as three octal digits."""
    return os.fsdecode(ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), field))


def unmount(home: Path) -> None:
    """Unmount everything at or below a directory, deepest first."""
    points = [mount.point for mount in mounted() if mount.point.is_relative_to(home)]
    for point in sorted(points, reverse=True):
        if not quietly(["umount", str(point)]):
            # A crashed lab's process may still sit in it: detach now, the kernel frees it when that ends.
            run(["umount", "--lazy", str(point)])
