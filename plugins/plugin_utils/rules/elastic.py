# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Elastic IPs (row N2)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address

from ansible_collections.weft.vpc.plugins.plugin_utils.model import ElasticIp, Intent, Network, ProviderNetwork, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, public_addresses


@rule("WEFT-N2-outbound")
def one_outbound(intent: Intent) -> Iterator[Fault]:
    """Of the elastic IPs of one address of an instance at most one is outbound."""
    for vpc in intent.vpcs:
        marked: dict[str, ElasticIp] = {}
        for elastic in vpc.elastic_ips:
            nic = None if elastic.target is None else intent.instance(vpc.tenant, elastic.target)
            if nic is None or not elastic.outbound:
                continue
            first = marked.setdefault(nic.address_key, elastic)
            if first is not elastic:
                reason = f"is set, and {holder(first.name, first.at('outbound'))} of the same address has it already"
                remedy = "Let one of the elastic IPs of an address be outbound."
                yield Fault(elastic.at("outbound"), elastic.outbound, reason, remedy)


@rule("WEFT-N2-same-network")
def networks_differ(intent: Intent) -> Iterator[Fault]:
    """An elastic IP's network is not the one that its target is in."""
    for vpc in intent.vpcs:
        for elastic in vpc.elastic_ips:
            nic = None if elastic.target is None else intent.instance(vpc.tenant, elastic.target)
            network = None if nic is None else intent.attachment(vpc.tenant, nic.nic.network)
            if isinstance(network, ProviderNetwork) and network.name == elastic.network:
                reason = f"has its NIC in {network.name} itself, where there is nothing to translate"
                remedy = f"Name an instance with a NIC in a network of {vpc.name}."
                yield Fault(elastic.at("target"), elastic.target, reason, remedy)


@rule("WEFT-N2-inside")
def outside_guests(intent: Intent) -> Iterator[Fault]:
    """A public address lies outside all networks of its VPC."""
    for address in public_addresses(intent):
        network = None if address.ip is None else inside_guests(address.vpc, address.ip)
        if network is not None:
            reason = f"lies in {network.cidr} of {holder(network.name, network.at('cidr'))}"
            yield Fault(address.path, str(address.ip), reason, "Choose an address of the public network.")


def inside_guests(vpc: Vpc, address: IPv4Address) -> Network | None:
    """The network of a VPC that an address lies in, if it lies in one."""
    return next((network for network in vpc.networks if address in network.cidr), None)
