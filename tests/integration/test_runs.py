"""A second run changes nothing (what it costs: `make bench`), and a check run predicts what a run does."""

from __future__ import annotations

import pytest
from checks import steps
from checks.fabric import Fabric, Intent, drop

pytestmark = pytest.mark.packets


def test_all_twelve_steps_pass(fabric: Fabric) -> None:
    assert steps.failures(fabric.cloud) == []


def test_second_run_changes_nothing(fabric: Fabric) -> None:
    assert fabric.run().changed == 0


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
