# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits of bandwidth: HTB classes, and which packets are in them (row N7).

What is sent by a device is shaped there. A public address is shaped on its router's public link: inbound where the node
sends into the router, outbound where the router sends. A NIC is shaped where its host sends to the guest, and where the
bridge of its own sends towards its network.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    ElasticIp,
    Listener,
    NicRef,
    PortForward,
    Qos,
    VirtualIp,
    Vpc,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import (
    BandwidthLimit,
    Link,
    PortLimit,
    ShapedLink,
    TrafficClass,
)

Direction = Literal["ingress", "egress"]

#: What a class within another one is sure to get, in bits per second: next to nothing, so that the outer limit holds.
LEAST = 8000
#: Seconds of its rate that a class may send at once: a busy node's timers are late by some milliseconds.
BURST_SECONDS = 0.01
LEAST_BURST = 16384

_name = attrgetter("name")


@dataclass(frozen=True)
class Limited:
    """A public address whose bandwidth is limited, or ports of one. ``key`` is its traffic class's in the ledger, where
    ``address_key`` has the address."""

    key: str
    subject: str
    network: str
    address_key: str
    qos: Qos
    protocol: str | None = None
    first: int = 0
    last: int = 0


def limited(vpc: Vpc) -> Iterator[Limited]:
    """Yield what has a limit on a public link: addresses, then ports, by kind and name."""
    addresses: list[ElasticIp | VirtualIp] = [*sorted(vpc.elastic_ips, key=_name), *sorted(vpc.virtual_ips, key=_name)]
    for one in addresses:
        if one.qos is not None:
            key, kind = f"{vpc.key}/{one.name}", _kind(one)
            yield Limited(f"{key}:{kind}_class", f"{one.kind} {key}", one.network, f"{key}:{kind}", one.qos)
    networks = {one.name: one.network for one in vpc.virtual_ips}
    for name, virtual_ip, wanted, ports in _services(vpc):
        if wanted.qos is not None:
            key, address = f"{vpc.key}/{name}", f"{vpc.key}/{virtual_ip}:virtual_ip"
            subject, network = f"{wanted.kind} {key}", networks[virtual_ip]
            yield Limited(f"{key}:{_kind(wanted)}_class", subject, network, address, wanted.qos, *ports)


def _services(vpc: Vpc) -> Iterator[tuple[str, str, PortForward | Listener, tuple[str, int, int]]]:
    """Yield what has ports of a virtual IP: its name, the address, itself, and protocol and ports."""
    for one in sorted(vpc.port_forwards, key=_name):
        yield one.name, one.virtual_ip, one, (one.protocol, one.ports.first, one.ports.last)
    for balancer in sorted(vpc.load_balancers, key=_name):
        for listener in sorted(balancer.listeners, key=_name):
            if balancer.virtual_ip is not None:
                ports = (listener.transport, listener.port, listener.port)
                yield f"{balancer.name}/{listener.name}", balancer.virtual_ip, listener, ports


def _kind(wanted: Node) -> str:
    """What the ledger calls it."""
    return wanted.kind.lower().replace(" ", "_")


def shaped_links(context: Context, vpc: Vpc, links: Iterable[Link]) -> tuple[ShapedLink, ...]:
    """Return a router's public links that have limits."""
    wanted = list(limited(vpc))
    on_link = ((link, [one for one in wanted if one.network == link.network]) for link in links)
    return tuple(_shaped_link(context, link, found) for link, found in on_link if found)


def _shaped_link(context: Context, link: Link, wanted: list[Limited]) -> ShapedLink:
    return ShapedLink(
        device=link.device,
        inner=link.inner,
        ingress=tuple(_classes(context, wanted, "ingress")),
        egress=tuple(_classes(context, wanted, "egress")),
        limits=tuple(_limit(context, one) for one in wanted),
    )


def _rate(qos: Qos, direction: Direction) -> int | None:
    return qos.ingress if direction == "ingress" else qos.egress


def _classes(context: Context, wanted: list[Limited], direction: Direction) -> Iterator[TrafficClass]:
    """Yield the classes of one direction, outer ones before those in them.

    An address has a pair: an outer one, and one in it for what no port's limit is for.
    """
    outer: dict[str, tuple[str, int]] = {}
    for one in wanted:
        rate, number = _rate(one.qos, direction), context.number(one.key)
        if rate is None:
            continue
        if one.protocol is None:
            outer[one.address_key] = _minor(number, 0), rate
            yield _class(_minor(number, 0), rate, leaf=False)
        parent, most = outer.get(one.address_key, ("", rate))
        yield _class(_minor(number, 1), min(rate, most), parent=parent)


def _class(minor: str, rate: int, parent: str = "", leaf: bool = True) -> TrafficClass:
    burst = max(int(rate / 8 * BURST_SECONDS), LEAST_BURST)
    return TrafficClass(minor, parent, LEAST if parent else rate, rate, burst, leaf)


def _minor(number: int, which: int) -> str:
    return f"{2 * number + which:x}"


def _limit(context: Context, one: Limited) -> BandwidthLimit:
    minor = f"1:{_minor(context.number(one.key), 1)}"
    return BandwidthLimit(
        key=f"bandwidth of {one.subject}",
        source=one.qos.path,
        address=context.text(one.address_key),
        protocol=one.protocol,
        first=one.first,
        last=one.last,
        ingress=minor if one.qos.ingress is not None else None,
        egress=minor if one.qos.egress is not None else None,
    )


def port_classes(nic: NicRef) -> tuple[TrafficClass, ...]:
    """Return the class of all that a host sends to a guest's NIC."""
    qos = nic.nic.qos
    return () if qos is None or qos.ingress is None else (_class("2", qos.ingress),)


def port_limit(context: Context, nic: NicRef) -> PortLimit | None:
    """Return the way on which all that a NIC sends is shaped; None if it may send as fast as it can."""
    qos = nic.nic.qos
    if qos is None or qos.egress is None:
        return None
    number = context.number(f"{nic.key}:port")
    return PortLimit(
        bridge=names.limit_device("b", number),
        inner=names.limit_device("i", number),
        outer=names.limit_device("o", number),
        classes=(_class("2", qos.egress),),
    )
