# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each network may send outside its VPC (row R9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, collapse_addresses
from itertools import pairwise

from ansible_collections.weft.vpc.plugins.module_utils.egress import NUMBERS
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Network, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import network_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Egress, Link

_EVERYWHERE = IPv4Network("0.0.0.0/0")
_ALL_PORTS, _ALL_PROTOCOLS = (0, 65535), (0, 255)

Box = tuple[int, int, IPv4Network]


def egress(vpc: Vpc, links: Iterable[Link]) -> tuple[Egress, ...]:
    """Return the policies of the networks that have one: the others may send everything."""
    interfaces = {link.network: link.inner for link in links}
    return tuple(
        Egress(
            key=f"egress policy {network_path(vpc, network)}",
            source=network.path,
            interface=interfaces[network.name],
            cidr=str(network.cidr),
            policy=network.egress,
            ports=tuple(
                (protocol, first, last, str(cidr))
                for protocol in ("tcp", "udp")
                for first, last, cidr in disjoint(_ports(network, protocol))
            ),
            protocols=tuple((first, last, str(cidr)) for first, last, cidr in disjoint(_protocols(network))),
        )
        for network in sorted(vpc.networks, key=lambda one: one.name)
        if network.egress == "deny" or network.egress_rules
    )


def _ports(network: Network, protocol: str) -> Iterator[Box]:
    for rule in network.egress_rules:
        if rule.protocol == protocol:
            first, last = rule.ports or _ALL_PORTS
            for cidr in rule.cidrs or (_EVERYWHERE,):
                yield first, last, cidr


def _protocols(network: Network) -> Iterator[Box]:
    for rule in network.egress_rules:
        if rule.protocol in ("any", "icmp"):
            first, last = _ALL_PROTOCOLS if rule.protocol == "any" else (NUMBERS["icmp"], NUMBERS["icmp"])
            for cidr in rule.cidrs or (_EVERYWHERE,):
                yield first, last, cidr


def disjoint(boxes: Iterable[Box]) -> list[Box]:
    """Return boxes that cover the same and do not overlap: a set of intervals takes no others.

    Only what shares addresses is cut up: ten thousand rules about different networks stay as they are.
    """
    sharing: list[tuple[IPv4Network, list[Box]]] = []
    for box in sorted(boxes, key=lambda one: one[2]):
        if not sharing or not box[2].subnet_of(sharing[-1][0]):
            sharing.append((box[2], []))
        sharing[-1][1].append(box)
    return sorted(box for _widest, some in sharing for box in _cut(some))


def _cut(boxes: Iterable[Box]) -> Iterator[Box]:
    coming = sorted(boxes, key=lambda box: box[0], reverse=True)
    edges = sorted({first for first, _last, _cidr in coming} | {last + 1 for _first, last, _cidr in coming})
    here: list[Box] = []
    slabs: list[tuple[int, int, list[IPv4Network]]] = []
    for first, behind in pairwise(edges):
        here = [box for box in here if box[1] >= first]
        while coming and coming[-1][0] <= first:
            here.append(coming.pop())
        cidrs = list(collapse_addresses(cidr for _low, _high, cidr in here))
        if slabs and slabs[-1][1] == first - 1 and slabs[-1][2] == cidrs:
            slabs[-1] = (slabs[-1][0], behind - 1, cidrs)
        else:
            slabs.append((first, behind - 1, cidrs))
    yield from ((first, last, cidr) for first, last, cidrs in slabs for cidr in cidrs)
