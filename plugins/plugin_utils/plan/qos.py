# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits of bandwidth: HTB classes, and which packets are in them (row N7).

What is sent by a device is shaped there. A public address is shaped on its router's public link: inbound where the node
sends into the router, outbound where the router sends. A NIC is shaped where its host sends to the guest, and where it
sends into the segment's tunnels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Network, NicRef, Qos, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import (
    BandwidthLimit,
    Link,
    ShapedLink,
    TrafficClass,
)

Direction = Literal["ingress", "egress"]

#: What a class within another one is sure to get, in bits per second: next to nothing, so that the outer limit holds.
LEAST = 8000
#: Seconds of its rate that a class may send at once: a busy node's timers are late by some milliseconds.
BURST_SECONDS = 0.01
LEAST_BURST = 16384


@dataclass(frozen=True)
class _Address:
    """A limited public address; ``number`` is its pair of classes: an outer one, and one for what no port's limit is
    for."""

    key: str
    source: str
    address: str
    number: int
    qos: Qos


@dataclass(frozen=True)
class _Ports:
    """Limited ports of a public address."""

    key: str
    source: str
    address: str
    number: int
    qos: Qos
    protocol: str
    first: int
    last: int


def shaped_links(context: Context, vpc: Vpc, links: Iterable[Link]) -> tuple[ShapedLink, ...]:
    """Return a router's public links that have limits."""
    return tuple(shaped for link in links if (shaped := _shaped_link(context, vpc, link)).limits)


def _shaped_link(context: Context, vpc: Vpc, link: Link) -> ShapedLink:
    addresses = list(_addresses(context, vpc, link.network))
    ports = list(_ports(context, vpc, link.network))
    return ShapedLink(
        device=link.device,
        inner=link.inner,
        ingress=tuple(_classes(addresses, ports, "ingress")),
        egress=tuple(_classes(addresses, ports, "egress")),
        limits=(
            *(_limit(one, None, 0, 0) for one in addresses),
            *(_limit(one, one.protocol, one.first, one.last) for one in ports),
        ),
    )


def _addresses(context: Context, vpc: Vpc, network: str) -> Iterator[_Address]:
    for elastic in sorted(vpc.elastic_ips, key=lambda one: one.name):
        if elastic.qos is not None and elastic.network == network:
            key = f"{vpc.key}/{elastic.name}"
            address, number = context.text(f"{key}:elastic_ip"), context.number(f"{key}:elastic_ip_class")
            yield _Address(f"bandwidth of elastic IP {key}", elastic.qos.path, address, number, elastic.qos)
    for virtual in sorted(vpc.virtual_ips, key=lambda one: one.name):
        if virtual.qos is not None and virtual.network == network:
            key = f"{vpc.key}/{virtual.name}"
            address, number = context.text(f"{key}:virtual_ip"), context.number(f"{key}:virtual_ip_class")
            yield _Address(f"bandwidth of virtual IP {key}", virtual.qos.path, address, number, virtual.qos)


def _ports(context: Context, vpc: Vpc, network: str) -> Iterator[_Ports]:
    there = {one.name for one in vpc.virtual_ips if one.network == network}
    for forward in sorted(vpc.port_forwards, key=lambda one: one.name):
        if forward.qos is not None and forward.virtual_ip in there:
            key = f"{vpc.key}/{forward.name}"
            yield _Ports(
                key=f"bandwidth of port forward {key}",
                source=forward.qos.path,
                address=context.text(f"{vpc.key}/{forward.virtual_ip}:virtual_ip"),
                number=context.number(f"{key}:port_forward_class"),
                qos=forward.qos,
                protocol=forward.protocol,
                first=forward.ports.first,
                last=forward.ports.last,
            )
    for balancer in sorted(vpc.load_balancers, key=lambda one: one.name):
        for listener in sorted(balancer.listeners, key=lambda one: one.name):
            if listener.qos is not None and balancer.virtual_ip in there:
                key = f"{vpc.key}/{balancer.name}/{listener.name}"
                yield _Ports(
                    key=f"bandwidth of listener {key}",
                    source=listener.qos.path,
                    address=context.text(f"{vpc.key}/{balancer.virtual_ip}:virtual_ip"),
                    number=context.number(f"{key}:listener_class"),
                    qos=listener.qos,
                    protocol="tcp",
                    first=listener.port,
                    last=listener.port,
                )


def _rate(qos: Qos, direction: Direction) -> int | None:
    return qos.ingress if direction == "ingress" else qos.egress


def _classes(addresses: list[_Address], ports: list[_Ports], direction: Direction) -> Iterator[TrafficClass]:
    """Yield the classes of one direction, outer ones before those in them."""
    outer: dict[str, tuple[str, int]] = {}
    for one in addresses:
        rate = _rate(one.qos, direction)
        if rate is not None:
            outer[one.address] = _minor(one.number, 0), rate
            yield _class(_minor(one.number, 0), rate, leaf=False)
            yield _class(_minor(one.number, 1), rate, parent=_minor(one.number, 0))
    for each in ports:
        rate = _rate(each.qos, direction)
        if rate is not None:
            parent, most = outer.get(each.address, ("", rate))
            yield _class(_minor(each.number, 1), min(rate, most), parent=parent)


def _class(minor: str, rate: int, parent: str = "", leaf: bool = True) -> TrafficClass:
    burst = max(int(rate / 8 * BURST_SECONDS), LEAST_BURST)
    return TrafficClass(minor, parent, LEAST if parent else rate, rate, burst, leaf)


def _minor(number: int, which: int) -> str:
    return f"{2 * number + which:x}"


def _limit(one: _Address | _Ports, protocol: str | None, first: int, last: int) -> BandwidthLimit:
    minor = f"1:{_minor(one.number, 1)}"
    return BandwidthLimit(
        key=one.key,
        source=one.source,
        address=one.address,
        protocol=protocol,
        first=first,
        last=last,
        ingress=minor if one.qos.ingress is not None else None,
        egress=minor if one.qos.egress is not None else None,
    )


def port_classes(nic: NicRef) -> tuple[TrafficClass, ...]:
    """Return the class of all that a host sends to a guest's NIC."""
    qos = nic.nic.qos
    return () if qos is None or qos.ingress is None else (_class("2", qos.ingress),)


def egress_class(context: Context, nic: NicRef) -> str | None:
    """Return the class of what a NIC sends beyond its host."""
    qos = nic.nic.qos
    return None if qos is None or qos.egress is None else f"1:{context.number(f'{nic.key}:class'):x}"


def segment_classes(context: Context, networks: Iterable[Network], host: str) -> tuple[TrafficClass, ...]:
    """Return the classes of what a host sends into a segment's tunnels, by NIC."""
    numbers = sorted(
        (context.number(f"{nic.key}:class"), nic.nic.qos.egress)
        for network in networks
        for nic in context.intent.nics_of(network)
        if nic.instance.host == host and nic.nic.qos is not None and nic.nic.qos.egress is not None
    )
    return tuple(_class(f"{number:x}", rate) for number, rate in numbers)
