"""What the plan of the walkthrough does to single flows, and which of its rules it names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Translated
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse import Answer, RouterAnalysis
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import load
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough

OUTSIDE, VIP = "10.0.0.1", "10.172.11.93"
INS1, INS2, INS3, TEST1 = "192.168.20.2", "192.168.21.2", "192.168.22.2", "192.168.20.154"
EIP, OWN = "10.172.11.2", "10.172.11.91"
RESTRICTED = {
    "name": "some", "virtual_ip": "vip-pf", "protocol": "udp", "port": "5000-5002", "target": "vpc-ins3",
    "target_port": "6000-6002", "allowed_cidrs": ["10.0.0.0/30", "10.0.0.1/32", "192.168.21.0/24"],
}  # fmt: skip
NAMES = {
    "name": "names", "virtual_ip": "vip-pf",
    "listeners": [
        {
            "name": "dns", "protocol": "udp", "port": 53, "backend_port": 53,
            "backends": ["vpc-port-test-1", "vpc-ins2"],
            "health_check": {"type": "icmp"}, "denied_cidrs": ["10.0.0.9"],
        },
        {
            "name": "log", "protocol": "udp", "port": 514, "backends": [{"instance": "vpc-ins2", "drain": True}],
            "backend_port": 514, "health_check": {"type": "udp", "send": "?"},
        },
    ],
}  # fmt: skip
BY_SENDER = [
    {"source": "192.168.21.0/24", "destination": "198.18.0.0/15", "next_hop": "vpc-ins3"},
    {"source": "192.168.21.0/24", "destination": "172.30.0.0/16", "type": "blackhole"},
]


def analysis(edit: Callable[[dict[str, Any]], None] = lambda _vpc: None) -> RouterAnalysis:
    variables, hosts = walkthrough()
    variables["weft_vpcs"][0]["port_forwards"].append(RESTRICTED)
    variables["weft_vpcs"][0]["load_balancers"].append(NAMES)
    variables["weft_fabric"]["route_denylist"] = ["198.51.100.0/24"]
    variables["weft_vpcs"][0]["routes"] += BY_SENDER
    nics = {one["name"]: one["nics"][0] for one in variables["weft_instances"]}
    nics["vpc-port-test-1"]["snat"] = {"virtual_ip": "vip-pf"}
    nics["vpc-ins3"]["snat"] = False
    nics["vpc-ins1"]["snat"] = {"virtual_ip": "vip-lb"}
    edit(variables["weft_vpcs"][0])
    intent, _warnings = load(variables, hosts)
    now, rest = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
    values = allocate(Ledger("shanghai"), list(requests(intent)), now, rest).values
    plan = make_plan(intent, values, "", {"gw1": {}})
    return RouterAnalysis(next(one for one in plan.hosts["gw1"]["routers"] if one["vpc"] == "vpc-1"))


def flow(protocol: str, source: str, destination: str, port: int = 0) -> Flow:
    return Flow(protocol, source, destination, 40000 if port else 0, port)


def short(answer: Answer) -> tuple[str, list[str]]:
    verdict = answer.verdict
    return f"{verdict.action} {'here' if verdict.local else 'onwards'}", [
        rule.key.replace("admin/vpc-1/", "") for rule in answer.rules
    ]


@pytest.mark.parametrize(
    ("asked", "verdict", "rules"),
    [
        (flow("tcp", OUTSIDE, EIP, 22), "accept onwards", ["elastic IP eip-a", "subnet vpc-1-1"]),
        (flow("tcp", OUTSIDE, VIP, 2222), "accept onwards", ["port forward vpc-port1", "subnet vpc-1-1"]),
        (flow("udp", OUTSIDE, VIP, 5001), "accept onwards", ["port forward some", "subnet vpc-1-3"]),
        (flow("udp", "10.0.0.9", VIP, 5001), "reject here", ["port forward some"]),
        (flow("udp", INS1, VIP, 5001), "reject here", ["port forward some"]),
        (
            flow("udp", INS2, VIP, 5001),
            "accept onwards",
            ["port forward some", "subnet vpc-1-2", "subnet vpc-1-3"],
        ),
        (flow("tcp", OUTSIDE, VIP, 5001), "drop here", ["router admin/vpc-1"]),
        (flow("tcp", OUTSIDE, VIP, 8081), "accept here", ["listener web-on-shared-vip/line"]),
        (flow("tcp", INS1, VIP, 8081), "accept here", ["listener web-on-shared-vip/line"]),
        (flow("udp", OUTSIDE, VIP, 53), "accept onwards", ["listener names/dns", "subnet vpc-1-1"]),
        (
            flow("udp", INS2, VIP, 53),
            "accept onwards",
            ["listener names/dns", "subnet vpc-1-2", "subnet vpc-1-1"],
        ),
        (flow("udp", "10.0.0.9", VIP, 53), "reject here", ["listener names/dns"]),
        (flow("udp", INS1, VIP, 514), "reject here", ["listener names/log"]),
        (flow("icmp", OUTSIDE, VIP), "drop here", ["router admin/vpc-1"]),
        (flow("icmp", OUTSIDE, OWN), "drop here", ["router admin/vpc-1"]),
        (flow("tcp", OUTSIDE, TEST1, 23), "drop onwards", ["router admin/vpc-1"]),
        (flow("icmp", INS1, OWN), "accept here", ["subnet vpc-1-1"]),
        (flow("udp", INS1, "192.168.20.1", 53), "accept here", ["subnet vpc-1-1"]),
        (flow("udp", INS1, "192.168.21.1", 53), "accept here", ["subnet vpc-1-1"]),
        (flow("udp", INS1, OWN, 53), "drop here", ["router admin/vpc-1"]),
        (flow("udp", OUTSIDE, "192.168.20.1", 53), "drop here", ["router admin/vpc-1"]),
        (flow("tcp", INS1, "192.168.20.1", 22), "drop here", ["router admin/vpc-1"]),
        (flow("udp", "0.0.0.0", "255.255.255.255", 67), "accept here", ["router admin/vpc-1"]),
        (flow("tcp", INS1, INS2, 23), "accept onwards", ["subnet vpc-1-1", "subnet vpc-1-2"]),
        (flow("tcp", INS1, OUTSIDE, 80), "accept onwards", ["subnet vpc-1-1", "elastic IP eip-a"]),
        (flow("tcp", INS2, OUTSIDE, 80), "accept onwards", ["subnet vpc-1-2", "source NAT vpc-1-2"]),
        (
            flow("tcp", TEST1, OUTSIDE, 80),
            "accept onwards",
            ["subnet vpc-1-1", "source NAT of admin/vpc-port-test-1/0"],
        ),
        (flow("tcp", INS3, OUTSIDE, 80), "accept onwards", ["subnet vpc-1-3", "source NAT of admin/vpc-ins3/0"]),
        (
            flow("tcp", INS1, VIP, 2222),
            "accept onwards",
            ["port forward vpc-port1", "subnet vpc-1-1", "subnet vpc-1-1", "elastic IP eip-a"],
        ),
        (
            flow("tcp", INS1, "172.31.0.1", 80),
            "accept onwards",
            ["route 172.31.0.0/16 distance 128 via vpc-ins2", "subnet vpc-1-1", "subnet vpc-1-2"],
        ),
        (flow("tcp", INS1, "203.0.113.1", 80), "drop onwards", ["route 203.0.113.0/24 distance 128"]),
        (flow("tcp", "203.0.113.1", EIP, 80), "drop onwards", ["route 203.0.113.0/24 distance 128"]),
        (
            flow("tcp", INS2, "172.30.0.1", 80),
            "drop onwards",
            ["route 172.30.0.0/16 from 192.168.21.0/24 distance 128"],
        ),
        (flow("tcp", INS1, "172.30.0.1", 80), "accept onwards", ["subnet vpc-1-1", "elastic IP eip-a"]),
        (
            flow("tcp", INS2, "198.18.0.1", 80),
            "accept onwards",
            [
                "route 198.18.0.0/15 from 192.168.21.0/24 distance 128 via vpc-ins3",
                "subnet vpc-1-2",
                "subnet vpc-1-3",
            ],
        ),
        (flow("udp", INS1, "224.0.0.251", 5353), "drop onwards", ["router admin/vpc-1"]),
        (flow("udp", OWN, "223.5.5.5", 53), "accept onwards", ["router admin/vpc-1"]),
    ],
)
def test_verdicts(asked: Flow, verdict: str, rules: list[str]) -> None:
    assert short(analysis().explain(asked)) == (verdict, rules)


def speaking(vpc: dict[str, Any]) -> None:
    neighbor = {"address": OUTSIDE, "asn": 65000, "bfd": True}
    vpc["router"] |= {"bgp": {"asn": 65010, "neighbors": [neighbor]}, "ospf": {}}


@pytest.mark.parametrize(
    ("asked", "verdict", "rule"),
    [
        (flow("tcp", OUTSIDE, OWN, 179), "accept here", f"BGP neighbor {OUTSIDE}"),
        (flow("udp", OUTSIDE, OWN, 3784), "accept here", f"BGP neighbor {OUTSIDE}"),
        (flow("89", OUTSIDE, "224.0.0.5"), "accept here", "OSPF admin/vpc-1"),
        (flow("89", "10.0.0.9", OWN), "accept here", "OSPF admin/vpc-1"),
        (flow("tcp", "10.0.0.9", OWN, 179), "drop here", "router admin/vpc-1"),
        (flow("tcp", INS1, OWN, 179), "drop here", "router admin/vpc-1"),
        (flow("tcp", OUTSIDE, VIP, 179), "drop here", "router admin/vpc-1"),
        (flow("89", INS1, "224.0.0.5"), "drop onwards", "router admin/vpc-1"),
        (flow("89", "11.0.0.9", OWN), "drop here", "router admin/vpc-1"),
    ],
)
def test_routing_protocols(asked: Flow, verdict: str, rule: str) -> None:
    assert short(analysis(speaking).explain(asked)) == (verdict, [rule])
    assert "accept" not in short(analysis().explain(asked))[0]


def listed(vpc: dict[str, Any]) -> None:
    """A list for the first subnet, nothing for and from the second, which has a load balancer of its own."""
    rules = [
        {"number": 20, "direction": "ingress", "action": "deny", "cidrs": ["10.0.0.9"]},
        {"number": 30, "name": "ssh", "direction": "ingress", "action": "allow", "protocol": "tcp", "ports": "22-23"},
        {"number": 40, "direction": "ingress", "action": "allow", "protocol": "icmp", "icmp_type": 8},
        {"number": 10, "name": "no-log", "direction": "egress", "action": "deny", "protocol": "udp", "ports": 6001},
    ]
    vpc["network_acls"] = [{"name": "web", "rules": rules}]
    vpc["networks"][0]["acl"], vpc["networks"][1]["acl"] = "web", "default_deny"
    listener = {"name": "sql", "protocol": "tcp", "port": 22, "backends": ["vpc-ins2"], "backend_port": 22}
    for number in (0, 1):
        network = vpc["networks"][number]
        inner = {"name": f"in-{number}", "network": network["name"], "ip": INNER[number], "listeners": [listener]}
        vpc["load_balancers"].append(inner)


INNER = ("192.168.20.100", "192.168.21.100")
WEB_IN, WEB_OUT, DENIED_IN = "network ACL web ingress", "network ACL web egress", "network ACL default_deny ingress"
SSH, NO_LOG = f"{WEB_IN} rule ssh", f"{WEB_OUT} rule no-log"


@pytest.mark.parametrize(
    ("asked", "verdict", "rules"),
    [
        (flow("tcp", OUTSIDE, EIP, 22), "accept onwards", ["elastic IP eip-a", SSH, "subnet vpc-1-1"]),
        (flow("tcp", "10.0.0.9", EIP, 22), "drop onwards", ["elastic IP eip-a", f"{WEB_IN} rule 20"]),
        (flow("tcp", OUTSIDE, EIP, 24), "drop onwards", ["elastic IP eip-a", WEB_IN]),
        (flow("tcp", OUTSIDE, VIP, 2222), "accept onwards", ["port forward vpc-port1", SSH, "subnet vpc-1-1"]),
        (
            flow("icmp", OUTSIDE, EIP),
            "accept onwards",
            ["elastic IP eip-a", f"{WEB_IN} rule 40", "subnet vpc-1-1"],
        ),
        (replace(flow("icmp", OUTSIDE, EIP), icmp=(13, 0)), "drop onwards", ["elastic IP eip-a", WEB_IN]),
        (flow("tcp", INS3, INS1, 22), "accept onwards", [SSH, "subnet vpc-1-3", "subnet vpc-1-1"]),
        (flow("tcp", INS3, INS1, 24), "reject onwards", [WEB_IN]),
        (flow("tcp", INS3, INS2, 22), "reject onwards", [DENIED_IN]),
        (flow("tcp", INS1, INS2, 22), "reject onwards", [WEB_OUT, DENIED_IN]),
        (flow("tcp", INS2, INS1, 22), "reject onwards", ["network ACL default_deny egress"]),
        (flow("udp", INS1, INS3, 6001), "reject onwards", [NO_LOG]),
        (flow("udp", INS1, VIP, 5001), "reject here", ["port forward some"]),
        (flow("tcp", INS1, OUTSIDE, 80), "accept onwards", [WEB_OUT, "subnet vpc-1-1", "elastic IP eip-a"]),
        (flow("udp", INS2, "192.168.21.1", 53), "accept here", ["subnet vpc-1-2"]),
        (flow("icmp", INS2, "192.168.21.1"), "accept here", ["subnet vpc-1-2"]),
        (
            flow("tcp", INS1, VIP, 8081),
            "accept here",
            [WEB_OUT, "listener web-on-shared-vip/line"],
        ),
        (flow("tcp", INS2, VIP, 8081), "reject here", ["network ACL default_deny egress"]),
        (flow("tcp", INS3, INNER[0], 22), "accept here", [SSH, "listener in-0/sql"]),
        (flow("tcp", INS3, INNER[1], 22), "reject here", [DENIED_IN]),
        (flow("tcp", INS2, INNER[1], 22), "accept here", ["listener in-1/sql"]),
        (flow("tcp", "192.168.20.1", INS1, 24), "accept onwards", ["router admin/vpc-1"]),
    ],
)
def test_network_acls(asked: Flow, verdict: str, rules: list[str]) -> None:
    assert short(analysis(listed).explain(asked)) == (verdict, rules)


def test_a_list_names_the_rule_and_its_place() -> None:
    (*_others, rule) = analysis(listed).explain(flow("udp", INS1, INS3, 6001)).rules
    assert rule.source == "weft_vpcs[0].network_acls[0].rules[3]"
    assert rule.sentence == "The first rule that is about it says deny."
    (*_others, rule) = analysis(listed).explain(flow("tcp", OUTSIDE, EIP, 24)).rules
    assert rule.source == "weft_vpcs[0].network_acls[0]"
    assert rule.sentence == "No rule of network ACL admin/vpc-1/web ingress is about it, and then it says deny."


def guarded(vpc: dict[str, Any]) -> None:
    """Firewalls of an elastic IP, of a virtual IP and of three interfaces."""
    ssh = {"name": "ssh", "protocol": "tcp", "ports": 22, "cidrs": ["10.0.0.0/24"]}
    line = {"name": "line", "protocol": "tcp", "ports": "2222-8081"}
    elastic, (shared, *_others) = vpc["elastic_ips"][0], vpc["virtual_ips"]
    elastic["firewall"], shared["firewall"] = [ssh, {"name": "ping", "protocol": "icmp", "icmp_type": 8}], [line]
    bad = {"number": 7, "name": "bad", "action": "deny", "sources": ["10.0.0.7"], "destinations": ["192.168.20.0/24"]}
    mail = {"number": 1, "action": "deny", "protocol": "tcp", "ports": 25}
    lease = {"number": 1, "action": "allow", "protocol": "udp", "ports": 67}
    vpc["router"]["firewall"] = [
        {"network": "L3-public", "direction": "in", "rules": [bad]},
        {"network": "L3-public", "direction": "out", "rules": [mail]},
        {"network": "vpc-1-2", "direction": "local", "default": "deny", "rules": [lease]},
        {"network": "vpc-1-3", "direction": "out", "default": "deny"},
    ]


FW_EIP, FW_VIP = "firewall eip-a", "firewall vip-pf"
IN, OUT = "firewall L3-public in", "firewall L3-public out"


@pytest.mark.parametrize(
    ("asked", "verdict", "rules"),
    [
        (
            flow("tcp", OUTSIDE, EIP, 22),
            "accept onwards",
            ["elastic IP eip-a", f"{FW_EIP} rule ssh", IN, "subnet vpc-1-1"],
        ),
        (
            flow("icmp", OUTSIDE, EIP),
            "accept onwards",
            ["elastic IP eip-a", f"{FW_EIP} rule ping", IN, "subnet vpc-1-1"],
        ),
        (flow("icmp", "10.0.0.7", EIP), "drop onwards", ["elastic IP eip-a", f"{FW_EIP} rule ping", f"{IN} rule bad"]),
        (flow("tcp", "10.0.1.1", EIP, 22), "drop onwards", ["elastic IP eip-a", FW_EIP]),
        (flow("tcp", OUTSIDE, EIP, 23), "drop onwards", ["elastic IP eip-a", FW_EIP]),
        (flow("tcp", INS2, EIP, 22), "reject onwards", ["elastic IP eip-a", FW_EIP]),
        (
            flow("tcp", OUTSIDE, VIP, 2222),
            "accept onwards",
            ["port forward vpc-port1", f"{FW_VIP} rule line", IN, "subnet vpc-1-1"],
        ),
        (flow("udp", OUTSIDE, VIP, 5001), "drop onwards", ["port forward some", FW_VIP]),
        (flow("udp", OUTSIDE, VIP, 514), "drop here", ["listener names/log", FW_VIP]),
        (
            flow("tcp", OUTSIDE, VIP, 8081),
            "accept here",
            [f"{FW_VIP} rule line", "listener web-on-shared-vip/line"],
        ),
        (
            flow("tcp", INS1, OUTSIDE, 80),
            "accept onwards",
            [OUT, "subnet vpc-1-1", "elastic IP eip-a"],
        ),
        (flow("tcp", INS1, OUTSIDE, 25), "reject onwards", [f"{OUT} rule 1"]),
        (flow("tcp", INS1, INS2, 25), "accept onwards", ["subnet vpc-1-1", "subnet vpc-1-2"]),
        (flow("tcp", INS1, INS3, 80), "reject onwards", ["firewall vpc-1-3 out"]),
        (flow("udp", INS2, "192.168.21.1", 53), "reject here", ["firewall vpc-1-2 local"]),
        (flow("udp", INS2, "192.168.21.1", 67), "accept here", ["firewall vpc-1-2 local rule 1", "subnet vpc-1-2"]),
        (flow("udp", "0.0.0.0", "255.255.255.255", 67), "accept here", ["router admin/vpc-1"]),
        (flow("udp", INS1, "192.168.20.1", 53), "accept here", ["subnet vpc-1-1"]),
    ],
)
def test_firewalls(asked: Flow, verdict: str, rules: list[str]) -> None:
    assert short(analysis(guarded).explain(asked)) == (verdict, rules)


def test_every_rule_has_its_place_and_a_sentence() -> None:
    answer = analysis().explain(flow("udp", INS2, VIP, 5001))
    assert answer.verdict.translated == Translated(INS3, 6001)
    assert [rule.source for rule in answer.rules] == [
        "weft_vpcs[0].port_forwards[3]",
        *(f"weft_vpcs[0].networks[{number}]" for number in (1, 2)),
    ]
    assert [rule.sentence for rule in answer.rules] == [
        "udp port 5001 of 10.172.11.93 is forwarded to 192.168.22.2, port 6001.",
        "192.168.21.2 comes from 192.168.21.0/24, which may open connections and use the router's services.",
        "The target is in 192.168.22.0/24.",
    ]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            flow("udp", "10.0.0.9", VIP, 5001),
            "udp port 5001 of 10.172.11.93 is forwarded for 10.0.0.0/30, 192.168.21.0/24 alone; 10.0.0.9 is rejected.",
        ),
        (
            flow("tcp", "192.168.20.99", VIP, 2222),
            "192.168.20.99 is in the target's own subnet, so it arrives as 10.172.11.93: the answer must pass the "
            "router.",
        ),
        (
            flow("tcp", OUTSIDE, VIP, 9),
            "10.172.11.93 is the router's own address, and nothing there answers on tcp port 9.",
        ),
        (
            flow("tcp", OUTSIDE, TEST1, 9),
            "New connections from outside pass only where an elastic IP or a port forward takes them.",
        ),
        (flow("tcp", TEST1, OUTSIDE, 80), f"{TEST1} leaves with {VIP}."),
        (flow("tcp", INS2, OUTSIDE, 80), f"192.168.21.0/24 leaves with {OWN}."),
        (flow("tcp", INS3, OUTSIDE, 80), f"{INS3} leaves as it is."),
        (
            flow("udp", "10.0.0.9", VIP, 53),
            "Load balancer names does not serve 10.0.0.9 on udp port 53 of 10.172.11.93; it is rejected.",
        ),
        (
            flow("udp", OUTSIDE, VIP, 514),
            "Load balancer names has no backend that takes new flows for udp port 514 of 10.172.11.93: all are "
            "drained.",
        ),
        (flow("tcp", OUTSIDE, VIP, 8081), "Load balancer web-on-shared-vip answers on tcp port 8081 of 10.172.11.93."),
    ],
)
def test_why_not_and_who_answers(asked: Flow, sentence: str) -> None:
    assert analysis().explain(asked).rules[-1].sentence == sentence


def test_a_listener_of_udp_names_its_backends() -> None:
    (first, *_others) = analysis().explain(flow("udp", OUTSIDE, VIP, 53)).rules
    backends = "192.168.20.154 port 53, 192.168.21.2 port 53"
    assert first.sentence == f"Load balancer names shares udp port 53 of 10.172.11.93 out to {backends}."


def test_a_stopped_router_does_nothing() -> None:
    answer = analysis(lambda vpc: vpc["router"].update(state="stopped")).explain(flow("tcp", OUTSIDE, EIP, 22))
    assert (answer.verdict.action, [rule.sentence for rule in answer.rules]) == ("drop", ["The router is stopped."])


def test_order_in_the_inventory_changes_no_answer() -> None:
    def reverse(vpc: dict[str, Any]) -> None:
        for kind in ("networks", "virtual_ips", "port_forwards", "load_balancers", "elastic_ips", "routes"):
            vpc[kind].reverse()

    one, other = analysis(), analysis(reverse)
    for asked in (flow("tcp", INS1, VIP, 2222), flow("udp", "10.0.0.9", VIP, 5001), flow("tcp", INS2, OUTSIDE, 80)):
        assert short(one.explain(asked)) == short(other.explain(asked))
        assert one.explain(asked).verdict == other.explain(asked).verdict
