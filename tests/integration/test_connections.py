"""A change ends exactly the connections it must (row N6): flows on every service while services come, change and go."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from checks.cloud import WAN_ADDRESS, WAN_PORT, Cloud, Question, push, tcp, udp
from checks.fabric import Fabric, Intent, drop
from checks.streams import Flows

from lab.shell import patient

pytestmark = pytest.mark.packets

#: How long a flow waits for an answer before it takes itself for ended, and how long the test waits for that.
SILENCE, NOTICED = patient(3.0), patient(20.0)
CLIENT = ["10.0.0.1/32"]
FORWARDS: tuple[dict[str, Any], ...] = (
    {"name": "range", "protocol": "udp", "port": "6000-6002", "target": "vpc-ins2"},
    {"name": "some-tcp", "protocol": "tcp", "port": 7100, "target": "vpc-ins2", "allowed_cidrs": CLIENT},
    {"name": "some-udp", "protocol": "udp", "port": 7100, "target": "vpc-ins2", "allowed_cidrs": CLIENT},
)


def named(things: list[Intent], name: str) -> Intent:
    (found,) = (one for one in things if one["name"] == name)
    return found


def leaves_as(intent: Intent, instance: str, virtual_ip: str) -> None:
    named(intent["weft_instances"], instance)["nics"][0]["snat"] = {"virtual_ip": virtual_ip}


def begin(intent: Intent) -> None:
    forwards = [{"virtual_ip": "vip-pf", "target_port": 8080, **one} for one in FORWARDS]
    forwards[0]["target_port"] = forwards[0]["port"]
    intent["weft_vpcs"][0]["port_forwards"] += forwards
    leaves_as(intent, "vpc-port-test-2", "vip-lb")


def add(intent: Intent) -> None:
    """One more of everything."""
    vpc = intent["weft_vpcs"][0]
    vpc["elastic_ips"].append({"name": "eip-c", "network": "L3-public", "target": "vpc-port-test-3"})
    vpc["networks"].append({"name": "vpc-1-4", "pool": "vxlan-pool", "cidr": "192.168.23.0/24"})
    vpc["virtual_ips"].append({"name": "vip-new", "network": "L3-public"})
    vpc["routes"].append({"destination": "172.30.0.0/16", "next_hop": "vpc-ins3"})
    forward = {"virtual_ip": "vip-pf", "protocol": "udp", "port": "6010-6012", "target": "vpc-ins1"}
    vpc["port_forwards"].append({"name": "more", **forward})
    for name in ("some-tcp", "some-udp"):
        named(vpc["port_forwards"], name)["allowed_cidrs"] = [*CLIENT, "198.51.100.0/24"]
    listener = {"name": "more", "protocol": "tcp", "port": 8090, "backends": ["vpc-ins1"], "backend_port": 8080}
    vpc["load_balancers"][1]["listeners"].append(listener)


def change(intent: Intent) -> None:
    """Other sources of forwards, another target of an EIP and of a forward, another SNAT address, other balancing."""
    vpc = intent["weft_vpcs"][0]
    for name in ("some-tcp", "some-udp"):
        named(vpc["port_forwards"], name)["allowed_cidrs"] = ["198.51.100.0/24"]
    named(vpc["elastic_ips"], "eip-b")["target"] = "vpc-ins3"
    named(vpc["port_forwards"], "vpc-port2")["target_port"] = 8080
    named(vpc["networks"], "vpc-1-2")["snat"] = {"virtual_ip": "vip-lb"}
    leaves_as(intent, "vpc-port-test-1", "vip-lb")
    vpc["load_balancers"][0]["listeners"][0]["algorithm"] = "leastconn"


def remove(intent: Intent) -> None:
    """One of everything."""
    vpc = intent["weft_vpcs"][0]
    drop(vpc["elastic_ips"], "eip-a")
    for name in ("vpc-port1", "range"):
        drop(vpc["port_forwards"], name)
    drop(vpc["load_balancers"], "web-on-shared-vip")
    del named(intent["weft_instances"], "vpc-port-test-2")["nics"][0]["snat"]


@dataclass(frozen=True)
class Step:
    """A run's change of the intent, and the flows that must end by it."""

    edit: Callable[[Intent], None]
    ends: frozenset[str]


