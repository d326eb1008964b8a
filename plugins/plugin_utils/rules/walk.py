# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ways through an intent that several rules take."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    ElasticIp,
    Intent,
    IpsecConnection,
    LoadBalancer,
    Network,
    Nic,
    PortForward,
    ProviderNetwork,
    Snat,
    VirtualIp,
    Vpc,
    VpcNetwork,
)


class Reference(NamedTuple):
    """A place that names an object."""

    path: str
    name: str


class InstanceReference(NamedTuple):
    """A place in a VPC that names an instance or one of its NICs."""

    vpc: Vpc
    path: str
    ref: str
    public_network: str | None = None  # of an elastic IP: the network that it translates from


class PublicAddress(NamedTuple):
    """A router's, a virtual IP's or an elastic IP's address: where it stands, and in which network (if that exists)."""

    vpc: Vpc
    kind: str
    label: str
    path: str
    ip: IPv4Address | None
    network: ProviderNetwork | None


class RouterAddress(NamedTuple):
    """An address that a VPC's router answers for: whose it is, where that stands, and the network that it is in."""

    label: str
    path: str
    ip: IPv4Address
    network: Network | ProviderNetwork


def holder(name: str, path: str) -> str:
    """How messages name another object: by its name and its place."""
    return f"{name} ({path})"


def networks(intent: Intent) -> Iterator[VpcNetwork]:
    """Every network of every VPC."""
    for vpc in intent.vpcs:
        for network in vpc.networks:
            yield VpcNetwork(vpc, network)


def subnets(intent: Intent) -> Iterator[Network | ProviderNetwork]:
    """Everything that has a subnet: the VPCs' networks and the provider networks with a CIDR."""
    yield from (network for network in intent.provider_networks if network.cidr is not None)
    yield from (network for _vpc, network in networks(intent))


def instance_references(intent: Intent) -> Iterator[InstanceReference]:
    """Every place in a VPC that names an instance: targets, backends and next hops."""
    for vpc in intent.vpcs:
        for forward in vpc.port_forwards:
            yield InstanceReference(vpc, forward.at("target"), forward.target)
        for balancer in vpc.load_balancers:
            for listener in balancer.listeners:
                for group in listener.balanced:
                    for index, backend in enumerate(group.backends):
                        yield InstanceReference(vpc, group.at(f"backends[{index}]"), backend.instance)
        for elastic in vpc.elastic_ips:
            if elastic.target is not None:
                yield InstanceReference(vpc, elastic.at("target"), elastic.target, elastic.network)
        for route in vpc.routes:
            if route.next_hop is not None and route.next_hop_ip is None:
                yield InstanceReference(vpc, route.at("next_hop"), route.next_hop)


def management_network(intent: Intent, vpc: Vpc) -> ProviderNetwork | None:
    """The management network of a VPC's router."""
    offering = intent.offering(vpc.router.offering)
    name = None if offering is None else offering.management_network
    return None if name is None else intent.provider_network(name)


def vpc_addresses(vpc: Vpc) -> tuple[VirtualIp | ElasticIp, ...]:
    """The public addresses of a VPC besides its router's."""
    return (*vpc.virtual_ips, *vpc.elastic_ips)


def snat_choices(intent: Intent, vpc: Vpc) -> Iterator[Snat]:
    """What is chosen in a VPC's networks, and for the NICs and secondary IPs in them."""
    for network in vpc.networks:
        yield network.snat
        for nic in intent.nics_of(network):
            yield from nic_snat_choices(nic.nic)


def nic_snat_choices(nic: Nic) -> Iterator[Snat]:
    """What is chosen for a NIC and for its secondary IPs."""
    choices = (nic.snat, *(one.snat for one in nic.secondary_ips))
    yield from (one for one in choices if one is not None)


def virtual_ip_references(intent: Intent, vpc: Vpc) -> Iterator[Reference]:
    """Every place in a VPC that names a virtual IP."""
    services: tuple[PortForward | LoadBalancer | IpsecConnection, ...] = (
        *vpc.port_forwards,
        *vpc.load_balancers,
        *vpc.ipsec_connections,
    )
    for item in services:
        if item.virtual_ip is not None:
            yield Reference(item.at("virtual_ip"), item.virtual_ip)
    for snat in snat_choices(intent, vpc):
        if snat.virtual_ip is not None:
            yield Reference(snat.at("virtual_ip"), snat.virtual_ip)


def public_addresses(intent: Intent) -> Iterator[PublicAddress]:
    """Every public address that the VPCs have or want, given or not."""
    for vpc in intent.vpcs:
        yield from public_addresses_of(intent, vpc)


def public_addresses_of(intent: Intent, vpc: Vpc) -> Iterator[PublicAddress]:
    """Every public address that a VPC has or wants, given or not."""
    offering = intent.offering(vpc.router.offering)
    public = None if offering is None else intent.provider_network(offering.public_network)
    label = f"the router of {vpc.name}"
    ip = intent.address(vpc.router.public_ip, f"{vpc.key}:public_ip")
    yield PublicAddress(vpc, "router", label, vpc.router.at("public_ip"), ip, public)
    for further in vpc.router.public_networks:
        public = intent.provider_network(further.network)
        ip = intent.address(further.ip, f"{vpc.key}/{further.network}:public_ip")
        yield PublicAddress(vpc, "router", label, further.at("ip"), ip, public)
    for item in vpc_addresses(vpc):
        network = intent.provider_network(item.network)
        ip = intent.address(item.ip, f"{vpc.key}/{item.name}:{item.kind.replace(' ', '_').lower()}")
        yield PublicAddress(vpc, item.kind, f"{item.kind} {item.name}", item.at("ip"), ip, network)


def router_addresses(intent: Intent, vpc: Vpc) -> Iterator[RouterAddress]:
    """Every address that a VPC's router has, as far as it is known."""
    for public in public_addresses_of(intent, vpc):
        if public.ip is not None and public.network is not None:
            yield RouterAddress(public.label, public.path, public.ip, public.network)
    networks = {network.name: network for network in vpc.networks}
    for network in vpc.networks:
        yield RouterAddress(f"the gateway of {network.name}", network.path, network.gateway_ip, network)
    for balancer in vpc.load_balancers:
        ip = intent.address(balancer.ip, f"{vpc.key}/{balancer.name}:balancer_ip")
        if ip is not None and balancer.network in networks:
            yield RouterAddress(f"load balancer {balancer.name}", balancer.at("ip"), ip, networks[balancer.network])
    management = management_network(intent, vpc)
    ip = intent.address(None, f"{vpc.key}:management_ip")
    if management is not None and ip is not None:
        yield RouterAddress(f"the router of {vpc.name}", vpc.router.path, ip, management)


def router_provider_networks(intent: Intent, vpc: Vpc) -> dict[str, tuple[ProviderNetwork, str]]:
    """The provider networks that a VPC's router is in, by name: public, of its public addresses, management.

    Each comes with the path that asks for it.
    """
    asked: list[Reference] = []
    if (offering := intent.offering(vpc.router.offering)) is not None:
        asked.append(Reference(vpc.router.at("offering"), offering.public_network))
        if offering.management_network is not None:
            asked.append(Reference(vpc.router.at("offering"), offering.management_network))
    asked += [Reference(item.at("network"), item.network) for item in vpc.router.public_networks]
    asked += [Reference(item.at("network"), item.network) for item in vpc_addresses(vpc)]
    found: dict[str, tuple[ProviderNetwork, str]] = {}
    for path, name in asked:
        network = intent.provider_network(name)
        if network is not None:
            found.setdefault(name, (network, path))
    return found
