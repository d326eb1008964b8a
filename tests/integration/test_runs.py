"""What a run that changes nothing costs, and what a check run predicts."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from checks import play, steps
from checks.fabric import Fabric, Intent, drop

pytestmark = pytest.mark.packets
TIMES_A_PING = 3.0


def fastest(function: Callable[[], None]) -> float:
    """Seconds of the faster of two calls: what else the computer does is not asked about."""
    found = []
    for _time in range(2):
        start = time.monotonic()
        function()
        found.append(time.monotonic() - start)
    return min(found)


def test_all_twelve_steps_pass(fabric: Fabric) -> None:
    assert steps.failures(fabric.cloud) == []


def test_second_run_changes_nothing_and_takes_at_most_three_pings(fabric: Fabric) -> None:
    assert fabric.run().changed == 0
    ansible = [str(Path(sys.executable).with_name("ansible")), "-i", str(fabric.inventory), "all", "-m", "ping"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def ping() -> None:
        assert fabric.lab.controller(ansible, env=play.environment(), **quiet).returncode == 0

    pinged, ran = fastest(ping), fastest(lambda: fabric.run() and None)
    print(f"\nping of the same hosts {pinged:.2f} s, unchanged run {ran:.2f} s: {ran / pinged:.1f} times")
    assert ran <= TIMES_A_PING * pinged


def edit(intent: Intent) -> None:
    """One of each kind: something new, something changed, something gone."""
    vpc = intent["weft_vpcs"][0]
    vpc["elastic_ips"].append({"name": "eip-c", "network": "L3-public", "target": "vpc-ins3"})
    vpc["load_balancers"][0]["listeners"][0]["algorithm"] = "leastconn"
    drop(vpc["port_forwards"], "vpc-port3")
    vpc["networks"].append({"name": "vpc-1-4", "pool": "vxlan-pool", "cidr": "192.168.23.0/24"})


def test_check_run_predicts_exactly_what_a_run_does(fabric: Fabric) -> None:
    fabric.change(edit)
    before = (fabric.state / "weft-ledger.json").read_bytes()
    predicted = fabric.run("--check", "--diff", "-v")
    assert (fabric.state / "weft-ledger.json").read_bytes() == before
    assert "eip-c" in predicted.output or "20-eip.elements" in predicted.output
    real = fabric.run("-v")
    assert predicted.did() == real.did()
    assert set(real.did()) == {"gw1"}


def test_check_run_changes_nothing(fabric: Fabric) -> None:
    fabric.change(edit)
    fabric.run("--check", "--diff")
    fabric.restore()
    assert fabric.run().changed == 0
