"""What is made once and used by every lab of every checkout: root trees, package archives, kernels, disks.

Each thing has a name made of the hash of its recipe, so nothing here is ever out of date, and nothing depends on it
being here: what is missing is made.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

from lab.mounts import mounted
from lab.paths import CACHE
from lab.shell import locked, step

MAKING = ".making"
# What no checkout has asked for in this time is of an old recipe.
KEPT_SECONDS = 30 * 24 * 3600.0


def recipe_hash(*recipe: object) -> str:
    """The name of what this recipe makes; the recipe is anything that JSON can say."""
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def ensure(kind: str, name: str, what: str, make: Callable[[Path], None]) -> Path:
    """The thing `name` of a kind, made now if it is not there; `what` says in the output what is made.

    `make` gets a path of its own, where nothing is, and leaves a file or a directory there; only what is finished
    gets its name. Whoever comes second waits for the first.
    """
    place = CACHE / kind / name
    used = _lock(place)
    with locked(used, shared=True):
        os.utime(used)
        if place.exists():
            return place
    with locked(used):
        if not place.exists():
            _sweep(place)
            with step(what):
                making = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=MAKING, dir=place.parent))
                make(making / name)
                os.rename(making / name, place)
                making.rmdir()
    return place


def _lock(place: Path) -> Path:
    """Who makes or removes a thing holds this alone; its time says when the thing was last asked for."""
    return CACHE / "locks" / f"{place.parent.name}-{place.name}"


def _sweep(place: Path) -> None:
    """Remove what a killed maker left, and things of this kind that nobody asks for any more.

    A maker that was killed may have left a program that still writes. It cannot meet ours: each has a place of its own.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f"*{MAKING}"):
        made = place.with_name(left.name.rsplit(".", 2)[0])
        # Ours is held by ourselves; another is somebody's who makes it just now, or nobody's.
        with contextlib.suppress(BlockingIOError), nullcontext() if made == place else locked(_lock(made), wait=False):
            shutil.rmtree(left, ignore_errors=True)
    for old in place.parent.iterdir():
        if old != place and old.suffix != MAKING and _unused(old):
            _remove(old)


def _unused(place: Path) -> bool:
    """Whether a thing was not asked for in a long time, and no lab that is up is made of it."""
    try:
        idle = time.time() - _lock(place).stat().st_mtime
    except FileNotFoundError:
        idle = KEPT_SECONDS + 1
    return idle > KEPT_SECONDS and not any(str(place) in mount.options for mount in mounted())


def _remove(place: Path) -> None:
    """Remove a thing, unless somebody asks for it just now. What is half removed has no name that counts."""
    with contextlib.suppress(BlockingIOError), locked(_lock(place), wait=False):
        if _unused(place):
            gone = Path(tempfile.mkdtemp(prefix=f"{place.name}.", suffix=MAKING, dir=place.parent))
            os.rename(place, gone / place.name)
            shutil.rmtree(gone, ignore_errors=True)
