"""Firewalls of a router's interfaces and of public addresses, and what a change of them does to live connections."""

from __future__ import annotations

from typing import Any

import pytest
from checks.cloud import LINE_PORT, WAN_ADDRESS, WAN_PORT, Cloud, tcp, udp
from checks.fabric import Fabric, Intent
from checks.instances import ROW
from checks.services import EVERYTHING, all_of, answered, stamps
from checks.streams import Stream

pytestmark = pytest.mark.packets

SUBNET = "192.168.20.0/24"
LINE = {"name": "line", "protocol": "tcp", "ports": LINE_PORT, "cidrs": ["10.0.0.0/16"]}
ELASTIC = [
    LINE,
    {"name": "ping", "protocol": "icmp", "icmp_type": 8},
    {"name": "datagrams", "protocol": "udp", "ports": f"{ROW[0]}-{ROW[-1]}"},
]
BALANCER = {"name": "balancer", "protocol": "tcp", "ports": 8081}
VIRTUAL = [{"name": "forwards", "protocol": "tcp", "ports": "2222-2223", "cidrs": [WAN_ADDRESS]}, BALANCER]
INTERFACES: list[dict[str, Any]] = [
    {
        "network": "L3-public", "direction": "in",
        "rules": [{"number": 1, "action": "deny", "protocol": "udp", "ports": ROW[1], "destinations": [SUBNET]}],
    },
    {
        "network": "L3-public", "direction": "out",
        "rules": [{"number": 1, "name": "mail", "action": "deny", "protocol": "udp", "destinations": [WAN_ADDRESS]}],
    },
    {
        "network": "vpc-1-2", "direction": "local", "default": "deny",
        "rules": [{"number": 1, "name": "leases", "action": "allow", "protocol": "udp", "ports": 67}],
    },
    {"network": "vpc-1-3", "direction": "in", "rules": [{"number": 5, "action": "deny"}]},
]  # fmt: skip


