# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Subnets: which ones are usable, where their gateway lies, and their ranges (row A1)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import host_span
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, IpRange, Network, ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.model.roles import REFUSED
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import networks, subnets


@lru_cache(maxsize=2**16)
def refusal(cidr: IPv4Network) -> str | None:
    """Why a CIDR cannot be used at all, in words that go on from it; None if it can."""
    if cidr.prefixlen == 0:
        return "is every address there is"
    for refused, why in REFUSED:
        if cidr.overlaps(refused):
            return f"touches {refused}, which {why}"
    return None


@rule("WEFT-A1-refused")
def refused_subnets(intent: Intent) -> Iterator[Fault]:
    """A subnet is of addresses that hosts can have: no class D or E, no link-local, no loopback, not /0."""
    for subnet in subnets(intent):
        reason = None if subnet.cidr is None else refusal(subnet.cidr)
        if reason is not None:
            yield Fault(subnet.at("cidr"), str(subnet.cidr), reason, "Choose a subnet such as one of 192.168.0.0/16.")


@rule("WEFT-A1-size")
def small_subnets(intent: Intent) -> Iterator[Fault]:
    """A network has room for its router and at least one instance."""
    for _vpc, network in networks(intent):
        if network.cidr.prefixlen > 30:
            yield Fault(
                network.at("cidr"),
                str(network.cidr),
                "has no room for a router and an instance besides its network and broadcast addresses",
                "Use a prefix of /30 or shorter.",
            )


@rule("WEFT-A1-no-cidr")
def addresses_without_subnet(intent: Intent) -> Iterator[Fault]:
    """A provider network with a gateway, ranges or the service public or management has a CIDR."""
    for network in intent.provider_networks:
        if network.cidr is not None:
            continue
        named = [service for service in network.services if service != "guest"]
        needs = {
            "gateway": network.gateway,
            "ip_ranges": network.ip_ranges,
            "reserved_ips": network.reserved_ips,
            "services": bool(named),
        }
        for key in (key for key, needed in needs.items() if needed):
            yield Fault(
                network.at(key),
                None,
                f"needs a subnet, and {network.name} has no cidr",
                f"Give {network.name} a cidr, or remove {f'{named[0]} from services' if key == 'services' else key}.",
            )


@rule("WEFT-A1-gateway")
def gateways(intent: Intent) -> Iterator[Fault]:
    """A gateway is a host address of its subnet."""
    for subnet in subnets(intent):
        if subnet.cidr is None or subnet.gateway is None:
            continue
        span = host_span(subnet.cidr)
        if span.first <= int(subnet.gateway) <= span.last:
            continue
        reason = f"lies outside {subnet.cidr}"
        if subnet.gateway in subnet.cidr:
            reason = f"is the network or the broadcast address of {subnet.cidr}"
        remedy = f"Choose an address from {IPv4Address(span.first)} to {IPv4Address(span.last)}."
        yield Fault(subnet.at("gateway"), str(subnet.gateway), reason, remedy)


@rule("WEFT-A1-gateway-in-range")
def gateways_in_ranges(intent: Intent) -> Iterator[Fault]:
    """A gateway lies outside every range of its subnet, or it would be given out."""
    for subnet in subnets(intent):
        gateway = subnet.gateway_ip if isinstance(subnet, Network) else subnet.gateway
        if gateway is None:
            continue
        for item in subnet.ip_ranges:
            if item.start <= gateway <= item.end:
                yield _gateway_in_range(subnet, gateway, item)


def _gateway_in_range(subnet: Network | ProviderNetwork, gateway: IPv4Address, item: IpRange) -> Fault:
    where = f"{item.start}-{item.end} ({item.path})"
    remedy = "Let the range begin behind the gateway, or choose another gateway."
    if subnet.gateway is None:
        reason = f"contains {gateway}, the gateway of {subnet.name} because it names no other"
        return Fault(item.path, f"{item.start}-{item.end}", reason, remedy)
    return Fault(subnet.at("gateway"), str(gateway), f"lies in the range {where}, which is given out", remedy)


@rule("WEFT-A1-range")
def ranges(intent: Intent) -> Iterator[Fault]:
    """A range begins before it ends, and lies in its subnet."""
    for subnet in subnets(intent):
        for item in subnet.ip_ranges:
            if item.start > item.end:
                remedy = f"Write {{start: {item.end}, end: {item.start}}}."
                yield Fault(item.path, f"{item.start}-{item.end}", "ends before it begins", remedy)
                continue
            for key, address in (("start", item.start), ("end", item.end)):
                if subnet.cidr is not None and address not in subnet.cidr:
                    remedy = f"Keep the range inside {subnet.cidr}, or widen the cidr."
                    yield Fault(item.at(key), str(address), f"lies outside {subnet.cidr}", remedy)


@rule("WEFT-A1-ranges-overlap")
def overlapping_ranges(intent: Intent) -> Iterator[Fault]:
    """The ranges of a subnet do not overlap."""
    for subnet in subnets(intent):
        ordered = sorted((item for item in subnet.ip_ranges if item.start <= item.end), key=lambda item: item.start)
        widest: IpRange | None = None
        for item in ordered:
            if widest is not None and item.start <= widest.end:
                yield Fault(
                    item.path,
                    f"{item.start}-{item.end}",
                    f"overlaps {widest.start}-{widest.end} ({widest.path})",
                    "Make the two ranges one, or let them end before the other begins.",
                )
            if widest is None or item.end > widest.end:
                widest = item
