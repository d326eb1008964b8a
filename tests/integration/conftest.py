"""One lab for all packet tests, with the walkthrough applied; every test leaves it as it found it.

With pytest-xdist each of its processes has a lab of its own; tests that measure (marker `quiet`) are then alone.

A test that needs more of a kernel than this computer's has (its marker `kernel` says so) is left to the guest, where
debian_kernel/ runs all of these, whatever that kernel has: so none is skipped on both.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import pytest
from checks import workers
from checks.fabric import WALKTHROUGH, Fabric

from ansible_collections.weft.vpc.plugins.module_utils.deploy import preflight
from lab.api import Lab
from lab.paths import ROOT

#: The Debian release of the lab's nodes, and of their routers.
SUITE = os.environ.get("WEFT_SUITE", "bookworm")
BASE = os.environ.get("WEFT_LAB", "pt")
LAB = workers.lab_of(BASE, os.environ.get("PYTEST_XDIST_WORKER", ""))
PACKETS = ROOT / ".cache" / "packets"


@cache
def features() -> dict[str, bool]:
    return preflight.probe()


def needs_another_kernel(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("kernel")
    return marker is not None and not all(features()[one] for one in marker.args)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "LAB_GUEST" in os.environ:
        return
    left = [item for item in items if needs_another_kernel(item)]
    if left:
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=left)


def walkthrough(state: Path) -> Path:
    """The walkthrough's inventory, with routers of the nodes' release: an archive of no other is in the lab."""
    copy = state / "walkthrough"
    shutil.copytree(WALKTHROUGH, copy)
    intent = copy / "group_vars/all/fabric.yml"
    intent.write_text(intent.read_text().replace("suite: bookworm", f"suite: {SUITE}"))
    return copy


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool, bool]:
    """A test has the quiet that it needs from its first fixture on: that may be the lab itself."""
    place = PACKETS / f"{BASE}-workers"
    with workers.quiet(place) if item.get_closest_marker("quiet") else workers.busy(place):
        return (yield)


@pytest.fixture(scope="session")
def applied() -> Iterator[Fabric]:
    """The walkthrough, applied once. The lab is taken down at the end, unless WEFT_KEEP_LAB is set.

    With WEFT_STATE it is the lab WEFT_LAB as a demo left it up, with what that demo recorded.
    """
    if "WEFT_STATE" in os.environ:
        yield Fabric(Lab(LAB), Path(ROOT, os.environ["WEFT_STATE"]))
        return
    lab, state = Lab(LAB), PACKETS / LAB
    lab.down()
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    lab.up(suite=SUITE)
    fabric = Fabric(lab, state, walkthrough(state))
    fabric.apply()
    yield fabric
    if not os.environ.get("WEFT_KEEP_LAB"):
        lab.down()


@pytest.fixture(scope="module")
def spare() -> Iterator[tuple[Lab, Path, str]]:
    """A lab of its own for a test that has another fabric, a directory for its state, and the lab's release."""
    lab, state = Lab(f"{LAB}x"), PACKETS / f"{LAB}x"
    lab.down()
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir(parents=True)
    lab.up(suite=SUITE)
    yield lab, state, SUITE
    if not os.environ.get("WEFT_KEEP_LAB"):
        lab.down()


@pytest.fixture
def fabric(applied: Fabric) -> Iterator[Fabric]:
    """The walkthrough's fabric; what a test changes in its inventory is taken back and applied after it."""
    yield applied
    applied.restore()
    if not applied.is_applied:
        # A test may have added more than a run may take away unasked.
        applied.apply("-e", "weft_max_removal_percent=100")


@pytest.fixture
def collections(fabric: Fabric) -> Path:
    """A tree with a copy of this collection, to be broken."""
    tree = fabric.state / "broken"
    copy = tree / "ansible_collections" / "weft" / "vpc"
    shutil.rmtree(tree, ignore_errors=True)
    for part in ("plugins", "roles", "playbooks", "meta"):
        shutil.copytree(ROOT / part, copy / part)
    shutil.copy(ROOT / "galaxy.yml", copy)
    return tree
