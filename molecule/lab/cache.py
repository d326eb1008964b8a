"""What is made once and used by every lab of every checkout: root trees, package archives, kernels, disks.

Each thing has a name made of the hash of its recipe, so nothing here is ever out of date, and nothing depends on it
being here: what is missing is made.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.paths import CACHE
from lab.shell import locked, step

MAKING = ".making"


def recipe_hash(*recipe: object) -> str:
    """The name of what this recipe makes; the recipe is anything that JSON can say."""
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def ensure(kind: str, name: str, what: str, make: Callable[[Path], None]) -> Path:
    """The thing `name` of a kind, made now if it is not there; `what` says in the output what is made.

    `make` gets a path of its own, where nothing is, and leaves a file or a directory there; only what is finished
    gets its name. Whoever comes second waits for the first.
    """
    place = CACHE / kind / name
    if place.exists():
        return place
    with locked(CACHE / "locks" / f"{kind}-{name}"):
        if not place.exists():
            _sweep(place)
            with step(what):
                making = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=MAKING, dir=place.parent))
                make(making / name)
                os.rename(making / name, place)
                making.rmdir()
    return place


def _sweep(place: Path) -> None:
    """Remove what a killed maker left. One that still writes there cannot meet ours: each has a place of its own."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f"{place.name}.*{MAKING}"):
        shutil.rmtree(left, ignore_errors=True)
