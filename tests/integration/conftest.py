"""One lab for all packet tests, with the walkthrough applied; every test leaves it as it found it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from checks.fabric import Fabric

from lab.api import Lab
from lab.paths import ROOT

LAB = "pt"


@pytest.fixture(scope="session")
def applied() -> Iterator[Fabric]:
    """The walkthrough, applied once. The lab is taken down at the end, unless WEFT_KEEP_LAB is set."""
    lab, state = Lab(LAB), Path(ROOT, ".cache", "packets", LAB)
    lab.down()
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    lab.up()
    fabric = Fabric(lab, state)
    fabric.apply()
    yield fabric
    if not os.environ.get("WEFT_KEEP_LAB"):
        lab.down()


@pytest.fixture
def fabric(applied: Fabric) -> Iterator[Fabric]:
    """The walkthrough's fabric; what a test changes in its inventory is taken back and applied after it."""
    yield applied
    applied.restore()
    applied.apply()
