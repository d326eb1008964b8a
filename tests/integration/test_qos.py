"""Bandwidth of public addresses, of ports of them and of NICs, each way (row N7)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

import pytest
from checks.bulk import BULK_PORT, Receiver, on_the_wire, publish_bulk, transfer
from checks.cards import plug
from checks.cloud import Cloud, tcp
from checks.fabric import Fabric, Intent
from checks.parallel import each
from checks.streams import Stream

from lab.shell import patient

pytestmark = [pytest.mark.packets, pytest.mark.quiet]

MEGABIT = 10**6
MEASURED = "4s"
#: TCP probes the tail of what it sent when answers are suddenly later than they were, and counts that as a retransmit.
#: One in a thousand segments; what polices instead of shaping costs fifty times as many.
PROBES = 1 / 1000
#: Whoever uses the computer for something else slows senders and receivers for a moment.
TRIES = 3
#: More than any limit here: what nobody limits.
FULL_SPEED = 120 * MEGABIT
#: `wan` in a provider network of hypervisors.
OUTSIDE = "192.0.2.1"


class Way(NamedTuple):
    """One way to a receiver: from where, to which address, and its limits in Mbit/s towards it and back."""

    where: str
    address: str
    up: int
    down: int


def limit(intent: Intent) -> None:
    vpc, instances = intent["weft_vpcs"][0], {one["name"]: one for one in intent["weft_instances"]}
    vpc["elastic_ips"][0]["qos"] = {"ingress": "40M", "egress": "20M"}
    vpc["virtual_ips"][0]["qos"] = {"ingress": "25M", "egress": "60M"}
    # The forward's address allows less inbound: that holds.
    publish_bulk(vpc, {"qos": {"ingress": "50M", "egress": "30M"}}, {"qos": {"ingress": "35M", "egress": "25M"}})
    instances["vpc-ins3"]["nics"][0]["qos"] = {"ingress": 30_000_000, "egress": "20000K"}
    # Its forward's limits are lower.
    instances["vpc-port-test-1"]["nics"][0]["qos"] = {"ingress": "70M", "egress": "45M"}


def measure(cloud: Cloud, ways: list[Way]) -> None:
    """Load all ways at once, first towards the receivers and then back; the best of some tries counts."""
    for direction in ("up", "down"):
        tries = [list(_off_limits(cloud, ways, direction))]
        while tries[-1] and len(tries) < TRIES:
            tries.append(list(_off_limits(cloud, ways, direction)))
        assert tries[-1] == [], tries


def _off_limits(cloud: Cloud, ways: list[Way], direction: str) -> Iterator[str]:
    """What is more than 5 % beside its limit, or took more than a few retransmits."""
    found = each(ways, lambda way: transfer(cloud, way.where, way.address, direction, MEASURED)[0], len(ways))
    for way, told in found.items():
        rate, limited = on_the_wire(told), MEGABIT * (way.up if direction == "up" else way.down)
        words = f"{way.where} {way.address} {direction}: {rate / MEGABIT:.1f} of {limited / MEGABIT} Mbit/s {told}"
        print(f"\n{words}")
        lost = told["retransmits"] > PROBES * told["bytes"] / told["segment"]
        if lost or not 0.95 * limited <= rate <= 1.05 * limited:
            yield words


def at_limit(rate: Callable[[], float], limited: int) -> None:
    """A rate, in Mbit/s, is within 5 % of its limit; the best of some tries counts."""
    tries = [rate()]
    while not 0.95 * limited <= tries[-1] <= 1.05 * limited:
        assert len(tries) < TRIES, tries
        tries.append(rate())


def dropped(cloud: Cloud) -> int:
    """How many packets the traffic classes of nodes and of the router dropped."""
    shown = [cloud.read(node, "tc -s qdisc show") for node in ("hv1", "gw1")]
    shown.append(cloud.in_router("vpc-1", "tc -s qdisc show"))
    return sum(int(one) for text in shown for one in re.findall(r"qdisc htb .*\n.*\(dropped (\d+),", text))


def shaped(cloud: Cloud) -> set[str]:
    """Every device of nodes and routers that has traffic classes, and rules for them."""
    shown = [cloud.read(node, "tc qdisc show; nft list chains") for node in ("hv1", "hv2", "gw1")]
    shown += [cloud.in_router(vpc, "tc qdisc show; nft list chains") for vpc in ("vpc-1", "vpc-2")]
    devices = set(re.findall(r"qdisc (?:htb|pfifo) \S+ dev (\S+)", "\n".join(shown)))
    return devices | set(re.findall("chain qos", "\n".join(shown)))


def test_bandwidth_is_what_was_asked_for(fabric: Fabric) -> None:
    assert shaped(fabric.cloud) == set()
    cloud = fabric.cloud
    fabric.change(limit)
    _unbroken(fabric)
    eip, other = (cloud.public("vpc-1", name, "elastic_ip") for name in ("eip-a", "eip-b"))
    forward, balanced = (cloud.public("vpc-1", name, "virtual_ip") for name in ("vip-pf", "vip-lb"))
    ways = [
        Way("wan", eip, 40, 20),
        Way("wan", forward, 25, 30),
        Way("wan", balanced, 35, 25),
        Way("vpc-port-test-3", cloud.address("vpc-ins3"), 30, 20),
    ]
    with ExitStack() as stack:
        for where in ("vpc-ins1", "vpc-port-test-1", "vpc-port-test-2", "vpc-ins3"):
            stack.enter_context(Receiver(cloud, where))
        _await_balancer(cloud, balanced)
        measure(cloud, ways)
        _neighbours(cloud)
        assert dropped(cloud) == 0
        for told in transfer(cloud, "wan", other, "both", "1s"):
            assert told["bits"] > FULL_SPEED, "a neighbour of limited addresses is slow"
        _changed_live(fabric, eip)
        _repaired(fabric)
        fabric.restore()
        _unbroken(fabric)
        assert shaped(fabric.cloud) == set()
        for told in transfer(cloud, "wan", eip, "both", "1s"):
            assert told["bits"] > FULL_SPEED, "a limit that was removed is still there"


def _unbroken(fabric: Fabric) -> None:
    """A run that limits a NIC, or no longer does, leaves it its connections, also within its host."""
    cloud = fabric.cloud
    with Stream(cloud, "vpc-ins1", cloud.address("vpc-port-test-1"), 8080) as stream:
        fabric.run()
    stream.lived()


def _neighbours(cloud: Cloud) -> None:
    """A NIC's limit holds within its host and network too, and for everybody it sends to together."""
    address = cloud.address("vpc-port-test-1")
    measure(cloud, [Way("vpc-ins1", address, 70, 45)])
    at_limit(lambda: _sum(cloud, address), 45)


