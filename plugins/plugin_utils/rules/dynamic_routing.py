# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""BGP and OSPF with the upstream (row R7)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import in_spans
from ansible_collections.weft.vpc.plugins.plugin_utils.model import BgpNeighbor, Intent, Ospf, ProviderNetwork, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.routes import connected_networks, holds
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.subnets import refusal
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder


class _Session(NamedTuple):
    vpc: Vpc
    neighbor: BgpNeighbor


class _Learner(NamedTuple):
    """A BGP neighbor or OSPF, and the public network that it is in (if that exists)."""

    vpc: Vpc
    protocol: BgpNeighbor | Ospf
    network: ProviderNetwork | None


def _sessions(intent: Intent) -> Iterator[_Session]:
    for vpc in intent.vpcs:
        for neighbor in vpc.router.bgp.neighbors if vpc.router.bgp else ():
            yield _Session(vpc, neighbor)


def _learners(intent: Intent) -> Iterator[_Learner]:
    for vpc, neighbor in _sessions(intent):
        yield _Learner(vpc, neighbor, _network_of(intent, vpc, neighbor.address))
    for vpc in intent.vpcs:
        if vpc.router.ospf is not None:
            name = vpc.router.ospf.network or next(iter(intent.public_networks(vpc)), "")
            yield _Learner(vpc, vpc.router.ospf, intent.provider_network(name))


def _network_of(intent: Intent, vpc: Vpc, address: IPv4Address) -> ProviderNetwork | None:
    """The public network of a VPC's router that holds an address."""
    known = (intent.provider_network(name) for name in intent.public_networks(vpc))
    return next((one for one in known if one is not None and one.cidr is not None and holds(one.cidr, address)), None)


@rule("WEFT-R7-neighbor")
def neighbors_linked(intent: Intent) -> Iterator[Fault]:
    """A BGP neighbor is in a public network of the router."""
    for vpc, neighbor in _sessions(intent):
        names = ", ".join(intent.public_networks(vpc))
        if names and _network_of(intent, vpc, neighbor.address) is None:
            reason = f"is in no public network of the router of {vpc.name}, which is in {names}"
            remedy = "Name a router of the upstream in one of them, or add its network to public_networks."
            yield Fault(neighbor.at("address"), str(neighbor.address), reason, remedy)


@rule("WEFT-R7-given")
def neighbors_kept(intent: Intent) -> Iterator[Fault]:
    """A BGP neighbor's address is not one that is allocated to VPCs."""
    for vpc, neighbor in _sessions(intent):
        network = _network_of(intent, vpc, neighbor.address)
        if network is None or neighbor.address in network.reserved_ips:
            continue
        if in_spans(neighbor.address, network.spans):
            reason = f"is among the addresses of {holder(network.name, network.path)} that VPCs get"
            remedy = f"Add it to reserved_ips of {network.name}, or narrow ip_ranges."
            yield Fault(neighbor.at("address"), str(neighbor.address), reason, remedy)


@rule("WEFT-R7-twice")
def neighbors_once(intent: Intent) -> Iterator[Fault]:
    """A router has one BGP session with a neighbor."""
    seen: dict[tuple[str, IPv4Address], str] = {}
    for vpc, neighbor in _sessions(intent):
        path = neighbor.at("address")
        first = seen.setdefault((vpc.path, neighbor.address), path)
        if first != path:
            yield Fault(path, str(neighbor.address), f"is a neighbor already ({first})", "Remove one of the two.")


@rule("WEFT-R7-same-asn")
def systems_differ(intent: Intent) -> Iterator[Fault]:
    """A BGP neighbor is in another autonomous system than the VPC."""
    for vpc, neighbor in _sessions(intent):
        if vpc.router.bgp is not None and neighbor.asn == vpc.router.bgp.asn:
            reason = (
                f"is the autonomous system of the VPC itself ({vpc.router.bgp.at('asn')}), and sessions are external"
            )
            yield Fault(neighbor.at("asn"), neighbor.asn, reason, "Give the VPC an autonomous system of its own.")


