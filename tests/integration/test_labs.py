"""Labs of two checkouts with one id, and labs that lose a process, their state or their checkout at any moment."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from lab import cgroups, pids
from lab.mounts import mounted
from lab.paths import PACKAGE, ROOT

pytestmark = pytest.mark.packets

LAB = f"{os.environ.get('WEFT_LAB', 'pt')[:2]}l"
TOPOLOGY = """
suite: bookworm
networks: {mgmt: {mtu: 1500}}
nodes:
  hv1: {role: hypervisor, links: {eth0: {network: mgmt, addresses: [192.168.250.11/24]}}}
"""


def moments(*some: float, more: list[float]) -> list[float]:
    """When to kill: some moments, and with WEFT_KILLS=all more."""
    return [*some, *more] if os.environ.get("WEFT_KILLS") == "all" else [*some]


@dataclass(frozen=True)
class Checkout:
    """A copy of the lab in a place of its own, with one lab."""

    root: Path

    @property
    def name(self) -> str:
        return f"weftlab-{sha256(str(self.root).encode()).hexdigest()[:8]}-{LAB}"

    @property
    def machine(self) -> str:
        return f"{self.name}-hv1"

    def popen(self, *words: str) -> subprocess.Popen[str]:
        env = os.environ | {"PYTHONPATH": str(self.root / "molecule")}
        command = [sys.executable, "-m", "lab", "--lab", LAB, *words]
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def lab(self, *words: str) -> str:
        with self.popen(*words) as process:
            output = process.communicate(timeout=120)[0]
        assert process.returncode == 0, output
        return output

    def up(self) -> None:
        self.lab("up", "--topology", str(self.root / "one.yml"))
        assert self.lab("exec", "hv1", "--", "hostname").strip() == "hv1"

    def killed(self, seconds: float, *words: str) -> None:
        with self.popen(*words) as process:
            time.sleep(seconds)
            process.kill()

    def nspawn(self) -> int:
        return self._process("systemd-nspawn")

    def keeper(self) -> int:
        return self._process("lab.keeper")

    def _process(self, word: str) -> int:
        (found,) = [
            pid
            for pid in pids.of(self.machine)
            if word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            and self.machine in Path(f"/proc/{pid}/cmdline").read_text()
        ]
        return found

    def traces(self) -> list[str]:
        """What the kernel still has of this lab."""
        return [
            *cgroups.names(self.name),
            *pids.machines(self.name),
            *map(str, pids.of(self.machine)),
            *(str(mount.point) for mount in mounted() if mount.point.is_relative_to(self.root)),
            *(str(path) for path in Path("/run/netns").glob(f"{self.name}*")),
        ]


@pytest.fixture
def checkouts() -> Iterator[list[Checkout]]:
    found = []
    for name in ("one", "two"):
        root = ROOT / ".cache" / "packets" / "labs" / f"{LAB}-{name}"
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(PACKAGE, root / "molecule" / "lab", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "one.yml").write_text(TOPOLOGY)
        found.append(Checkout(root))
    yield found
    for checkout in found:
        if checkout.traces():
            checkout.lab("down")
        shutil.rmtree(checkout.root, ignore_errors=True)


@pytest.fixture
def checkout(checkouts: list[Checkout]) -> Checkout:
    return checkouts[0]


def until(holds: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.2)
    return holds()


def test_two_checkouts_have_a_lab_of_one_id(checkouts: list[Checkout]) -> None:
    one, two = checkouts
    for checkout in checkouts:
        checkout.up()
        checkout.lab("exec", "hv1", "--", "sh", "-c", f"echo {checkout.root.name} >/root/whose")
    assert [each.lab("exec", "hv1", "--", "cat", "/root/whose").strip() for each in checkouts] == [
        each.root.name for each in checkouts
    ]
    one.lab("down")
    assert one.traces() == []
    assert two.lab("exec", "hv1", "--", "cat", "/root/whose").strip() == two.root.name
    two.lab("down")
    assert two.traces() == []


@pytest.mark.parametrize("victim", [Checkout.keeper, Checkout.nspawn])
def test_a_node_that_lost_its_keeper_comes_back(checkout: Checkout, victim: Callable[[Checkout], int]) -> None:
    checkout.up()
    checkout.lab("exec", "hv1", "--", "sh", "-c", "echo mine >/root/kept; sync")
    os.kill(victim(checkout), signal.SIGKILL)
    assert until(lambda: pids.of(checkout.machine) == set()), "a machine outlived its keeper"
    checkout.up()
    assert checkout.lab("exec", "hv1", "--", "cat", "/root/kept") == "mine\n"
    os.kill(victim(checkout), signal.SIGKILL)
    checkout.lab("down")
    assert checkout.traces() == []


@pytest.mark.parametrize("seconds", moments(0.3, 0.8, more=[0.1, 0.2, 0.5, 1.2, 2.0]))
def test_up_that_was_killed_is_done_again(checkout: Checkout, seconds: float) -> None:
    checkout.killed(seconds, "up", "--topology", str(checkout.root / "one.yml"))
    checkout.up()
    checkout.lab("down")
    assert checkout.traces() == []


@pytest.mark.parametrize("seconds", moments(0.1, 0.6, more=[0.2, 0.3, 0.5, 0.8, 0.9]))
def test_after_down_that_was_killed_up_and_down_work(checkout: Checkout, seconds: float) -> None:
    checkout.up()
    checkout.killed(seconds, "down")
    checkout.up()
    checkout.lab("down")
    assert checkout.traces() == []


def test_a_lab_that_lost_its_state_is_replaced(checkout: Checkout) -> None:
    checkout.up()
    state = checkout.root / ".cache" / "lab" / LAB
    (state / "topology.yml").unlink()
    (state / "nodes" / "hv1" / "leader").unlink()
    keeper = checkout.keeper()
    checkout.up()
    assert checkout.keeper() != keeper
    (state / "topology.yml").write_text("{")
    checkout.lab("down")
    assert checkout.traces() == []


def test_nothing_is_left_of_a_checkout_that_was_removed(checkout: Checkout) -> None:
    checkout.up()
    # As `rm -rf` does it: through the mounts, all but their places.
    shutil.rmtree(checkout.root, ignore_errors=True)
    assert until(lambda: checkout.traces() == []), checkout.traces()
