"""The twelve steps on the kernel that users have, and again after a power cut of the whole data centre.

Output is shown as it comes (`pytest -s`): this takes minutes.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
from dataclasses import dataclass

import pytest
from lanes import record

from lab.vm import kinds
from lab.vm.guest import Guest

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


@pytest.fixture(scope="module")
def demo(guest: Guest) -> Ended:
    return run(guest, "tools/demo", "--lab", LAB)


def test_the_kernel_is_the_distributions(guest: Guest) -> None:
    """Not this computer's: else the lane would prove nothing."""
    release = run(guest, "uname", "-r").output.strip()
    assert re.fullmatch(kinds.running().kernel, release)
    assert release != platform.release()


def test_nothing_leads_out_of_the_guest(guest: Guest) -> None:
    """10.0.2.2 is the other end of the guest's only wire, where nobody listens."""
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