@rule("WEFT-R7-times")
def times_fit(intent: Intent) -> Iterator[Fault]:
    """A peer is given up after more than one sign of life could have come."""
    for vpc in intent.vpcs:
        ospf = vpc.router.ospf
        if ospf is not None and ospf.dead_interval <= ospf.hello_interval:
            reason = f"is no longer than hello_interval, {ospf.hello_interval}"
            yield Fault(ospf.at("dead_interval"), ospf.dead_interval, reason, "Give it four times hello_interval.")
    for _vpc, neighbor in _sessions(intent):
        if neighbor.hold_time < max(3, neighbor.keepalive + 1):
            reason = f"is shorter than 3 or no longer than keepalive, {neighbor.keepalive}"
            yield Fault(neighbor.at("hold_time"), neighbor.hold_time, reason, "Give it three times keepalive.")


@rule("WEFT-R7-same-id")
def identifiers_differ(intent: Intent) -> Iterator[Fault]:
    """Routers that meet in a public network have different identifiers in a protocol."""
    seen: dict[tuple[str, str, IPv4Address], str] = {}
    for vpc in intent.vpcs:
        router = vpc.router
        for protocol in (router.bgp, router.ospf):
            identifier = None if protocol is None else protocol.router_id or router.public_ip
            if protocol is None or identifier is None:
                continue
            path = router.at("public_ip") if protocol.router_id is None else protocol.at("router_id")
            places = [seen.setdefault((protocol.kind, one, identifier), path) for one in intent.public_networks(vpc)]
            other = next((place for place in places if place != path), None)
            if other is not None:
                reason = f"is the identifier of another {protocol.kind} in the same network already ({other})"
                yield Fault(path, str(identifier), reason, "Give each its own, or none to have its public address.")


@rule("WEFT-R7-network")
def ospf_linked(intent: Intent) -> Iterator[Fault]:
    """OSPF is spoken on a public network of the router."""
    for vpc in intent.vpcs:
        ospf, known = vpc.router.ospf, intent.public_networks(vpc)
        if ospf is not None and ospf.network is not None and known and ospf.network not in known:
            reason = f"is no public network of the router of {vpc.name}, which is in {', '.join(known)}"
            yield Fault(ospf.at("network"), ospf.network, reason, "Name one of these, or add it to public_networks.")


@rule("WEFT-R7-exit")
def learned_by_first(intent: Intent) -> Iterator[Fault]:
    """Routes are learned from the offering's public network: a further one has a routing table of its own."""
    for vpc, protocol, network in _learners(intent):
        first = next(iter(intent.public_networks(vpc)), None)
        if protocol.accept and network is not None and first is not None and network.name != first:
            reason = f"would be learned from {network.name}, and routes are learned from {first} alone"
            shown = [str(prefix) for prefix in protocol.accept]
            yield Fault(protocol.at("accept"), shown, reason, "Leave it out: addresses are announced all the same.")


@rule("WEFT-R7-accept")
def learned_elsewhere(intent: Intent) -> Iterator[Fault]:
    """What may be learned touches no network of the router, no custom route, and no prefix of the route_denylist."""
    for vpc, protocol, _network in _learners(intent):
        taken = [(one.cidr, holder(f"{one.cidr} of {one.name}", one.path)) for one in connected_networks(intent, vpc)]
        taken += [
            (one.destination, holder(f"route {one.destination}", one.path)) for one in vpc.routes if not one.source
        ]
        for index, prefix in enumerate(intent.fabric.route_denylist):
            taken.append((prefix, holder(str(prefix), intent.fabric.at(f"route_denylist[{index}]"))))
        for index, prefix in enumerate(protocol.accept):
            reason = _refusal(prefix, taken)
            if reason is not None:
                remedy = "Name prefixes outside of these; 0.0.0.0/0 is the default route."
                yield Fault(protocol.at(f"accept[{index}]"), str(prefix), reason, remedy)


def _refusal(prefix: IPv4Network, taken: list[tuple[IPv4Network, str]]) -> str | None:
    """Why a prefix cannot be learned; None if it can. The default route gives way to all others."""
    if prefix.prefixlen == 0:
        return None
    return refusal(prefix) or next((f"overlaps {words}" for cidr, words in taken if cidr.overlaps(prefix)), None)