def _sum(cloud: Cloud, address: str) -> float:
    """Mbit/s that a neighbour on its own host and another instance get from an address at once."""
    receivers = ("vpc-ins1", "vpc-port-test-2")
    found = each(receivers, lambda where: transfer(cloud, where, address, "down", MEASURED)[0], len(receivers)).values()
    # Of the time until both had ended: who is alone at the end has all of the limit.
    return sum(on_the_wire(told) * told["seconds"] for told in found) / max(told["seconds"] for told in found) / MEGABIT


def _await_balancer(cloud: Cloud, address: str) -> None:
    deadline = time.monotonic() + patient(20.0)
    while cloud.ask("wan", [tcp(address, BULK_PORT, "told x 0", 0.3)]) != [None]:
        assert time.monotonic() < deadline, "the load balancer never found its backend up"


def _changed_live(fabric: Fabric, eip: str) -> None:
    """Other rates hold at once for what flows already; nothing is lost, and nothing else is touched."""

    def faster(intent: Intent) -> None:
        intent["weft_vpcs"][0]["elastic_ips"][0]["qos"] = {"ingress": "20M", "egress": "45M"}

    fabric.change(faster)
    with Stream(fabric.cloud, "wan", eip, 8080) as stream:
        done = fabric.run("-v")
    stream.lived()
    assert set(done.did()) == {"gw1"}
    files = done.did()["gw1"]["files"]
    assert all("/etc/weft/qos.d/" in path for path in files), files
    measure(fabric.cloud, [Way("wan", eip, 20, 45)])


def _repaired(fabric: Fabric) -> None:
    """What somebody took away is noticed and brought back; what appears anew has its limits from the beginning."""
    cloud = fabric.cloud
    before = shaped(cloud)
    cloud.read(
        "hv1",
        "tc qdisc delete dev $(tc qdisc show | sed -n 's/^qdisc htb 1: dev \\(wqi[0-9]*\\) .*/\\1/p' | head -n 1) root",
    )
    assert shaped(cloud) != before
    assert fabric.run("--check").changed == 1
    fabric.run()
    assert shaped(cloud) == before
    cloud.read("hv1", "nft delete table bridge weft")
    cloud.read("hv1", "systemctl restart lab-instance@admin.vpc-ins3.service")
    cloud.read("gw1", "systemctl restart weft-router@vpc-1.admin.service")
    deadline = time.monotonic() + patient(20.0)
    while shaped(cloud) != before:
        assert time.monotonic() < deadline, (shaped(cloud), before)
        time.sleep(0.2)
    assert fabric.run().changed == 0


def with_office(intent: Intent) -> None:
    office = {"name": "office", "type": "flat", "interface": "eth1", "clusters": ["cluster1"], "services": ["guest"]}
    intent["weft_provider_networks"].append({**office, "cidr": "192.0.2.0/24", "gateway": OUTSIDE})
    nic = {"network": "office", "qos": {"egress": "35M"}}
    intent["weft_instances"].append({"name": "office-1", "tenant": "admin", "host": "hv1", "nics": [nic]})


def test_what_a_nic_sends_to_a_provider_network_is_limited(fabric: Fabric) -> None:
    fabric.change(with_office)
    fabric.run()
    cloud = fabric.cloud
    plug(cloud, "office-1")
    cloud.read("wan", f"ip address add {OUTSIDE}/24 dev eth1")
    try:
        with Receiver(cloud, "wan"):
            send = partial(transfer, cloud, "hv1", OUTSIDE, "up", MEASURED, namespace="office-1")
            at_limit(lambda: on_the_wire(send()[0]) / MEGABIT, 35)
    finally:
        cloud.read("wan", f"ip address del {OUTSIDE}/24 dev eth1")
        cloud.read("hv1", "ip netns delete office-1")
