"""The twelve steps, with packets, and what a run must leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from checks import steps
from checks.cloud import Cloud

from lab.api import Lab
from lab.paths import ROOT
from lab.testinfra_backend import host

LAB = Lab()
CLOUD = Cloud(LAB, ROOT / "inventories" / "walkthrough", Path(ROOT, ".cache", "molecule", LAB.id))


def test_all_steps_pass() -> None:
    """All at once: side by side they take a few seconds."""
    assert steps.failures(CLOUD) == []


@pytest.mark.parametrize("name", ["hv1", "hv2", "gw1", "gw2"])
def test_hosts_are_well(name: str) -> None:
    """No unit has failed, and what is the user's is as it was."""
    machine = host(name)
    assert machine.check_output("systemctl list-units --failed --plain --no-legend") == ""
    assert "Name=users0" in machine.file("/etc/systemd/network/90-users.network").content_string
    assert machine.service("systemd-networkd").is_running


@pytest.mark.parametrize("name", ["hv2", "gw2"])
def test_things_of_the_user_are_left_alone(name: str) -> None:
    """Rules and devices do not survive a reboot, so only hosts that had none are asked."""
    machine = host(name)
    assert "users" in machine.check_output("nft list tables")
    assert machine.interface("users0").exists


def test_routers_run_as_machines_of_their_own() -> None:
    """Each in its user namespace, under the limits of its offering."""
    node = host("gw1")
    for router, quota in (("vpc-1.admin", "4s"), ("vpc-2.admin1", "500ms")):
        unit = node.service(f"weft-router@{router}.service")
        assert unit.is_running
        assert unit.systemd_properties["CPUQuotaPerSecUSec"] == quota
