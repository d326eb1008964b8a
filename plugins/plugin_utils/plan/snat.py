# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""With which public address subnets leave, and NICs that choose for themselves (rows R6, N4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Network, NicRef, Snat, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import exits
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, network_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Link, NicSourceNat, Route, SourceNat


def source_nats(context: Context, vpc: Vpc, public: dict[str, Link], routes: Iterable[Route]) -> tuple[SourceNat, ...]:
    """Return the subnets that are translated, and to what; and what custom routes lead to through instances in them,
    which leaves as those do (row R5). No two prefixes overlap: the longest has what it covers."""
    subnets = {one.cidr: one for one in _subnets(context, vpc, public)}
    taken = [network.cidr for network in vpc.networks]
    behind = []
    hops = {IPv4Network(one.destination): one for one in routes if one.next_hop is not None}
    for destination in sorted(hops, key=lambda one: (-one.prefixlen, one)):
        route = hops[destination]
        subnet = next((one for cidr, one in subnets.items() if IPv4Address(route.next_hop) in IPv4Network(cidr)), None)
        if subnet is not None:
            behind += [_behind(route, part, subnet) for part in _uncovered(destination, taken)]
        taken.append(destination)
    return (*subnets.values(), *behind)


def _behind(route: Route, part: IPv4Network, subnet: SourceNat) -> SourceNat:
    return SourceNat(f"{subnet.key} for {part}", route.source, str(part), subnet.address, subnet.interface)


def _uncovered(whole: IPv4Network, taken: Iterable[IPv4Network]) -> list[IPv4Network]:
    """The parts of a prefix that none of the others covers."""
    parts = [whole]
    for other in taken:
        parts = [part for one in parts for part in _without(one, other)]
    return sorted(parts)


def _without(one: IPv4Network, other: IPv4Network) -> Iterator[IPv4Network]:
    if other.subnet_of(one):
        yield from one.address_exclude(other)
    elif not one.subnet_of(other):
        yield one


def _subnets(context: Context, vpc: Vpc, public: dict[str, Link]) -> tuple[SourceNat, ...]:
    return tuple(
        SourceNat(
            key=f"source NAT {network_path(vpc, network)}",
            source=network.path,
            cidr=str(network.cidr),
            address=_address(context, vpc, network.snat, link),
            interface=link.inner,
        )
        for network in sorted(vpc.networks, key=lambda one: one.name)
        if network.snat.enabled
        for link in (exits.link_of(context, vpc, public, network.snat),)
    )


def nic_source_nats(context: Context, vpc: Vpc, public: dict[str, Link]) -> tuple[NicSourceNat, ...]:
    """Return what is chosen for single addresses; an elastic IP comes before it."""
    chosen = (
        _nic_source_nat(context, vpc, public, network, address)
        for network in vpc.networks
        for nic in context.intent.nics_of(network)
        for address in nic.addresses
    )
    return tuple(sorted((one for one in chosen if one is not None), key=lambda one: one.key))


def _nic_source_nat(
    context: Context, vpc: Vpc, public: dict[str, Link], network: Network, nic: NicRef
) -> NicSourceNat | None:
    if nic.snat is None:
        return None
    link = exits.link_of(context, vpc, public, nic.snat, network.snat)
    return NicSourceNat(
        key=f"source NAT of {nic.address_key}",
        source=nic.snat.path,
        ip=context.text(f"{nic.address_key}:ip"),
        address=_address(context, vpc, nic.snat, link) if nic.snat.enabled else None,
        interface=link.inner,
        exit=link.exit,
    )


def _address(context: Context, vpc: Vpc, snat: Snat, link: Link) -> str:
    return context.text(f"{vpc.key}/{snat.virtual_ip}:virtual_ip") if snat.virtual_ip else link.address
