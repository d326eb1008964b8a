"""What holds for security groups whatever their rules are: a host is told what the rules say, in any order."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.module_utils.flows import ACCEPT, Flow
from ansible_collections.weft.vpc.plugins.module_utils.groups import ends, judge
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse import GroupAnalysis
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

HERE, MEMBER, STRANGER, OUTSIDE = "192.168.20.154", "192.168.20.182", "192.168.20.236", "203.0.113.9"
LISTED = ["203.0.113.0/24", "192.168.20.236"]
PREFIXES = ["0.0.0.0/0", "192.168.20.0/24", "192.168.20.128/25", "203.0.113.0/24", "203.0.113.9", "192.168.20.182"]
PORTS = [22, 80, 81, 443]

# Each example is planned as a whole.
SOME = settings(max_examples=max(50, settings.get_profile(settings.get_current_profile_name()).max_examples // 10))

services = st.one_of(
    st.just({}),
    st.sampled_from([{"protocol": "tcp"}, {"protocol": "udp"}, {"protocol": "icmp"}]),
    st.builds(
        lambda protocol, first, width: {"protocol": protocol, "ports": f"{first}-{first + width}"},
        st.sampled_from(["tcp", "udp"]), st.sampled_from(PORTS), st.integers(0, 2),
    ),
    st.builds(lambda number: {"protocol": "icmp", "icmp_type": number}, st.sampled_from([8, 13])),
    st.builds(
        lambda number, code: {"protocol": "icmp", "icmp_type": number, "icmp_code": code},
        st.sampled_from([8, 13]), st.sampled_from([0, 1]),
    ),
)  # fmt: skip
peers = st.one_of(
    st.just({}),
    st.builds(lambda cidrs: {"cidrs": cidrs}, st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=3)),
    st.just({"address_group": "listed"}),
    st.just({"security_group": "others"}),
)
rules = st.builds(
    lambda direction, service, peer: {"direction": direction, **service, **peer},
    st.sampled_from(["ingress", "egress"]), services, peers,
)  # fmt: skip
some_rules = st.lists(rules, max_size=6)
flows = st.builds(
    lambda protocol, source, port, icmp, outwards: Flow(
        protocol, HERE if outwards else source, source if outwards else HERE, 40000, port * (protocol != "icmp"), icmp
    ),
    st.sampled_from(["tcp", "udp", "icmp", "47"]), st.sampled_from([MEMBER, STRANGER, OUTSIDE]),
    st.sampled_from([21, 22, 80, 82, 445]), st.tuples(st.sampled_from([8, 13, 15]), st.integers(0, 1)), st.booleans(),
)  # fmt: skip


def told(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> GroupAnalysis:
    """A host with one port, in two groups with these rules."""
    variables, hosts = walkthrough()
    variables["weft_address_groups"] = [{"name": "listed", "tenant": "admin", "cidrs": LISTED}]
    variables["weft_security_groups"] = [
        {"name": "one", "tenant": "admin", "rules": first},
        {"name": "two", "tenant": "admin", "rules": second},
        {"name": "others", "tenant": "admin"},
    ]
    for instance in variables["weft_instances"]:
        if instance["name"] == "vpc-port-test-1":
            instance["nics"][0]["security_groups"] = ["one", "two"]
        if instance["name"] == "vpc-port-test-2":
            instance["nics"][0]["security_groups"] = ["others"]
    return GroupAnalysis(slices_of(variables, hosts)["hv1"])


def about(rule: dict[str, Any], flow: Flow) -> bool:
    """Whether a rule, as it is written, is about a flow: in the plainest words."""
    direction, peer = ("ingress", flow.source) if flow.destination == HERE else ("egress", flow.destination)
    if rule["direction"] != direction or rule.get("protocol", flow.protocol) != flow.protocol:
        return False
    if "ports" in rule:
        first, last = map(int, rule["ports"].split("-"))
        if not first <= flow.destination_port <= last:
            return False
    if rule.get("icmp_type", flow.icmp[0]) != flow.icmp[0] or rule.get("icmp_code", flow.icmp[1]) != flow.icmp[1]:
        return False
    if "security_group" in rule:
        return peer == MEMBER
    cidrs = LISTED if "address_group" in rule else rule.get("cidrs", ["0.0.0.0/0"])
    return any(IPv4Address(peer) in IPv4Network(cidr) for cidr in cidrs)


def admitted(every: list[dict[str, Any]], flow: Flow) -> bool:
    free = flow.source == HERE and not any(rule["direction"] == "egress" for rule in every)
    return free or any(about(rule, flow) for rule in every)


@SOME
@given(some_rules, some_rules, st.lists(flows, min_size=1, max_size=20))
def test_a_host_admits_what_a_rule_admits(
    first: list[dict[str, Any]], second: list[dict[str, Any]], tried: list[Flow]
) -> None:
    analysis = told(first, second)
    for flow in tried:
        answer = analysis.explain("wbr222", flow)
        assert (answer.verdict.action == ACCEPT) == admitted([*first, *second], flow)
        for rule in answer.rules:
            if ".rules[" in rule.source:
                group, _bracket, index = rule.source.removeprefix("weft_security_groups[")[:-1].partition("].rules[")
                assert about((first, second)[int(group)][int(index)], flow), "the rule that it names"


@SOME
@given(some_rules, st.integers(0, 5), st.lists(flows, min_size=1, max_size=20))
def test_a_change_ends_what_only_the_removed_rule_admitted(
    every: list[dict[str, Any]], number: int, tried: list[Flow]
) -> None:
    left = [rule for index, rule in enumerate(every) if index != number]
    old, new = told(every, []).config, told(left, []).config
    (zone,) = new.zones
    for flow in tried:
        assert ends(flow, zone, old, new) == (admitted(every, flow) and not admitted(left, flow))
        assert not ends(flow, zone + 1, old, new), "another segment's connections"


@SOME
@given(some_rules, some_rules, st.randoms(use_true_random=False), st.lists(flows, min_size=1, max_size=20))
def test_rules_have_no_order(
    first: list[dict[str, Any]], second: list[dict[str, Any]], order: random.Random, tried: list[Flow]
) -> None:
    mixed = [*first, *second]
    order.shuffle(mixed)
    one, other = told(first, second).config, told(mixed, []).config
    (zone,) = one.zones
    assert [judge(flow, zone, one).action for flow in tried] == [judge(flow, zone, other).action for flow in tried]
