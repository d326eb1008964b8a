"""Network ACLs: what goes into a network and comes from it, and what a change of that does to live connections."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from checks.cloud import LINE_PORT, WAN_ADDRESS, WAN_PORT, Cloud, tcp, udp
from checks.fabric import Fabric, Intent
from checks.instances import ROW, TELNET
from checks.services import EVERYTHING, all_of, answered, stamps
from checks.streams import Datagrams, Stream

from lab.shell import patient

pytestmark = pytest.mark.packets
ADMITTED = {"line", "telnet", "datagram", "second", "fragments"}
INNER, PUBLISHED, DATAGRAMS = "192.168.22.100", 8083, 5300
PINGED = {"health_check": {"type": "icmp"}}

WEB = [
    {"number": 30, "name": "no-ins2", "direction": "ingress", "action": "deny", "cidrs": ["192.168.21.0/24"]},
    {"number": 20, "name": "line", "direction": "ingress", "action": "allow", "protocol": "tcp", "ports": "8080-8090"},
    {"number": 40, "name": "telnet", "direction": "ingress", "action": "allow", "protocol": "tcp", "ports": TELNET},
    {"number": 50, "direction": "ingress", "action": "allow", "protocol": "icmp", "icmp_type": 8, "icmp_code": 0},
    {
        "number": 60, "name": "datagrams", "direction": "ingress", "action": "allow", "protocol": "udp",
        "ports": f"{ROW[0]}-{ROW[-1]}", "cidrs": [f"{WAN_ADDRESS}/32", "172.16.0.0/12"],
    },
    {"number": 10, "direction": "egress", "action": "deny", "protocol": "udp", "cidrs": [WAN_ADDRESS]},
]  # fmt: skip


def with_lists(intent: Intent) -> None:
    """A list of its own for the first network, and the third shut off, with load balancers into it."""
    vpc = intent["weft_vpcs"][0]
    vpc["network_acls"] = [{"name": "web", "rules": WEB}]
    first, _second, third = vpc["networks"]
    first["acl"], third["acl"] = "web", "default_deny"
    listener = {"name": "shut", "protocol": "tcp", "port": PUBLISHED, "backends": ["vpc-ins3"], "backend_port": 8080}
    vpc["load_balancers"][1]["listeners"].append(listener)
    vpc["load_balancers"].append({"name": "inner", "network": "vpc-1-3", "ip": INNER, "listeners": [listener]})
    listeners = [
        {"name": name, "protocol": "udp", "port": port, "backends": [backend], "backend_port": ROW[0], **PINGED}
        for name, port, backend in (("open", DATAGRAMS, "vpc-ins1"), ("shut", DATAGRAMS + 1, "vpc-ins3"))
    ]
    vpc["load_balancers"].append({"name": "datagrams", "virtual_ip": "vip-pf", "listeners": listeners})
    nics = [{"network": "vpc-1-3"}]
    intent["weft_instances"].append({"name": "vpc-ins4", "tenant": "admin", "host": "hv2", "nics": nics})


def rules_of(intent: Intent) -> list[Intent]:
    rules: list[Intent] = intent["weft_vpcs"][0]["network_acls"][0]["rules"]
    return rules


@pytest.fixture
def listed(fabric: Fabric) -> Iterator[Cloud]:
    fabric.change(with_lists)
    yield fabric.apply()


def packets(cloud: Cloud) -> dict[str, int]:
    """What the counters of rules say, by name."""
    told = json.loads(cloud.in_router("vpc-1", "nft -j list counters"))["nftables"]
    return {one["counter"]["name"]: one["counter"]["packets"] for one in told if "counter" in one}


def test_what_a_list_admits(listed: Cloud) -> None:
    cloud, elastic = listed, listed.public("vpc-1", "eip-a", "elastic_ip")
    shared = cloud.public("vpc-1", "vip-pf", "virtual_ip")
    ins1, ins3 = cloud.address("vpc-ins1"), cloud.address("vpc-ins3")

    # By the inside address and port, whatever it was called outside; the first rule that matches decides.
    assert answered(cloud, "wan", all_of(elastic)) == ADMITTED
    assert answered(cloud, "wan", {"forward": tcp(shared, 2222)}) == {"forward"}
    assert answered(cloud, "vpc-ins2", all_of(ins1)) == {"line"}
    assert cloud.ping("wan", elastic) is not None
    assert cloud.ping("vpc-ins2", ins1) is None, "rule 30 comes before rule 50"
    assert not stamps(cloud, "wan", elastic)
    assert stamps(cloud, "vpc-ins1", cloud.address("vpc-ins2")), "which answers where no list is in the way"

    # From the network: all but what its list denies, and answers to what came in.
    outside = {"tcp": tcp(WAN_ADDRESS, WAN_PORT), "udp": udp(WAN_ADDRESS, WAN_PORT), "elsewhere": udp("223.5.5.5")}
    assert answered(cloud, "vpc-ins1", outside) == {"tcp", "elsewhere"}
    assert answered(cloud, "vpc-ins1", all_of(cloud.address("vpc-port-test-1"))) == EVERYTHING, "its own network"

    _nothing_passes_but_what_the_router_does(cloud, ins1, ins3, shared)
    _each_rule_counts(cloud, elastic)


def _nothing_passes_but_what_the_router_does(cloud: Cloud, ins1: str, ins3: str, shared: str) -> None:
    """Of default_deny: neither in nor out; DHCP (which vpc-ins4 was given a lease by), DNS and ping stay."""
    assert answered(cloud, "vpc-ins2", all_of(ins3)) == answered(cloud, "vpc-ins3", all_of(ins1)) == set()
    assert answered(cloud, "vpc-ins3", {"out": tcp(WAN_ADDRESS, WAN_PORT), "balancer": tcp(shared, 8081)}) == set()
    gateway = cloud.gateway("vpc-1-3")
    assert cloud.ping("vpc-ins3", gateway) == 64
    assert cloud.read("vpc-ins3", f"dig +short @{gateway} vpc-ins1.cloud.internal").strip() == ins1

    # What a UDP listener hands on is behind the list of the backend's network, with the caller as its source.
    shared_out = {"open": udp(shared, DATAGRAMS), "shut": udp(shared, DATAGRAMS + 1)}
    deadline = time.monotonic() + patient(30)
    while "open" not in answered(cloud, "wan", shared_out):
        assert time.monotonic() < deadline, "no backend of the UDP listener is well"
    assert answered(cloud, "wan", shared_out) == {"open"}
    assert answered(cloud, "other-1", shared_out) == set()

    # A load balancer's own connections pass; its address in a network is behind that network's list.
    assert answered(cloud, "wan", {"published": tcp(shared, PUBLISHED)}) == {"published"}
    assert answered(cloud, "vpc-ins2", {"published": tcp(shared, PUBLISHED), "inner": tcp(INNER, PUBLISHED)}) == {
        "published"
    }
    assert answered(cloud, "vpc-ins4", {"inner": tcp(INNER, PUBLISHED)}) == {"inner"}


def _each_rule_counts(cloud: Cloud, elastic: str) -> None:
    before = packets(cloud)
    with Stream(cloud, "wan", elastic, LINE_PORT):
        pass
    after = packets(cloud)
    assert {name: after[name] - count for name, count in before.items() if after[name] != count} == {
        "acl_web_ingress_line": 1
    }
    used = [f"acl_web_ingress_{rule}" for rule in ("telnet", "50", "datagrams", "no-ins2")]
    used += ["acl_web_egress_10", "acl_web_egress", "acl_web_ingress", "acl_default_deny_egress"]
    assert [name for name in used if not after[name]] == []


def test_a_change_ends_what_it_no_longer_admits(fabric: Fabric, listed: Cloud) -> None:
    cloud, elastic = listed, listed.public("vpc-1", "eip-a", "elastic_ip")
    ins1 = cloud.address("vpc-ins1")
    counted = packets(cloud)["acl_web_ingress_telnet"]

    def narrower(intent: Intent) -> None:
        rules = rules_of(intent)
        rules.remove(WEB[1])
        (datagrams,) = (one for one in rules if one.get("name") == "datagrams")
        datagrams["ports"] = ROW[0]

    # A rule goes, and another one is about less.
    fabric.change(narrower)
    with (
        Stream(cloud, "wan", elastic, LINE_PORT) as outside,
        Stream(cloud, "vpc-ins2", ins1, LINE_PORT) as inside,
        Stream(cloud, "wan", elastic, TELNET) as other,
        Stream(cloud, "vpc-ins1", WAN_ADDRESS, WAN_PORT) as goes_out,
        Stream(cloud, "vpc-ins1", cloud.address("vpc-port-test-1"), LINE_PORT) as neighbour,
        Datagrams(cloud, "wan", elastic, ROW[0]) as first,
        Datagrams(cloud, "wan", elastic, ROW[1]) as second,
    ):
        done = fabric.run_as_foretold()
        for cut in (outside, inside):
            cut.ends()
        assert second.tell()["lost"]
        assert second.tell()["answers"] == 0
        kept = first.tell()
        assert kept["answers"] and not kept["lost"]
    for stream in (other, goes_out, neighbour):
        stream.lived()
    files = done.did()["gw1"]["files"]
    assert all(path.endswith(("16-network_acl.elements", "translation.json")) for path in files), files
    assert answered(cloud, "wan", all_of(elastic)) == ADMITTED - {"line", "second"}
    assert packets(cloud)["acl_web_ingress_telnet"] > counted, "what the change is not about goes on counting"

    # It comes back, with a higher number than what denies a part of it.
    fabric.change(lambda intent: rules_of(intent).append(WEB[1]))
    fabric.run()
    assert answered(cloud, "wan", all_of(elastic)) >= {"line"}

    def later(intent: Intent) -> None:
        rules_of(intent)[-1]["number"] = 35

    fabric.change(later)
    with (
        Stream(cloud, "vpc-ins2", ins1, LINE_PORT) as inside,
        Stream(cloud, "wan", elastic, LINE_PORT) as outside,
    ):
        fabric.run()
        inside.ends()
    outside.lived()


def test_a_list_is_swapped_and_all_of_it_outlives_a_reboot(fabric: Fabric, listed: Cloud) -> None:
    cloud, elastic = listed, listed.public("vpc-1", "eip-a", "elastic_ip")

    def swap(intent: Intent) -> None:
        intent["weft_vpcs"][0]["networks"][1]["acl"] = "default_deny"

    fabric.change(swap)
    with (
        Stream(cloud, "vpc-ins2", WAN_ADDRESS, WAN_PORT) as shut,
        Stream(cloud, "wan", elastic, LINE_PORT) as other,
    ):
        fabric.run()
        shut.ends()
    other.lived()

    fabric.lab.reboot("gw1")
    fabric.await_leases()
    assert answered(cloud, "wan", all_of(elastic)) == ADMITTED
    assert answered(cloud, "vpc-ins2", {"out": tcp(WAN_ADDRESS, WAN_PORT)}) == set()

    fabric.restore()
    fabric.run_as_foretold("-e", "weft_max_removal_percent=100")
    left = cloud.in_router("vpc-1", "nft list ruleset; cat /etc/weft/translation.json; ls /etc/weft/nftables.d")
    assert "acl" not in left
    assert answered(cloud, "vpc-ins2", all_of(cloud.address("vpc-ins1"))) == EVERYTHING
