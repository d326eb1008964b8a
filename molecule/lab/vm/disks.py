"""The guest's two disks, kept by the hash of what is on them: its system, and the lab's directory with its cache.

A running guest writes to layers over them, so the disks themselves stay as they were built.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import cache, image, mirror, router_images
from lab.paths import BASE, CACHE
from lab.shell import run
from lab.vm import initramfs, tree
from lab.vm.places import CACHE_IN_GUEST, HOME

TOOLS = {"mke2fs": "e2fsprogs"}
# Sparse: only what is written takes room. The labs are on the second disk, with the cache they make hard links into.
SYSTEM_SIZE = "8G"
LAB_SIZE = "32G"


@dataclass(frozen=True)
class Disks:
    """What a guest boots from; the kernel and its first file system are those of QEMU's machines."""

    kernel: Path
    initramfs: Path
    system: Path
    lab: Path

    def layers(self, suffix: str) -> tuple[tuple[Path, Path], ...]:
        """Each disk, and the layer that a guest writes to instead, in a format of its machine's own."""
        return (self.system, HOME / f"system.{suffix}"), (self.lab, HOME / f"lab.{suffix}")


def ensure(suite: str) -> Disks:
    """Build what is missing."""
    system = cache.ensure("guest-systems", tree.recipe_hash(), "make the guest's system disk", _system)
    return Disks(system / "vmlinuz", system / "initramfs", system / "disk", _lab(suite))


def _system(place: Path) -> None:
    with tempfile.TemporaryDirectory(dir=place.parent) as work:
        root = Path(work) / "tree"
        tree.build(root, Path(work) / "wheels")
        place.mkdir()
        (place / "initramfs").write_bytes(initramfs.build(root))
        shutil.copy((root / "boot/vmlinuz").resolve(), place / "vmlinuz")
        _write(root, place / "disk", SYSTEM_SIZE)


def _lab(suite: str) -> Path:
    trees = [image.ensure(name, suite) for name in image.PACKAGES]
    parts = [*trees, mirror.ensure(suite), *router_images.kept(suite)]
    names = [str(CACHE_IN_GUEST.relative_to(BASE) / part.relative_to(CACHE)) for part in parts]
    what = "write the guest's copy of the lab's cache"
    return cache.ensure("guest-labs", cache.recipe_hash(names), what, lambda disk: _copies(parts, names, disk))


def _copies(parts: Sequence[Path], names: Sequence[str], disk: Path) -> None:
    with tempfile.TemporaryDirectory(dir=disk.parent) as staging:
        for part, name in zip(parts, names, strict=True):
            copy = Path(staging) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            # Links where they can be had: mke2fs copies the files anyway.
            router_images.copy(part, copy)
        _write(Path(staging), disk, LAB_SIZE)


def _write(directory: Path, disk: Path, size: str) -> None:
    options = ["-q", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"]
    run(["mke2fs", *options, "-d", str(directory), str(disk), size])


def written() -> list[Path]:
    """The layers of the guest that runs, or ran last."""
    return [path for name in ("system", "lab") for path in HOME.glob(f"{name}.*")]
