# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public addresses: in the network's ranges, and each with one holder (rows N1, N2)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import in_spans
from ansible_collections.weft.vpc.plugins.plugin_utils.model import ElasticIp, Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.elastic import inside_guests
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import PublicAddress, public_addresses


@rule("WEFT-N1-gateway")
def gateway_taken(intent: Intent) -> Iterator[Fault]:
    """A public address is not the gateway of its network."""
    for address in public_addresses(intent):
        network = address.network
        if network is not None and address.ip is not None and address.ip == network.gateway:
            reason = f"is the gateway of {network.name} ({network.path}.gateway)"
            yield Fault(address.path, str(address.ip), reason, "Choose another address, or none to have one allocated.")


@rule("WEFT-N1-outside")
def outside_ranges(intent: Intent) -> Iterator[Fault]:
    """A public address that is given lies in the ranges of its network."""
    spans = {network.path: network.spans for network in intent.provider_networks}
    for address in public_addresses(intent):
        network = address.network
        if network is None or network.cidr is None or address.ip is None or address.ip == network.gateway:
            continue
        if not in_spans(address.ip, spans[network.path]) and not inside_guests(address.vpc, address.ip):
            listed = ", ".join(f"{item.start}-{item.end}" for item in network.ip_ranges) or str(network.cidr)
            reason = f"lies outside the addresses of {network.name} that are ours, {listed} ({network.path})"
            remedy = "Choose an address of these, widen ip_ranges, or leave it out to have one allocated."
            yield Fault(address.path, str(address.ip), reason, remedy)


def _clashes(intent: Intent) -> Iterator[tuple[PublicAddress, PublicAddress]]:
    holders: dict[tuple[str, IPv4Address], PublicAddress] = {}
    for address in public_addresses(intent):
        if address.network is not None and address.ip is not None:
            first = holders.setdefault((address.network.path, address.ip), address)
            if first is not address:
                yield first, address


def _taken(first: PublicAddress, address: PublicAddress) -> Fault:
    reason = f"is already the address of {first.label} ({first.path})"
    remedy = "Choose another address for one of them, or leave it out to have one allocated."
    return Fault(address.path, str(address.ip), reason, remedy)


@rule("WEFT-N1-taken")
def taken(intent: Intent) -> Iterator[Fault]:
    """No two routers or virtual IPs have one public address."""
    for first, address in _clashes(intent):
        if ElasticIp.kind not in (first.kind, address.kind):
            yield _taken(first, address)


@rule("WEFT-N2-taken")
def elastic_taken(intent: Intent) -> Iterator[Fault]:
    """An elastic IP has its address for itself: no router, virtual IP or other elastic IP has it too."""
    for first, address in _clashes(intent):
        if ElasticIp.kind in (first.kind, address.kind):
            yield _taken(first, address)


@rule("WEFT-N1-guest")
def guests_address(intent: Intent) -> Iterator[Fault]:
    """A public address is not that of a guest in the same provider network."""
    holders = {
        (network.path, one.ip): one
        for network in intent.provider_networks
        for ref in intent.nics_of(network)
        for one in ref.addresses
        if one.ip is not None
    }
    for address in public_addresses(intent):
        if address.network is None or address.ip is None:
            continue
        ref = holders.get((address.network.path, address.ip))
        if ref is not None:
            reason = f"is already the address of instance {ref.instance.name} ({ref.ip_path})"
            yield Fault(address.path, str(address.ip), reason, "Choose another address for one of them.")
