"""Addresses and routes of a live router's links change: what was there before is nowhere any more (rows V2, V3, N1)."""

from __future__ import annotations

import json

import pytest
from checks.cloud import WAN_ADDRESS, saw, tcp, who
from checks.fabric import Fabric, Intent

pytestmark = pytest.mark.packets
OLD, NEW = "10.172.11.91", "10.172.11.77"


def addresses(fabric: Fabric, vpc: str = "vpc-1") -> set[str]:
    """Every address of the links of a router."""
    links = json.loads(fabric.cloud.in_router(vpc, "ip -json -4 address show"))
    return {f"{one['local']}/{one['prefixlen']}" for link in links for one in link["addr_info"]} - {"127.0.0.1/8"}


def routes(fabric: Fabric, vpc: str = "vpc-1") -> set[str]:
    return set(fabric.cloud.in_router(vpc, "ip -4 route show table main").splitlines())


def test_old_addresses_of_a_live_router_are_nobodys(fabric: Fabric) -> None:
    """A gateway and the public address change. Then another tenant's elastic IP gets the old public address.

    Who asks is in another network: guests keep the gateway that their lease says.
    """
    before = addresses(fabric)
    assert {"192.168.22.1/24", f"{OLD}/8"} <= before

    def move(intent: Intent) -> None:
        intent["weft_vpcs"][0]["router"]["public_ip"] = NEW
        intent["weft_vpcs"][0]["networks"][2]["gateway"] = "192.168.22.254"

    fabric.change(move)
    for said in (fabric.run("--check").output, fabric.run_as_foretold().output):
        assert "gateway 192.168.22.1 -> 192.168.22.254. Until then everything goes on but" in " ".join(said.split())
    assert addresses(fabric) == before - {"192.168.22.1/24", f"{OLD}/8"} | {"192.168.22.254/24", f"{NEW}/8"}
    arping = ["arping", "-c", "2", "-w", "3", "-I", "eth1", OLD]
    assert fabric.cloud.on("wan", arping).returncode != 0
    assert fabric.cloud.on("wan", [*arping[:-1], NEW]).returncode == 0

    def take(intent: Intent) -> None:
        elastic = {"name": "taken", "network": "L3-public", "target": "other-1", "ip": OLD}
        intent["weft_vpcs"][1]["elastic_ips"] = [elastic]

    fabric.change(take)
    cloud = fabric.apply()
    assert [who(answer) for answer in cloud.ask("wan", [tcp(OLD)] * 4)] == ["other-1 admin1"] * 4
    assert who(cloud.ask("vpc-ins2", [tcp(WAN_ADDRESS)])[0]).startswith("wan")
    # It comes back, and whoever knew another owner learns that at once.
    fabric.restore()
    cloud = fabric.apply()
    answer = cloud.ask("vpc-ins2", [tcp(WAN_ADDRESS)])[0]
    assert (who(answer), saw(answer)) == ("wan", OLD)


def test_another_default_gateway_is_the_only_one(fabric: Fabric) -> None:
    def elsewhere(intent: Intent) -> None:
        intent["weft_provider_networks"][0]["gateway"] = "10.0.0.2"

    assert {line.split()[2] for line in routes(fabric) if line.startswith("default")} == {"10.0.0.1"}
    fabric.change(elsewhere)
    fabric.run_as_foretold()
    assert {line.split()[2] for line in routes(fabric) if line.startswith("default")} == {"10.0.0.2"}
    fabric.restore()
    fabric.run()
    assert {line.split()[2] for line in routes(fabric) if line.startswith("default")} == {"10.0.0.1"}


def test_a_prefix_moves_from_one_network_to_another(fabric: Fabric) -> None:
    """What a network leaves is another's, and works there."""

    def add(intent: Intent) -> None:
        new = [("vpc-1-4", "192.168.31.0/24"), ("vpc-1-5", "192.168.32.0/24")]
        networks = [{"name": name, "pool": "vxlan-pool", "cidr": cidr} for name, cidr in new]
        intent["weft_vpcs"][0]["networks"] += networks

    def move(intent: Intent) -> None:
        *_others, fourth, fifth = intent["weft_vpcs"][0]["networks"]
        fourth["cidr"], fifth["cidr"] = "192.168.33.0/24", "192.168.31.0/24"
        nics = [{"network": "vpc-1-5"}]
        intent["weft_instances"].append({"name": "vpc-ins5", "tenant": "admin", "host": "hv2", "nics": nics})

    fabric.change(add)
    fabric.run()
    before = addresses(fabric)
    assert {"192.168.31.1/24", "192.168.32.1/24"} <= before
    fabric.change(move)
    cloud = fabric.apply("-e", "weft_max_removal_percent=100")
    assert addresses(fabric) == before - {"192.168.32.1/24"} | {"192.168.33.1/24"}
    assert cloud.address("vpc-ins5").startswith("192.168.31.")
    assert cloud.ping("vpc-ins5", cloud.address("vpc-ins1")) == 63
    assert cloud.ping("vpc-ins2", cloud.address("vpc-ins5")) == 63
