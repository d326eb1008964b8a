"""The twelve steps on the kernel that users have, and again after a power cut of the whole data centre.

In a guest that nobody used before, and that is down afterwards. Output is shown as it comes (`pytest -s`): without
KVM this takes minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from lanes import record

from lab import router_images
from lab.api import Lab, keep_router_images
from lab.paths import ROOT
from lab.qemu import tree
from lab.qemu.guest import Guest

LAB = "dk"
STATE = f".cache/demo/{LAB}"
CHECK = ["python", "-m", "checks", "steps", "--inventory", "inventories/walkthrough", "--state", STATE]


@dataclass(frozen=True)
class Ended:
    """A command that ended in the guest."""

    status: int
    output: str


def run(guest: Guest, *command: str) -> Ended:
    lines = []
    with subprocess.Popen(
        guest.argv(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return Ended(process.returncode, "".join(lines))


def take_record_over(guest: Guest) -> None:
    """What was written down in the guest is written where this lane's tests are, each by its name."""
    if place := os.environ.get(record.RECORD):
        words = guest.argv(["cat", place])
        record.take_over(subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True).stdout)


def build_router_image() -> None:
    """On this computer, unless one of its labs has: emulated it takes a quarter of an hour."""
    keep_router_images()
    if not router_images.kept(tree.SUITE):
        lab = Lab("di")
        try:
            subprocess.run([ROOT / "tools" / "demo", "--lab", lab.id], stdin=subprocess.DEVNULL, check=True)
        finally:
            lab.down()


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    build_router_image()
    one = Guest()
    one.down()
    one.up()
    yield one
    one.down()


@pytest.fixture(scope="module")
def demo(guest: Guest) -> Ended:
    return run(guest, "tools/demo", "--lab", LAB)


def test_the_kernel_is_the_distributions(guest: Guest) -> None:
    """Not this computer's: else the lane would prove nothing."""
    assert re.fullmatch(r"6\.1\.0-\d+-cloud-amd64\n", run(guest, "uname", "-r").output)


def test_nothing_leads_out_of_the_guest(guest: Guest) -> None:
    """10.0.2.2 is this computer in QEMU's network: its port 22 is forwarded to the guest's, if it can be reached."""
    assert run(guest, "ip", "route", "show", "default").output == ""
    connect = ["python", "-c", "import socket, sys; socket.create_connection((sys.argv[1], 22), timeout=20)"]
    assert run(guest, *connect, "127.0.0.1").status == 0
    assert run(guest, *connect, "10.0.2.2").status != 0


def test_demo_passes(demo: Ended) -> None:
    assert demo.status == 0, demo.output[-4000:]


def test_everything_works_again_after_a_power_cut_without_a_run(guest: Guest, demo: Ended) -> None:
    assert demo.status == 0, "the demo failed, so there is nothing to reboot"
    guest.reboot(hard=True)
    done = run(guest, "env", f"LAB_ID={LAB}", "PYTHONPATH=molecule", *CHECK)
    assert done.status == 0, done.output[-4000:]
    assert done.output.count(": PASS: ") == 12


def test_what_asks_for_this_kernel_works(guest: Guest, demo: Ended) -> None:
    """All tests that say what they need of a kernel: whatever this computer's own has, here none is left out."""
    assert demo.status == 0, "the demo failed, so there is nothing to test"
    options = "-m kernel --durations=0 tests/integration --ignore tests/integration/debian_kernel"
    pytest_here = ["python", "-m", "pytest", *options.split()]
    done = run(guest, "env", f"WEFT_LAB={LAB}", f"WEFT_STATE={STATE}", *pytest_here)
    take_record_over(guest)
    assert done.status == 0, done.output[-4000:]
