"""Router images that other labs built: handed to a new lab's router nodes, taken from those that have them.

Images are trees of hard links where the cache is on the lab's own file system, else copies: a node has its own, so that
removing it takes nothing from another lab. Their files are an overlay's lower layer and are never written to. One that
was written to all the same was so in every lab: it is not handed on, which its seal tells.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from lab.cache import KEPT_SECONDS
from lab.paths import CACHE
from lab.shell import locked, run, say

PARTIAL = ".partial"
SEAL = ".seal"
LOCK = CACHE / "locks" / "router-images"


def cache(suite: str) -> Path:
    """Where images built on nodes of a Debian release are kept."""
    return CACHE / "router-images" / suite


def bootstraps(suite: str) -> Path:
    """What router nodes share while they build: one makes the tree of an image, the others wait and take it over.

    See `guest/bootstrap.py`.
    """
    return CACHE / "bootstraps" / suite


def seed(images: Path, suite: str) -> None:
    """Give a node the images that earlier labs built."""
    images.mkdir(parents=True, exist_ok=True)
    with locked(LOCK):
        for image in finished(cache(suite)):
            if _sealed(image):
                _link(image, images / image.name)
            else:
                say(f"the router image {image.name} was written to or is old; it is built anew where it is wanted")
                _remove(image)


def harvest(images: Path, suite: str) -> None:
    """Keep what a node has built for other labs."""
    with locked(LOCK):
        cache(suite).mkdir(parents=True, exist_ok=True)
        for image in finished(images):
            mine = cache(suite) / image.name
            if not mine.exists():
                _seal_of(mine).write_text(seal(image))
                _link(image, mine)


def kept(suite: str) -> list[Path]:
    """What the cache has of a release: images, and their seals."""
    return [part for image in finished(cache(suite)) for part in (image, _seal_of(image)) if part.exists()]


def finished(images: Path) -> Iterator[Path]:
    """The complete images of a directory."""
    for image in sorted(images.iterdir()) if images.is_dir() else []:
        if image.is_dir() and image.suffix != PARTIAL:
            yield image


def seal(tree: Path) -> str:
    """Tells a tree from one that was written to: the size, time, mode and owner of each of its files."""
    found = hashlib.sha256()
    for parent, directories, files in os.walk(tree):
        directories.sort()
        for name in sorted([*directories, *files]):
            path = os.path.join(parent, name)
            status = os.lstat(path)
            what = [os.path.relpath(path, tree), status.st_mode, status.st_uid, status.st_gid]
            if stat.S_ISREG(status.st_mode):
                # Whole seconds: a copy on a guest's disk has no more.
                what += [status.st_size, int(status.st_mtime)]
            found.update(repr(what).encode(errors="surrogateescape"))
    return found.hexdigest()


def copy(tree: Path, target: Path) -> None:
    """Copy a tree, as hard links where both places are on one file system."""
    linked = ["--link"] if tree.stat().st_dev == target.parent.stat().st_dev else []
    run(["cp", "--archive", *linked, str(tree), str(target)])


def _seal_of(image: Path) -> Path:
    return image.with_name(f"{image.name}{SEAL}")


def _sealed(image: Path) -> bool:
    file = _seal_of(image)
    try:
        return time.time() - file.stat().st_mtime < KEPT_SECONDS and file.read_text() == seal(image)
    except FileNotFoundError:
        return False


def _link(image: Path, target: Path) -> None:
    if not target.exists():
        partial = target.with_name(f"{target.name}{PARTIAL}")
        run(["rm", "-rf", str(partial)])
        copy(image, partial)
        partial.rename(target)


def _remove(image: Path) -> None:
    _seal_of(image).unlink(missing_ok=True)
    shutil.rmtree(image)