STEPS = (
    Step(add, frozenset()),
    Step(
        change,
        frozenset(
            {"for some", "for some, UDP", "for some, pushed", "second EIP in", "SNAT by VIP", "SNAT", "SNAT, UDP"}
            | {"hairpin", "no SNAT of its own", "no SNAT of its own, UDP"}
        ),
    ),
    Step(
        remove,
        frozenset(
            {"EIP in", "EIP in, UDP", "EIP in, pushed", "EIP out", "EIP out, UDP", "forward", "forward, pushed"}
            | {"forward, UDP", "balancer", "balancer, pushed", "SNAT of its own", "SNAT of its own, UDP"}
        ),
    ),
)
STAY = {"other forward", "other balancer", "other balancer, pushed", "east-west", "east-west, UDP", "other VPC"}


def flows(cloud: Cloud) -> dict[str, dict[str, Question]]:
    """By caller, then by name."""
    first, second = (cloud.public("vpc-1", name, "elastic_ip") for name in ("eip-a", "eip-b"))
    vip, balanced = (cloud.public("vpc-1", name, "virtual_ip") for name in ("vip-pf", "vip-lb"))
    outwards, beside = (WAN_ADDRESS, WAN_PORT), cloud.address("vpc-ins2")
    return {
        "wan": {
            "EIP in": tcp(first),
            "EIP in, UDP": udp(first),
            "EIP in, pushed": push(first),
            "second EIP in": tcp(second),
            "forward": tcp(vip, 2222),
            "forward, pushed": push(vip, 2222),
            "forward, UDP": udp(vip, 6001),
            "other forward": tcp(vip, 2224),
            "for some": tcp(vip, 7100),
            "for some, pushed": push(vip, 7100),
            "for some, UDP": udp(vip, 7100),
            "balancer": tcp(vip, 8081),
            "balancer, pushed": push(vip, 8081),
            "other balancer": tcp(balanced),
            "other balancer, pushed": push(balanced),
        },
        "vpc-ins1": {
            "EIP out": tcp(*outwards),
            "EIP out, UDP": udp(*outwards),
            "east-west": tcp(beside),
            "east-west, UDP": udp(beside),
        },
        "vpc-ins2": {"SNAT": tcp(*outwards), "SNAT, UDP": udp(*outwards), "hairpin": tcp(vip, 2223)},
        "vpc-ins3": {"SNAT by VIP": tcp(*outwards)},
        "vpc-port-test-1": {"no SNAT of its own": tcp(*outwards), "no SNAT of its own, UDP": udp(*outwards)},
        "vpc-port-test-2": {"SNAT of its own": tcp(*outwards), "SNAT of its own, UDP": udp(*outwards)},
        "other-1": {"other VPC": tcp(*outwards)},
    }


Told = Mapping[str, Mapping[str, Any]]


def ended(told: Told) -> set[str]:
    """Flows that ended: a TCP connection breaks; a UDP socket goes on, but is seen from elsewhere by its peer."""
    return {name for name, one in told.items() if one["broken"] or len(one["seen"]) > 1}


def go_on(before: Told, after: Told) -> bool:
    """True once every flow that has not broken has got more answers."""
    return all(one["broken"] or one["answers"] > before[name]["answers"] + 2 for name, one in after.items())


@dataclass(frozen=True)
class Watch:
    """All callers' flows."""

    callers: list[Flows]

    def told(self) -> Told:
        return {name: report for caller in self.callers for name, report in caller.tell().items()}

    def settled(self, gone: set[str]) -> set[str]:
        """The flows that have ended once these have, or have had their time, and the others got answers since."""
        deadline = time.monotonic() + NOTICED
        while not gone <= ended(self.told()) and time.monotonic() < deadline:
            time.sleep(0.2)
        before = self.told()
        while not go_on(before, told := self.told()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return ended(told)


def test_a_change_ends_what_it_must_and_nothing_else(fabric: Fabric) -> None:
    fabric.change(begin)
    cloud = fabric.apply()
    with ExitStack() as stack:
        watch = Watch([stack.enter_context(Flows(cloud, one, wanted, SILENCE)) for one, wanted in flows(cloud).items()])
        gone: set[str] = set()
        assert watch.settled(gone) == gone
        for step in STEPS:
            fabric.change(step.edit)
            fabric.run()
            gone |= step.ends
            assert watch.settled(gone) == gone, step.edit.__name__
        assert watch.told().keys() - gone == STAY
    assert fabric.run().changed == 0
