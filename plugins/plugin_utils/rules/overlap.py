# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No two networks of one router overlap (row R3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.subnets import refusal
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import router_provider_networks


class _Connected(NamedTuple):
    """A network that a router is in; of two that overlap the one with the higher rank is blamed."""

    cidr: IPv4Network
    rank: int
    name: str
    path: str


@rule("WEFT-R3-overlap")
def overlapping_networks(intent: Intent) -> Iterator[Fault]:
    """The networks of one router, its public and management networks included, do not overlap."""
    for vpc in intent.vpcs:
        for blamed, other in _overlaps(_connected(intent, vpc)):
            yield Fault(
                blamed.path,
                str(blamed.cidr),
                f"overlaps '{other.cidr}' of {other.name} ({other.path}), and the router of {vpc.name} is in both",
                f"Give {blamed.name} a CIDR that overlaps no network of the router.",
            )


def _connected(intent: Intent, vpc: Vpc) -> Iterator[_Connected]:
    for network, _path in router_provider_networks(intent, vpc).values():
        if network.cidr is not None and refusal(network.cidr) is None:
            yield _Connected(network.cidr, 0, network.name, network.at("cidr"))
    for rank, own in enumerate(vpc.networks, start=1):
        if refusal(own.cidr) is None:
            yield _Connected(own.cidr, rank, own.name, own.at("cidr"))


def _overlaps(connected: Iterable[_Connected]) -> Iterator[tuple[_Connected, _Connected]]:
    # Two CIDRs are apart or one contains the other, so in this order each one's container is still open.
    containers: list[_Connected] = []
    for item in sorted(connected, key=lambda item: (int(item.cidr.network_address), item.cidr.prefixlen, item.rank)):
        while containers and item.cidr.network_address not in containers[-1].cidr:
            containers.pop()
        if containers:
            other = containers[-1]
            yield (item, other) if item.rank >= other.rank else (other, item)
        containers.append(item)
