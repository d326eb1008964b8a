# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custom routes (row R5)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import host_span
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Route, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.subnets import refusal
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import (
    holder,
    management_network,
    router_addresses,
    router_provider_networks,
)


class Connected(NamedTuple):
    """A network that a router is in."""

    name: str
    path: str
    cidr: IPv4Network


def connected_networks(intent: Intent, vpc: Vpc) -> list[Connected]:
    """The networks that a VPC's router is in, its own and those of the provider."""
    own = [Connected(network.name, network.at("cidr"), network.cidr) for network in vpc.networks]
    for network, _path in router_provider_networks(intent, vpc).values():
        if network.cidr is not None:
            own.append(Connected(network.name, network.at("cidr"), network.cidr))
    return [item for item in own if refusal(item.cidr) is None]  # what is refused overlaps nearly everything


def _routes_with_connected(intent: Intent) -> Iterator[tuple[Vpc, Route, list[Connected]]]:
    """Yield every route with its VPC and the networks that the VPC's router is in."""
    for vpc in intent.vpcs:
        connected = connected_networks(intent, vpc) if vpc.routes else []
        for route in vpc.routes:
            yield vpc, route, connected


@rule("WEFT-R5-type")
def next_hop_or_none(intent: Intent) -> Iterator[Fault]:
    """A static route has a next hop, a blackhole has none."""
    for vpc in intent.vpcs:
        for route in vpc.routes:
            if route.type == "static" and route.next_hop is None:
                remedy = "Add next_hop: an address or an instance; or write type: blackhole."
                yield Fault(route.at("next_hop"), None, "is missing, and a static route needs it", remedy)
            if route.type == "blackhole" and route.next_hop is not None:
                remedy = "Remove next_hop, or write type: static."
                yield Fault(route.at("next_hop"), route.next_hop, "is given, but a blackhole leads nowhere", remedy)


@rule("WEFT-R5-refused")
def refused_destinations(intent: Intent) -> Iterator[Fault]:
    """A route's destination is neither everything nor an address that cannot be routed."""
    for vpc in intent.vpcs:
        for route in vpc.routes:
            reason = refusal(route.destination)
            if reason is not None and not _everything_from(route):
                remedy = "Name the prefix that you want to reach."
                if route.destination.prefixlen == 0:
                    remedy = (
                        "Name the prefixes that you want to reach, or the source of the packets; "
                        "the default route is the public network's gateway."
                    )
                yield Fault(route.at("destination"), str(route.destination), reason, remedy)


def _everything_from(route: Route) -> bool:
    """True for the default route of some sources; it takes nothing that stays in the VPC or is on the denylist."""
    return route.source is not None and route.destination.prefixlen == 0


@rule("WEFT-R5-denied")
def denied_destinations(intent: Intent) -> Iterator[Fault]:
    """A route's destination touches no prefix of the fabric's route_denylist."""
    denied = intent.fabric.route_denylist
    for vpc in intent.vpcs:
        for route in vpc.routes:
            touched = (index for index, prefix in enumerate(denied) if prefix.overlaps(route.destination))
            index = next(touched, None)
            if index is not None and not _everything_from(route):
                where = holder(str(denied[index]), intent.fabric.at(f"route_denylist[{index}]"))
                reason = f"touches {where}, which no VPC may route"
                remedy = "Name a prefix outside of it, or ask the fabric's operator to take it off the list."
                yield Fault(route.at("destination"), str(route.destination), reason, remedy)


@rule("WEFT-R5-source")
def known_sources(intent: Intent) -> Iterator[Fault]:
    """A route's source lies in a network of the VPC, or behind one of its routes."""
    for vpc in intent.vpcs:
        inside = [network.cidr for network in vpc.networks]
        inside += [route.destination for route in vpc.routes if route.source is None]
        for route in vpc.routes:
            if route.source is None or any(route.source.subnet_of(cidr) for cidr in inside):
                continue
            reason = f"lies neither in a network of {vpc.name} nor in the destination of one of its routes"
            remedy = "Name the CIDR of a network, a part of it, or an address with /32."
            yield Fault(route.at("source"), str(route.source), reason, remedy)


@rule("WEFT-R5-connected")
def connected_destinations(intent: Intent) -> Iterator[Fault]:
    """A route's destination does not overlap a network that the router is in."""
    for vpc, route, connected in _routes_with_connected(intent):
        other = next((item for item in connected if item.cidr.overlaps(route.destination)), None)
        if other is not None and refusal(route.destination) is None:
            where = holder(f"{other.cidr} of {other.name}", other.path)
            reason = f"overlaps {where}, and the router of {vpc.name} is in it"
            remedy = "Name a prefix outside the router's networks."
            yield Fault(route.at("destination"), str(route.destination), reason, remedy)


@rule("WEFT-R5-twice")
def same_destination(intent: Intent) -> Iterator[Fault]:
    """Two routes to one destination differ in their distance."""
    for vpc in intent.vpcs:
        seen: dict[tuple[IPv4Network | None, IPv4Network, int], Route] = {}
        for route in vpc.routes:
            first = seen.setdefault((route.source, route.destination, route.distance), route)
            if first is not route:
                reason = f"is already the destination of {first.path}, with the same distance {route.distance}"
                remedy = "Remove one of the two, or give them different distances: the least wins."
                yield Fault(route.at("destination"), str(route.destination), reason, remedy)


@rule("WEFT-R5-unreachable")
def reachable_next_hops(intent: Intent) -> Iterator[Fault]:
    """A next hop is an address of a host in a network that the router is in."""
    for vpc, route, connected in _routes_with_connected(intent):
        hop = route.next_hop_ip
        if hop is not None and not any(holds(item.cidr, hop) for item in connected):
            names = ", ".join(f"{item.name} {item.cidr}" for item in connected[:5])
            more = f" and {len(connected) - 5} more" if len(connected) > 5 else ""
            reason = f"is not in any network of the router of {vpc.name}, which are {names}{more}"
            yield Fault(route.at("next_hop"), str(hop), reason, "Name an address or an instance in one of them.")


def holds(cidr: IPv4Network, address: IPv4Address) -> bool:
    """True if an address can be that of a host in a network."""
    span = host_span(cidr)
    return span.first <= int(address) <= span.last


def own_addresses(intent: Intent, vpc: Vpc) -> dict[IPv4Address, str]:
    """The addresses of a VPC's router, and where in the inventory each stands."""
    return {one.ip: one.path for one in router_addresses(intent, vpc)}


@rule("WEFT-R5-management")
def next_hops_of_tenants(intent: Intent) -> Iterator[Fault]:
    """A next hop is not in the management network, which is the operator's."""
    for vpc, route, _connected in _routes_with_connected(intent):
        network = management_network(intent, vpc)
        hop = route.next_hop_ip
        if network is not None and network.cidr is not None and hop is not None and hop in network.cidr:
            reason = f"lies in {holder(network.name, network.path)}, the management network of the router"
            yield Fault(route.at("next_hop"), str(hop), reason, "Name the host that leads on, in another network.")


@rule("WEFT-R5-self", settled=True)
def next_hop_not_self(intent: Intent) -> Iterator[Fault]:
    """A next hop is not an address of the router itself."""
    for vpc in intent.vpcs:
        own = own_addresses(intent, vpc) if vpc.routes else {}
        for route in vpc.routes:
            hop = route.next_hop_ip
            if hop is not None and hop in own:
                reason = f"is an address of the router of {vpc.name} itself ({own[hop]})"
                yield Fault(route.at("next_hop"), str(hop), reason, "Name the host that leads on.")
