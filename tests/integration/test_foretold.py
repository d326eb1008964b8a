"""Check mode says exactly what the run does, whatever comes and goes at once: each file, each action, host by host."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from checks import instances
from checks.fabric import Fabric, Intent

pytestmark = pytest.mark.packets
SECOND = {
    "name": "leased",
    "interface": "eth3",
    "clusters": ["router_nodes"],
    "services": ["public"],
    "cidr": "198.51.100.0/24",
    "gateway": "198.51.100.1",
}


def without_vpc_2(intent: Intent) -> None:
    """A router goes, with all that it had."""
    del intent["weft_vpcs"][1]
    intent["weft_instances"] = [one for one in intent["weft_instances"] if one["tenant"] == "admin"]


def shaped(intent: Intent) -> None:
    """A router comes, with limits of bandwidth on its link."""
    elastic = {"name": "eip-x", "network": "L3-public", "target": "other-1", "qos": {"ingress": "9M", "egress": "8M"}}
    intent["weft_vpcs"][1]["elastic_ips"] = [elastic]


def second_exit(intent: Intent) -> None:
    """A live router gets a second public link, with an address and limits of its own."""
    intent["weft_provider_networks"].append(SECOND)
    vpc = intent["weft_vpcs"][0]
    vpc["router"]["public_networks"] = [{"network": "leased"}]
    limits = {"ingress": "9M", "egress": "8M"}
    vpc["elastic_ips"].append({"name": "eip-y", "network": "leased", "target": "vpc-ins3", "qos": limits})


def grouped(intent: Intent) -> None:
    intent["weft_security_groups"] = [{"name": "closed", "tenant": "admin"}]
    for instance in intent["weft_instances"][:2]:
        instance["nics"][0]["security_groups"] = ["closed"]


def more_ports(intent: Intent) -> None:
    """Hypervisors that lose their last groups at once get ports."""
    for host in ("hv1", "hv2"):
        nics = [{"network": "vpc-1-2"}]
        intent["weft_instances"].append({"name": f"more-{host}", "tenant": "admin", "host": host, "nics": nics})


def stopped(intent: Intent) -> None:
    intent["weft_vpcs"][1]["router"]["state"] = "stopped"


WAY: dict[str, list[Callable[[Intent], None]]] = {
    "a router goes": [without_vpc_2],
    "a shaped router comes": [shaped],
    "a second public link comes": [second_exit],
    "a public link and its addresses go, a router stops": [stopped],
    "a router starts, and ports come": [more_ports],
}


def test_every_step_is_foretold(fabric: Fabric) -> None:
    go(fabric, WAY)


@pytest.mark.kernel("nft_bridge_ct")
def test_the_end_of_the_last_groups_is_foretold_once(fabric: Fabric) -> None:
    """In the call that takes their rules along, and not in those after it that have something to do, too."""
    go(fabric, {"groups come": [grouped], "groups go and ports come": [more_ports]})


def go(fabric: Fabric, way: dict[str, list[Callable[[Intent], None]]]) -> None:
    for step, edits in way.items():
        fabric.restore()
        for edit in edits:
            fabric.change(edit)
        try:
            fabric.run_as_foretold("-e", "weft_max_removal_percent=100")
        except AssertionError as error:
            raise AssertionError(f"{step}: {error}") from error
    instances.start(fabric.cloud)
