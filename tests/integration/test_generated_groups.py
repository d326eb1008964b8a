"""Security groups drawn at random, judged by a model that shares no code with what is tested, and by packets (row F1).

A world is groups, rules, and where instances are and what groups they are in; every pair and port drawn in it is tried.
`WEFT_WORLDS` says how many worlds.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest
from checks.cloud import ANSWER, SILENCE, Cloud, tcp, udp, who
from checks.fabric import Fabric, Intent
from checks.parallel import each
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

pytestmark = [pytest.mark.packets, pytest.mark.kernel("nft_bridge_ct")]

WORLDS, PROBES = int(os.environ.get("WEFT_WORLDS", "3")), 100
TENANT, GROUPS, LISTS = "admin", ("red", "green", "blue"), ("office", "all")
INSTANCES = ("vpc-ins1", "vpc-ins2", "vpc-ins3", "vpc-port-test-1", "vpc-port-test-2", "vpc-port-test-3")
HOSTS = ("hv1", "hv2")
#: What instances serve, by TCP and by UDP.
PORTS = (8080, 6000, 6001, 6002)
RANGES: tuple[int | str, ...] = (8080, 6000, "6000-6001", "6001-6002", "1-65535")
#: A subnet of the walkthrough, two of its parts, and an instance whose address the inventory gives.
CIDRS = ("192.168.20.0/24", "192.168.20.128/25", "192.168.20.0/25", "192.168.20.154/32", "192.168.0.0/16")


class Probe(NamedTuple):
    """One line from an instance to another one."""

    source: str
    target: str
    protocol: str
    port: int


@dataclass(frozen=True)
class World:
    """Random keys of the inventory, and what is tried with them."""

    groups: list[dict[str, Any]]
    lists: list[dict[str, Any]]
    hosts: dict[str, str]
    members: dict[str, list[str]]
    probes: list[Probe]

    def edit(self, intent: Intent) -> None:
        intent["weft_security_groups"], intent["weft_address_groups"] = self.groups, self.lists
        for one in intent["weft_instances"]:
            if one["name"] in self.hosts:
                one["host"] = self.hosts[one["name"]]
                one["nics"][0]["security_groups"] = self.members[one["name"]]


def some(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, min_size=least)


PEERS = st.one_of(
    st.just({}),
    st.builds(lambda one: {"cidrs": one}, some(CIDRS, 1)),
    st.builds(lambda one: {"address_group": one}, st.sampled_from(LISTS)),
    st.builds(lambda one: {"security_group": one}, st.sampled_from(GROUPS)),
)
SERVICES = st.one_of(
    st.sampled_from([{"protocol": "any"}, {"protocol": "tcp"}, {"protocol": "udp"}, {"protocol": "icmp"}]),
    st.builds(
        lambda protocol, ports: {"protocol": protocol, "ports": ports},
        st.sampled_from(["tcp", "udp"]),
        st.sampled_from(RANGES),
    ),
)
RULES = st.builds(
    lambda direction, service, peer: {"direction": direction, **service, **peer},
    st.sampled_from(["ingress", "ingress", "egress"]),
    SERVICES,
    PEERS,
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    probe = st.builds(
        Probe,
        st.sampled_from(INSTANCES),
        st.sampled_from(INSTANCES),
        st.sampled_from(["tcp", "udp"]),
        st.sampled_from(PORTS),
    ).filter(lambda one: one.source != one.target)
    rules = st.lists(RULES, max_size=4)
    return World(
        groups=[{"name": name, "tenant": TENANT, "rules": draw(rules)} for name in GROUPS],
        lists=[{"name": name, "tenant": TENANT, "cidrs": draw(some(CIDRS))} for name in LISTS],
        hosts={name: draw(st.sampled_from(HOSTS)) for name in INSTANCES},
        members={name: draw(some(GROUPS)) for name in INSTANCES},
        probes=draw(st.lists(probe, min_size=PROBES, max_size=PROBES, unique=True)),
    )


class Model:
    """What the documentation says of security groups, and nothing else."""

    def __init__(self, world: World, addresses: dict[str, str]) -> None:
        self.world, self.addresses = world, addresses
        self.rules = {one["name"]: one["rules"] for one in world.groups}
        self.lists = {one["name"]: one["cidrs"] for one in world.lists}

    def admits(self, probe: Probe) -> bool:
        """Whether the sender's groups let it out and the receiver's let it in."""
        return self._out(probe) and self._in(probe)

    def _out(self, probe: Probe) -> bool:
        whitelist = self._of(probe.source, "egress")
        return not whitelist or any(self._matches(rule, probe, probe.target) for rule in whitelist)

    def _in(self, probe: Probe) -> bool:
        if not self.world.members[probe.target]:
            return True
        return any(self._matches(rule, probe, probe.source) for rule in self._of(probe.target, "ingress"))

    def _of(self, name: str, direction: str) -> list[dict[str, Any]]:
        rules = [rule for group in self.world.members[name] for rule in self.rules[group]]
        return [rule for rule in rules if rule["direction"] == direction]

    def _matches(self, rule: dict[str, Any], probe: Probe, peer: str) -> bool:
        if rule["protocol"] not in ("any", probe.protocol):
            return False
        first, _dash, last = str(rule.get("ports", "1-65535")).partition("-")
        return int(first) <= probe.port <= int(last or first) and self._is_peer(rule, peer)

    def _is_peer(self, rule: dict[str, Any], peer: str) -> bool:
        if "security_group" in rule:
            return rule["security_group"] in self.world.members[peer]
        if "address_group" in rule:
            cidrs = self.lists[rule["address_group"]]
        else:
            cidrs = rule.get("cidrs", ["0.0.0.0/0"])
        return any(ip_address(self.addresses[peer]) in ip_network(cidr) for cidr in cidrs)


def passes(cloud: Cloud, world: World, expected: dict[Probe, bool]) -> dict[Probe, bool]:
    """Whether each line was answered by whom it was for; all of an asker's at once."""
    asked: dict[str, list[Probe]] = defaultdict(list)
    for probe in world.probes:
        asked[probe.source].append(probe)

    def ask(source: str) -> list[str | None]:
        questions = [
            (tcp if one.protocol == "tcp" else udp)(
                cloud.address(one.target), one.port, "hello", ANSWER if expected[one] else SILENCE
            )
            for one in asked[source]
        ]
        return cloud.ask(source, questions)

    answers = each(list(asked), ask)
    return {
        probe: who(answer) == f"{probe.target} {TENANT}"
        for source, probes in asked.items()
        for probe, answer in zip(probes, answers[source], strict=True)
    }


@given(world=worlds())
@settings(
    max_examples=WORLDS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_packets_agree_with_the_model(fabric: Fabric, world: World) -> None:
    fabric.restore()
    fabric.change(world.edit)
    cloud = fabric.apply("-e", "weft_max_removal_percent=100")
    model = Model(world, {name: cloud.address(name) for name in INSTANCES})
    expected = {probe: model.admits(probe) for probe in world.probes}
    note(f"{sum(expected.values())} of {len(expected)} are to pass")
    found = passes(cloud, world, expected)
    assert found == expected
