"""A host leaves the fabric: by an act, or by being declared gone. Until then every run says what it still has."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from checks import instances
from checks.fabric import Fabric, Intent
from checks.leftovers import left_on

pytestmark = pytest.mark.packets
HOST, VTEP = "hv2", "172.20.0.12"


def move(intent: Intent) -> None:
    """All instances to the other hypervisor."""
    for instance in intent["weft_instances"]:
        instance["host"] = "hv1"


def without(fabric: Fabric, **variables: object) -> None:
    """The host leaves the inventory."""
    path = fabric.inventory / "hosts.yml"
    hosts: dict[str, Any] = yaml.safe_load(path.read_text())
    del hosts["all"]["children"]["cluster1"]["hosts"][HOST]
    hosts["all"]["vars"].update(variables)
    path.write_text(yaml.safe_dump(hosts))


def said(output: str) -> str:
    return " ".join(output.split())


def peers(fabric: Fabric) -> str:
    """What the other hosts know of VTEPs: flood lists, stations, admitted peers."""
    known = "bridge fdb show; nft list table inet weft; cat /etc/systemd/network/05-weft-*"
    return "".join(fabric.cloud.read(host, known) for host in ("hv1", "gw1"))


def test_a_host_leaves_by_an_act(fabric: Fabric) -> None:
    assert f"dst {VTEP} " in peers(fabric)
    refused = fabric.try_run("-e", f"host={HOST}", playbook="leave")
    assert refused.status and "weft_instances" in refused.output and "Deploy" not in refused.output
    assert fabric.try_run("-e", "host=hv9", playbook="leave").status
    fabric.change(move)
    foretold = fabric.run("-e", f"host={HOST}", "--check", "-v", playbook="leave")
    done = fabric.run("-e", f"host={HOST}", "-v", playbook="leave")
    assert done.did() == foretold.did() and done.did()[HOST]["files"]
    instances.start(fabric.cloud)
    assert left_on(fabric.lab, HOST) == []
    assert VTEP not in peers(fabric)
    without(fabric)
    planned = fabric.run(playbook="plan").output
    assert "No changes" in planned and "WEFT-O2" not in planned
    assert fabric.run().changed == 0
    assert not (fabric.state / f".weft/applied/{HOST}.json").exists()
    cloud = fabric.apply()
    assert cloud.ping("vpc-ins1", cloud.address("vpc-ins3"), count=3) == 63


def test_a_host_that_is_dead_is_declared_gone(fabric: Fabric) -> None:
    fabric.change(move)
    without(fabric)
    record = fabric.state / f".weft/applied/{HOST}.json"
    for output in (fabric.run("--check").output, fabric.run().output, fabric.run(playbook="plan").output):
        assert f"'{HOST}' left the inventory, and as far as is known still has" in said(output)
        assert f"weft_gone_hosts: [{HOST}]" in said(output)
    assert "No changes" in fabric.run(playbook="plan").output
    assert VTEP not in peers(fabric) and record.exists()
    fabric.restore()
    fabric.change(move)
    without(fabric, weft_gone_hosts=[HOST])
    assert "WEFT-O2" not in fabric.run("--check").output and record.exists()
    assert "WEFT-O2" not in fabric.run().output and not record.exists()
    refused = fabric.try_run("-e", '{"weft_gone_hosts": ["hv1"]}')
    assert refused.status and "'hv1' is declared gone and is in the inventory" in said(refused.output)
