# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NICs may send (row F3), in whatever network they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Network, NicRef, ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.subnets import refusal
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, networks, router_addresses

_WITHOUT = "Name prefixes without it."


class _Taken(NamedTuple):
    """An address that a NIC may not send from: in words, and what to do instead."""

    ip: IPv4Address
    words: str
    remedy: str


@rule("WEFT-F3-idle")
def exceptions_of_something(intent: Intent) -> Iterator[Fault]:
    """Only a NIC with port security names addresses that it may send from besides."""
    for instance in intent.instances:
        for nic in instance.nics:
            if nic.allowed_addresses and not nic.port_security:
                reason = (
                    f"does nothing: with port_security: false ({nic.at('port_security')}) the NIC may send anything"
                )
                remedy = "Remove port_security to allow these addresses only, or remove them."
                yield Fault(nic.at("allowed_addresses"), None, reason, remedy)


@rule("WEFT-F3-gateway", settled=True)
def gateways_are_the_routers(intent: Intent) -> Iterator[Fault]:
    """No NIC may send from the address of a gateway or of a router, in a VPC's network or in a provider network."""
    taken: dict[str, list[_Taken]] | None = None
    for path, ref in _nics(intent):
        for index, cidr in enumerate(ref.nic.allowed_addresses):
            taken = _taken(intent) if taken is None else taken
            found = next((one for one in taken.get(path, ()) if one.ip in cidr), None)
            if found is not None:
                reason = f"holds {found.words}: the instance could speak for the router to its neighbours"
                yield Fault(ref.nic.at(f"allowed_addresses[{index}]"), str(cidr), reason, found.remedy)


def _nics(intent: Intent) -> Iterator[tuple[str, NicRef]]:
    """Every NIC, with the path of the network that it is in."""
    subnets: list[Network | ProviderNetwork] = [network for _vpc, network in networks(intent)]
    for network in [*subnets, *intent.provider_networks]:
        yield from ((network.path, ref) for ref in intent.nics_of(network))


def _taken(intent: Intent) -> dict[str, list[_Taken]]:
    """The addresses of gateways and routers by the path of their network."""
    found: defaultdict[str, list[_Taken]] = defaultdict(list)
    for network in intent.provider_networks:
        if network.gateway is not None:
            words = f"the gateway of {network.name}, {network.gateway} ({network.path})"
            found[network.path].append(_Taken(network.gateway, words, _WITHOUT))
    for vpc in intent.vpcs:
        for one in router_addresses(intent, vpc):
            own = isinstance(one.network, ProviderNetwork) or one.ip != one.network.gateway_ip
            remedy = "Name prefixes without it, or write port_security: false if it is to stand in for it."
            words = f"{one.label}, {one.ip} ({one.path})"
            found[one.network.path].append(_Taken(one.ip, words, _WITHOUT if own else remedy))
    return found


@rule("WEFT-F3-refused")
def sources_of_hosts(intent: Intent) -> Iterator[Fault]:
    """A NIC may send from addresses that hosts can have, and not from all there are."""
    for instance in intent.instances:
        for nic in instance.nics:
            for index, cidr in enumerate(nic.allowed_addresses):
                reason = refusal(cidr)
                if reason is not None:
                    remedy = "Name the prefixes that the instance sends from."
                    yield Fault(nic.at(f"allowed_addresses[{index}]"), str(cidr), reason, remedy)


@rule("WEFT-F3-trusted")
def liberties_of_the_trusted(intent: Intent) -> Iterator[Fault]:
    """In a provider network only NICs of tenants that it trusts send from other addresses than their tenant's NICs'."""
    for network in intent.provider_networks:
        for ref in intent.nics_of(network):
            if ref.instance.tenant in network.trusted_tenants:
                continue
            for path, value in _liberties(intent, network, ref):
                owner = holder(network.name, network.path)
                reason = f"is not for tenant {ref.instance.tenant} in {owner}, which the operator shares out"
                remedy = f"Remove it, or add {ref.instance.tenant} to trusted_tenants of {network.name}."
                yield Fault(path, value, reason, remedy)


def _liberties(intent: Intent, network: ProviderNetwork, ref: NicRef) -> Iterator[tuple[str, str | None]]:
    """What a NIC may send besides what its tenant's NICs in the network have: the place, and the value."""
    if not ref.nic.port_security:
        yield ref.nic.at("port_security"), None
    others = (one for one in intent.nics_of(network) if one.instance.tenant == ref.instance.tenant)
    own = {one.ip for other in others for one in other.addresses} if ref.nic.allowed_addresses else set()
    for index, cidr in enumerate(ref.nic.allowed_addresses):
        if cidr.prefixlen < 32 or cidr.network_address not in own:
            yield ref.nic.at(f"allowed_addresses[{index}]"), str(cidr)
