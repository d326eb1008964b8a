"""Large transfers and the news of a smaller MTU pass every translation (row N8)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from checks.bulk import BULK_PORT, Receiver, probe, publish_bulk, transfer
from checks.cloud import LINE_PORT, Cloud, tcp
from checks.fabric import Fabric, Intent

from lab.shell import patient

pytestmark = pytest.mark.packets

NARROW, OVERLAY = 1300, 1450
FAR, BEHIND_INSTANCE = "192.0.2.6", "172.31.9.6"
MEGABYTES = "3000000b"
#: A namespace behind a hop of 1300 bytes that neither end knows of: `inside` -(1300)- mid -(1500)- far.
PATH = """
set -e
ip netns add {name}-mid && ip netns add {name}-far
{ip} link add narrow0 mtu 1300 type veth peer name narrow1 mtu 1300 netns {name}-mid
ip -n {name}-mid link add wide0 type veth peer name eth0 netns {name}-far
{ip} address add {net}.1/30 dev narrow0 && ip -n {name}-mid address add {net}.2/30 dev narrow1
ip -n {name}-mid address add {net}.5/30 dev wide0 && ip -n {name}-far address add {net}.6/30 dev eth0
{ip} link set narrow0 up
for link in narrow1 wide0; do ip -n {name}-mid link set $link up; done
ip -n {name}-far link set eth0 up
ip netns exec {name}-mid sysctl -qw net.ipv4.ip_forward=1
{ip} route add {net}.4/30 via {net}.2
ip -n {name}-mid route add default via {net}.1
ip -n {name}-far route add default via {net}.5
"""
NO_PATH = "{ip} link delete narrow0; ip netns delete {name}-mid; ip netns delete {name}-far"
DEAF = (
    "nft add table inet deaf && nft add chain inet deaf input '{ type filter hook input priority 0; }' && "
    "nft add rule inet deaf input icmp type destination-unreachable drop"
)


@contextmanager
def narrow_path(cloud: Cloud, where: str, name: str, net: str, namespace: str = "") -> Iterator[None]:
    words = {"name": name, "net": net, "ip": f"ip -n {namespace}" if namespace else "ip"}
    cloud.read(where, PATH.format(**words))
    try:
        yield
    finally:
        cloud.read(where, NO_PATH.format(**words))


def await_balancer(cloud: Cloud, address: str) -> None:
    """The receiver behind it was not there when the balancer began to check it."""
    deadline = time.monotonic() + patient(20.0)
    while cloud.ask("wan", [tcp(address, BULK_PORT, "told x 0", 0.3)]) != [None]:
        assert time.monotonic() < deadline, "the load balancer never found its backend up"


def publish(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    publish_bulk(vpc)
    line = {"virtual_ip": "vip-pf", "protocol": "udp", "port": LINE_PORT, "target": "vpc-port-test-1"}
    vpc["port_forwards"].append({"name": "line", **line})


def test_nothing_stalls_where_a_path_is_narrower(fabric: Fabric) -> None:
    fabric.change(publish)
    fabric.apply()
    cloud = fabric.cloud
    eip, forward, balanced = (
        cloud.public("vpc-1", name, kind)
        for name, kind in (("eip-a", "elastic_ip"), ("vip-pf", "virtual_ip"), ("vip-lb", "virtual_ip"))
    )
    with ExitStack() as stack:
        stack.enter_context(narrow_path(cloud, "wan", "wan", "192.0.2"))
        stack.enter_context(narrow_path(cloud, "hv2", "in", "172.31.9", "admin.vpc-ins2"))
        for where in ("vpc-ins1", "vpc-port-test-1", "vpc-port-test-2"):
            stack.enter_context(Receiver(cloud, where))
        stack.enter_context(Receiver(cloud, "wan", namespace="wan-far"))
        stack.enter_context(Receiver(cloud, "hv2", namespace="in-far"))
        await_balancer(cloud, balanced)
        for address in (eip, forward, balanced):
            told = transfer(cloud, "wan", address, "both", MEGABYTES, namespace="wan-far")
            assert [one["bytes"] >= 3_000_000 for one in told] == [True, True], (address, told)
        for where, target in (("vpc-ins1", FAR), ("vpc-ins3", FAR), ("vpc-ins1", BEHIND_INSTANCE)):
            told = transfer(cloud, where, target, "both", MEGABYTES)
            assert [one["bytes"] >= 3_000_000 for one in told] == [True, True], (where, target, told)
            assert told[0]["segment"] <= NARROW - 40, "the sender has not learned of the narrow part"
        _too_long_is_told(cloud, eip, forward)
        _clamped_without_icmp(cloud, eip)


def _too_long_is_told(cloud: Cloud, eip: str, forward: str) -> None:
    """A packet that may not be fragmented comes through up to the limit; beyond it the sender learns the limit."""
    # Outwards the next hop tells the public address, inwards this router speaks for a private one.
    for where, target, limit in (
        ("vpc-port-test-3", FAR, NARROW),
        ("vpc-port-test-3", BEHIND_INSTANCE, NARROW),
        ("wan", eip, OVERLAY),
        ("wan", forward, OVERLAY),
    ):
        assert probe(cloud, where, target, LINE_PORT, limit + 1, "too-long")["mtu"] == limit, (where, target)
    assert cloud.heard("too-long", ["vpc-ins1", "vpc-port-test-1"]) == []
    for target, name in ((eip, "vpc-ins1"), (forward, "vpc-port-test-1")):
        answer = probe(cloud, "wan", target, LINE_PORT, OVERLAY, "just-right")["answer"]
        assert answer is not None and answer.startswith(name)


def _clamped_without_icmp(cloud: Cloud, eip: str) -> None:
    """An instance that ignores the MTU it was given, and a client that hears no ICMP.

    Lost segments are not counted: what is lost to a full queue is as many of them as its whole burst has.
    """
    cloud.read("vpc-ins1", "ip link set dev eth0 mtu 1500")
    before = refused(cloud)
    try:
        cloud.read("wan", f"ip route flush cache; {DEAF}")
        told = transfer(cloud, "wan", eip, "both", MEGABYTES)
        cloud.read("wan", "nft delete table inet deaf")
        assert [one["first"] <= OVERLAY - 40 for one in told] == [True, True], told
        assert [one["segment"] <= OVERLAY - 40 for one in told] == [True, True], told
        assert refused(cloud) == before, "no segment was too long, so nobody had to hear of it"
        with unclamped(cloud):
            (one,) = transfer(cloud, "wan", eip, "up", MEGABYTES)
        assert one["first"] > OVERLAY - 40 >= one["segment"], "without the router's help it begins too long"
        assert refused(cloud) > before
    finally:
        cloud.read("vpc-ins1", f"ip link set dev eth0 mtu {OVERLAY}")
        cloud.read("wan", "nft destroy table inet deaf 2>/dev/null; ip route flush cache")


def refused(cloud: Cloud) -> int:
    """How many packets the router refused to send on because of their length."""
    names, values = cloud.in_router("vpc-1", "grep ^Ip: /proc/net/snmp").splitlines()
    return int(dict(zip(names.split(), values.split(), strict=True))["FragFails"])


@contextmanager
def unclamped(cloud: Cloud) -> Iterator[None]:
    """Routers that leave the segment sizes of connections as they are."""
    rules = cloud.in_router("vpc-1", "nft --handle list chain inet weft forward")
    (rule,) = (line for line in rules.splitlines() if "maxseg" in line)
    text, _comment, handle = rule.strip().partition(" # handle ")
    cloud.in_router("vpc-1", f"nft delete rule inet weft forward handle {handle}")
    try:
        yield
    finally:
        cloud.in_router("vpc-1", f"nft insert rule inet weft forward {text}")
