"""The guest's two disks, kept by the hash of what is on them: its system, and the lab's directory with its cache.

A running guest writes to layers over them, so the disks themselves stay as they were built.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab import image, mirror, router_images
from lab.paths import BASE, CACHE
from lab.qemu import initramfs, tree
from lab.qemu.places import CACHE_IN_GUEST, HOME
from lab.shell import run, step

# Sparse: only what is written takes room. The labs are on the second disk, with the cache they make hard links into.
SYSTEM_SIZE = "8G"
LAB_SIZE = "32G"


@dataclass(frozen=True)
class Disks:
    """What a guest boots from."""

    kernel: Path
    initramfs: Path
    system: Path
    lab: Path

    @property
    def layers(self) -> tuple[Path, Path]:
        return HOME / "system.qcow2", HOME / "lab.qcow2"


def ensure(suite: str) -> Disks:
    """Build what is missing."""
    system = _system()
    return Disks(system / "vmlinuz", system / "initramfs", system / "disk", _lab(suite))


def _system() -> Path:
    place = HOME / f"system-{tree.recipe_hash()}"
    if not place.exists():
        _forget(HOME.glob("system-*"))
        building = HOME / "building"
        _forget([building])
        root = building / "tree"
        building.mkdir(parents=True)
        tree.build(root)
        with step("write the guest's system disk"):
            (building / "initramfs").write_bytes(initramfs.build(root, BASE))
            shutil.copy((root / "boot/vmlinuz").resolve(), building / "vmlinuz")
            _write(root, building / "disk", SYSTEM_SIZE)
            shutil.rmtree(root)
        os.rename(building, place)
    return place


def _lab(suite: str) -> Path:
    trees = [image.ensure(name, suite) for name in image.PACKAGES]
    parts = [*trees, mirror.ensure(suite), *router_images.kept(suite)]
    names = [str(CACHE_IN_GUEST.relative_to(BASE) / part.relative_to(CACHE)) for part in parts]
    recipe = "\n".join(names)
    disk = HOME / f"lab-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if not disk.exists():
        _forget(HOME.glob("lab-*"))
        with step("write the guest's copy of the lab's cache"):
            staging = HOME / "staging"
            _forget([staging])
            for part, name in zip(parts, names, strict=True):
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                # Links where they can be had: mke2fs copies the files anyway.
                router_images.copy(part, staging / name)
            _write(staging, disk.with_suffix(".building"), LAB_SIZE)
            shutil.rmtree(staging)
            os.rename(disk.with_suffix(".building"), disk)
    return disk


def _forget(paths: Iterable[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _write(directory: Path, disk: Path, size: str) -> None:
    disk.unlink(missing_ok=True)
    options = ["-q", "-t", "ext4", "-m", "0", "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"]
    run(["mke2fs", *options, "-d", str(directory), str(disk), size])


def layer(disks: Disks) -> None:
    """Put empty layers over both disks; what an earlier guest wrote is gone."""
    for disk, over in zip((disks.system, disks.lab), disks.layers, strict=True):
        over.unlink(missing_ok=True)
        run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(disk), str(over)])
