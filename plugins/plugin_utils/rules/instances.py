# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances: addresses, MACs and NICs (rows A2, A5)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import in_spans
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Network, Nic, NicRef, ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, subnets

_ALLOCATE = "Choose another address, or leave ip out to have one allocated."


def _fixed(intent: Intent) -> Iterator[tuple[Network | ProviderNetwork, list[tuple[NicRef, IPv4Address]]]]:
    for network in subnets(intent):
        fixed = [(one, one.ip) for ref in intent.nics_of(network) for one in ref.addresses if one.ip is not None]
        if fixed:
            yield network, fixed


@rule("WEFT-A2-gateway")
def not_the_gateway(intent: Intent) -> Iterator[Fault]:
    """An instance's address is not the gateway of its network."""
    for network, fixed in _fixed(intent):
        gateway = network.gateway_ip if isinstance(network, Network) else network.gateway
        for ref, ip in fixed:
            if ip == gateway:
                reason = f"is the gateway of {holder(network.name, network.path)}"
                yield Fault(ref.ip_path, str(ip), reason, _ALLOCATE)


@rule("WEFT-A2-outside")
def inside_ranges(intent: Intent) -> Iterator[Fault]:
    """An instance's address lies in the ranges of its network."""
    for network, fixed in _fixed(intent):
        spans = network.spans
        gateway = network.gateway_ip if isinstance(network, Network) else network.gateway
        for ref, ip in fixed:
            if ip != gateway and not in_spans(ip, spans):
                ranges = ", ".join(f"{item.start}-{item.end}" for item in network.ip_ranges)
                listed = f"ranges {ranges}" if ranges and ip in (network.cidr or ()) else f"subnet {network.cidr}"
                reason = f"lies outside the {listed} of {holder(network.name, network.path)}"
                if not ranges and ip in (network.cidr or ()):
                    reason = f"is the network or the broadcast address of {holder(network.name, network.path)}"
                remedy = "Choose another address, leave ip out to have one allocated, or widen ip_ranges."
                yield Fault(ref.ip_path, str(ip), reason, remedy if ranges else _ALLOCATE)


@rule("WEFT-A2-taken")
def addresses_taken(intent: Intent) -> Iterator[Fault]:
    """An address of a network belongs to one NIC."""
    for network, fixed in _fixed(intent):
        holders: dict[IPv4Address, NicRef] = {}
        for ref, ip in fixed:
            first = holders.setdefault(ip, ref)
            if first is not ref:
                reason = f"is already the address of {holder(first.instance.name, first.ip_path)} in {network.name}"
                yield Fault(ref.ip_path, str(ip), reason, _ALLOCATE)


@rule("WEFT-A2-no-subnet")
def address_without_subnet(intent: Intent) -> Iterator[Fault]:
    """A NIC is in a network with a subnet: it has an address, and may send from that alone."""
    for network in intent.provider_networks:
        for ref in intent.nics_of(network) if network.cidr is None else ():
            reason = f"has no cidr ({network.path}), and a NIC in it needs an address"
            remedy = f"Give {network.name} a cidr, and ip_ranges if others have addresses of it."
            yield Fault(ref.nic.at("network"), ref.nic.network, reason, remedy)


@rule("WEFT-A2-mac-taken")
def macs_taken(intent: Intent) -> Iterator[Fault]:
    """A MAC belongs to one NIC of the fabric."""
    holders: dict[str, tuple[str, Nic]] = {}
    for instance in intent.instances:
        for nic in instance.nics:
            if nic.mac is None:
                continue
            name, first = holders.setdefault(nic.mac, (instance.name, nic))
            if first is not nic:
                reason = f"is already the MAC of {holder(name, first.at('mac'))}"
                yield Fault(
                    nic.at("mac"), nic.mac, reason, "Choose another MAC, or leave mac out to have one allocated."
                )


@rule("WEFT-A5-nics")
def some_nic(intent: Intent) -> Iterator[Fault]:
    """An instance has at least one NIC."""
    for instance in intent.instances:
        if not instance.nics:
            reason = f"is an empty list, so {instance.name} is in no network"
            yield Fault(instance.at("nics"), None, reason, "Add a NIC: {network: ...}.")


@rule("WEFT-A5-default")
def one_default(intent: Intent) -> Iterator[Fault]:
    """At most one NIC of an instance is the default one."""
    for instance in intent.instances:
        marked = [nic for nic in instance.nics if nic.default] if len(instance.nics) > 1 else []
        for nic in marked[1:]:
            reason = f"makes this a second default NIC of {instance.name}, after {marked[0].path}"
            yield Fault(nic.at("default"), nic.default, reason, "Mark one NIC only; it gets the default route.")
