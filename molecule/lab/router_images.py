"""Router images that other labs built: handed to a new lab's router nodes, taken from those that have them.

Images are trees of hard links where the cache is on the lab's own file system, else copies: a node has its own, so that
removing it takes nothing from another lab. Their files are an overlay's lower layer and are never written to.
"""

from __future__ import annotations

from pathlib import Path

from lab.paths import CACHE
from lab.shell import locked, run


def cache(suite: str) -> Path:
    """Where images built on nodes of a Debian release are kept."""
    return CACHE / "router-images" / suite


def seed(images: Path, suite: str) -> None:
    """Give a node the images that earlier labs built."""
    _link_missing(cache(suite), images)


def harvest(images: Path, suite: str) -> None:
    """Keep what a node has built for other labs."""
    with locked(CACHE / "locks" / "router-images"):
        _link_missing(images, cache(suite))


def _link_missing(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for image in sorted(source.iterdir()) if source.is_dir() else []:
        finished = image.is_dir() and image.suffix != ".partial"
        if finished and not (target / image.name).exists():
            partial = target / f"{image.name}.partial"
            run(["rm", "-rf", str(partial)])
            copy(image, partial)
            partial.rename(target / image.name)


def copy(tree: Path, target: Path) -> None:
    """Copy a tree, as hard links where both places are on one file system."""
    linked = ["--link"] if tree.stat().st_dev == target.parent.stat().st_dev else []
    run(["cp", "--archive", *linked, str(tree), str(target)])
