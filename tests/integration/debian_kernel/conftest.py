"""One guest for all that is tested in it: nobody used it before, and it is down afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from lab import router_images
from lab.api import Lab, keep_router_images
from lab.paths import ROOT
from lab.vm import tree
from lab.vm.guest import Guest


def build_router_image() -> None:
    """On this computer, unless one of its labs has: in the guest it takes much longer."""
    keep_router_images()
    if not router_images.kept(tree.SUITE):
        lab = Lab("di")
        try:
            subprocess.run([ROOT / "tools" / "demo", "--lab", lab.id], stdin=subprocess.DEVNULL, check=True)
        finally:
            lab.down()


@pytest.fixture(scope="session")
def guest() -> Iterator[Guest]:
    build_router_image()
    one = Guest()
    one.down()
    one.up()
    yield one
    one.down()
