"""The first file system of the guest: the modules it needs to find its disks, and one script.

Written as a cpio archive by hand: the format is twenty lines, and the program is on few computers.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable
from pathlib import Path

# In an order that satisfies their dependencies; ext4 is part of the kernel.
DRIVERS = ["virtio_pci", "virtio_blk", "virtio_net", "virtio-rng"]
INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /new
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for module in {modules}; do $b insmod /modules/$module || $b echo "weft-guest: $module cannot be loaded"; done
if $b grep -q weft.probe /proc/cmdline; then
    $b echo weft-probe-ok
    $b poweroff -f
fi
# QEMU's own small network: the lab's nodes are in a namespace without any way to it.
$b ip link set lo up
$b ip link set eth0 up
$b ip address add 10.0.2.15/24 dev eth0
$b mount -t ext4 -o noatime,barrier=0 /dev/vda /new
$b mount -t ext4 -o noatime,barrier=0 /dev/vdb /new$weft_labs
$b echo "ssh-ed25519 $weft_key" >/new/root/.ssh/authorized_keys
$b umount /proc
$b mount --move /dev /new/dev
exec $b switch_root /new /lib/systemd/systemd
"""


def modules(tree: Path) -> list[Path]:
    """The drivers' files, each after those it depends on."""
    (release,) = (tree / "lib/modules").iterdir()
    lines = (release / "modules.dep").read_text().splitlines()
    needs = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    files = {Path(name).name.removesuffix(".ko"): name for name in needs}
    ordered: list[str] = []
    for driver in DRIVERS:
        # modules.dep lists what a module needs in the reverse of the order to load it in.
        for name in [*reversed(needs[files[driver]]), files[driver]]:
            if name not in ordered:
                ordered.append(name)
    return [release / name for name in ordered]


def build(tree: Path) -> bytes:
    """The archive for a guest of this tree; the kernel's command line says the rest, see settings.py."""
    drivers = modules(tree)
    script = INIT.format(modules=" ".join(path.name for path in drivers))
    files = [("bin/busybox", (tree / "bin/busybox").read_bytes(), 0o755), ("init", script.encode(), 0o755)]
    files += [(f"modules/{path.name}", path.read_bytes(), 0o644) for path in drivers]
    return archive(["bin", "modules", "dev", "proc", "sys", "new"], files)


def archive(directories: Iterable[str], files: Iterable[tuple[str, bytes, int]]) -> bytes:
    """A cpio archive in the format the kernel reads ("newc")."""
    entries = [(name, b"", stat.S_IFDIR | 0o755) for name in directories]
    entries += [(name, data, stat.S_IFREG | mode) for name, data, mode in files]
    entries.append(("TRAILER!!!", b"", 0))
    return b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))


def _entry(number: int, name: str, data: bytes, mode: int) -> bytes:
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(header) + _padded(data)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