def with_firewalls(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    vpc["elastic_ips"][0]["firewall"] = list(ELASTIC)
    vpc["virtual_ips"][0]["firewall"] = list(VIRTUAL)
    vpc["router"]["firewall"] = INTERFACES


def test_firewalls(fabric: Fabric) -> None:
    fabric.change(with_firewalls)
    fabric.run_as_foretold()
    cloud = fabric.cloud
    elastic, free = (cloud.public("vpc-1", name, "elastic_ip") for name in ("eip-a", "eip-b"))
    shared, balancer = (cloud.public("vpc-1", name, "virtual_ip") for name in ("vip-pf", "vip-lb"))
    _what_is_admitted_to_public_addresses(cloud, elastic, free, shared, balancer)
    _what_interfaces_let_pass(cloud)
    _a_change_ends_what_it_no_longer_admits(fabric, elastic, free, shared)
    fabric.change(with_firewalls)
    fabric.run()
    assert answered(cloud, "wan", {**all_of(elastic), "balancer": tcp(shared, 8081)}) == {
        "line", "datagram", "fragments", "balancer"
    }  # fmt: skip
    fabric.restore()
    fabric.run_as_foretold()
    left = cloud.in_router("vpc-1", "nft list ruleset; cat /etc/weft/translation.json; ls /etc/weft/nftables.d")
    assert "fw_" not in left and "firewall" not in left
    assert answered(cloud, "wan", all_of(elastic)) == EVERYTHING


def _what_is_admitted_to_public_addresses(cloud: Cloud, elastic: str, free: str, shared: str, balancer: str) -> None:
    assert answered(cloud, "wan", all_of(elastic)) == {"line", "datagram", "fragments"}
    assert cloud.ping("wan", elastic) is not None
    assert stamps(cloud, "wan", free) and not stamps(cloud, "wan", elastic), "of ICMP, echo requests alone"
    assert answered(cloud, "wan", all_of(free)) == EVERYTHING - {"second"}, (
        "without a firewall, but for the interface's"
    )
    ports = {str(port): tcp(shared, port) for port in (2222, 2223, 2224, 8081)}
    assert answered(cloud, "wan", ports) == {"2222", "2223", "8081"}
    assert answered(cloud, "other-1", ports) == {"8081"}, "forwards are for one caller"
    assert answered(cloud, "wan", {"balancer": tcp(balancer)}) == {"balancer"}
    # Callers from inside come by the same address, as what they are.
    assert answered(cloud, "vpc-ins2", all_of(elastic)) == {"datagram", "second", "fragments"}


def _what_interfaces_let_pass(cloud: Cloud) -> None:
    outside = {"tcp": tcp(WAN_ADDRESS, WAN_PORT), "udp": udp(WAN_ADDRESS, WAN_PORT), "elsewhere": udp("223.5.5.5")}
    assert answered(cloud, "vpc-ins1", outside) == {"tcp", "elsewhere"}
    assert answered(cloud, "vpc-ins3", {**all_of(cloud.address("vpc-ins1")), **outside}) == set()
    assert answered(cloud, "vpc-ins1", all_of(cloud.address("vpc-ins3"))) == EVERYTHING
    for asker, heard in (("vpc-ins1", True), ("vpc-ins2", False)):
        gateway = cloud.gateway(cloud.network_of(asker)["name"])
        name = cloud.on(asker, ["dig", "+short", "+tries=1", "+time=2", f"@{gateway}", "vpc-ins1.cloud.internal"])
        assert (name.stdout.strip() == cloud.address("vpc-ins1")) is heard
        assert (cloud.ping(asker, gateway) is not None) is heard


def _a_change_ends_what_it_no_longer_admits(fabric: Fabric, elastic: str, free: str, shared: str) -> None:
    def narrower(intent: Intent) -> None:
        vpc = intent["weft_vpcs"][0]
        vpc["elastic_ips"][0]["firewall"].remove(LINE)
        vpc["virtual_ips"][0]["firewall"].remove(BALANCER)

    cloud = fabric.cloud
    fabric.change(narrower)
    with (
        Stream(cloud, "wan", elastic, LINE_PORT) as line,
        Stream(cloud, "wan", shared, 8081) as balanced,
        Stream(cloud, "wan", shared, 2222) as forwarded,
        Stream(cloud, "wan", free, LINE_PORT) as other,
        Stream(cloud, "vpc-ins1", WAN_ADDRESS, WAN_PORT) as goes_out,
    ):
        done = fabric.run_as_foretold()
        for cut in (line, balanced):
            cut.ends()
    for stream in (forwarded, other, goes_out):
        stream.lived()
    files = done.did()["gw1"]["files"]
    assert all(path.endswith(("17-firewall.elements", "translation.json")) for path in files), files
    assert answered(cloud, "wan", {**all_of(elastic), "balancer": tcp(shared, 8081)}) == {"datagram", "fragments"}
    counters = cloud.in_router("vpc-1", "nft list counters table inet weft")
    assert "fw_eip-a_public_datagrams" in counters and "fw_eip-a_public_line" not in counters


def with_two_links(intent: Intent) -> None:
    """A second public network, by which the second subnet leaves, and an elastic IP in it."""
    network = {"name": "leased", "interface": "eth3", "clusters": ["router_nodes"], "services": ["public"]}
    intent["weft_provider_networks"].append({**network, "cidr": "198.51.100.0/24", "gateway": "198.51.100.1"})
    vpc = intent["weft_vpcs"][0]
    vpc["router"]["public_networks"] = [{"network": "leased"}]
    vpc["networks"][1]["snat"] = {"network": "leased"}
    vpc["elastic_ips"].append({"name": "eip-z", "network": "leased", "target": "vpc-ins3", "outbound": False})


def shut_the_second(intent: Intent) -> None:
    intent["weft_vpcs"][0]["router"]["firewall"] = [
        {"network": "leased", "direction": direction, "default": "deny"} for direction in ("in", "out")
    ]


def test_each_public_interface_has_its_own_firewall(fabric: Fabric) -> None:
    fabric.change(with_two_links)
    cloud = fabric.apply()
    world = "223.5.5.5"
    elastic, leased = (cloud.public("vpc-1", name, "elastic_ip") for name in ("eip-a", "eip-z"))
    assert answered(cloud, "wan", {"first": tcp(elastic), "second": tcp(leased)}) == {"first", "second"}
    fabric.change(shut_the_second)
    with (
        Stream(cloud, "wan", elastic, LINE_PORT) as enters_first,
        Stream(cloud, "wan", leased, LINE_PORT) as enters_second,
        Stream(cloud, "vpc-ins1", world, WAN_PORT) as leaves_by_first,
        Stream(cloud, "vpc-ins2", world, WAN_PORT) as leaves_by_second,
    ):
        fabric.run()
        for cut in (enters_second, leaves_by_second):
            cut.ends()
    for stream in (enters_first, leaves_by_first):
        stream.lived()
    assert answered(cloud, "wan", {"first": tcp(elastic), "second": tcp(leased)}) == {"first"}
    assert answered(cloud, "vpc-ins2", {"out": tcp(world, WAN_PORT)}) == set()
