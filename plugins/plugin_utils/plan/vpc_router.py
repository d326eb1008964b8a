# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VPC routers: machine, links, and the services inside (rows R1, R3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, collapse_addresses

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Network, RouterOffering, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import (
    dhcp_dns,
    dynamic_routing,
    egress,
    eip,
    exits,
    firewall,
    ipsec,
    lb,
    names,
    network_acl,
    port_forward,
    qos,
    router_image,
    routes,
    snat,
    vxlan_pool,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must, network_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Link, Route, Router, Served, Subnet, VirtualIp


def plan(context: Context) -> None:
    """Give each router node its VPC routers."""
    for vpc in sorted(context.intent.vpcs, key=lambda one: one.key):
        context.slice_of(vpc.router.nodes[0]).routers.append(_router(context, vpc))


def _router(context: Context, vpc: Vpc) -> Router:
    offering = must(context.intent.offering(vpc.router.offering), vpc.router.offering)
    image = must(context.intent.image(offering.image), offering.image)
    public = exits.links(context, vpc)
    outside = public[offering.public_network]
    managed = () if offering.management_network is None else (_management_link(context, vpc, offering),)
    bgp, ospf = dynamic_routing.bgp(vpc, public), dynamic_routing.ospf(vpc, public)
    tunnels = ipsec.connections(context, vpc, public)
    inside = [_subnet_link(context, vpc, network) for network in _networks(vpc)]
    subnets = tuple(_subnets(context, vpc, inside))
    wanted_routes = routes.routes(context, vpc)
    return Router(
        key=f"router {vpc.key}",
        source=f"{vpc.path}.router",
        name=names.machine(vpc.tenant, vpc.name),
        tenant=vpc.tenant,
        vpc=vpc.name,
        running=vpc.router.state == "running",
        image=router_image.image(image).directory,
        uid_base=names.uid_base(context.number(f"{vpc.key}:ids")),
        cpus=offering.cpus,
        memory=offering.memory_bytes,
        public_address=outside.address,
        public_interface=outside.inner,
        links=(*public.values(), *managed, *inside),
        subnets=subnets,
        served=tuple(_served(subnets, wanted_routes)),
        dns_servers=dhcp_dns.forwarders(context, vpc),
        source_nats=snat.source_nats(context, vpc, public, wanted_routes),
        nic_source_nats=snat.nic_source_nats(context, vpc, public),
        exits=exits.exits(context, vpc, public),
        virtual_ips=_virtual_ips(context, vpc, public),
        elastic_ips=eip.elastic_ips(context, vpc, public),
        port_forwards=port_forward.port_forwards(context, vpc),
        listeners=lb.listeners(context, vpc),
        udp_listeners=lb.udp_listeners(context, vpc),
        certificates=lb.certificates(context, vpc),
        internal_addresses=lb.internal_addresses(context, vpc, {link.network: link.inner for link in inside}),
        routes=wanted_routes,
        routing_rules=routes.rules(context, vpc),
        egress=egress.egress(vpc, inside),
        acl_filters=network_acl.lists(vpc),
        network_acls=network_acl.uses(vpc, inside),
        address_firewalls=firewall.of_addresses(context, vpc),
        interface_firewalls=firewall.of_interfaces(vpc, {link.network: link for link in (*public.values(), *inside)}),
        bgp=bgp,
        ospf=ospf,
        ipsec=tunnels,
        ipsec_certificates=ipsec.certificates(tunnels),
        peers=(*dynamic_routing.peers(bgp, ospf), *ipsec.peers(tunnels)),
        learns_default=dynamic_routing.learns_default(vpc),
        shaped_links=qos.shaped_links(context, vpc, public.values()),
        connections=offering.connections,
        without_default_route=_without_default_route(context, vpc),
    )


def _without_default_route(context: Context, vpc: Vpc) -> tuple[str, ...]:
    """Return the addresses of NICs that have no default route: they answer nobody but their own subnet (row A5)."""
    nics = (nic for network in vpc.networks for nic in context.intent.nics_of(network) if not nic.is_default)
    return tuple(sorted(context.text(f"{address.address_key}:ip") for nic in nics for address in nic.addresses))


def _networks(vpc: Vpc) -> list[Network]:
    return sorted(vpc.networks, key=lambda one: one.name)


def _management_link(context: Context, vpc: Vpc, offering: RouterOffering) -> Link:
    """Return the link that only the operator's machines are on; nothing is forwarded by it (rows F6, B8)."""
    network = must(context.intent.provider_network(str(offering.management_network)), str(offering.management_network))
    number = context.number(f"{vpc.key}:management_port")
    return Link(
        key=f"management link {vpc.key} to {network.name}",
        source=f"{vpc.path}.router",
        device=names.port_device(number),
        inner=names.router_interface("mgm", number),
        kind="management",
        mac=context.text(f"{vpc.key}:management_mac"),
        bridge=context.provider_bridge(network.name),
        mtu=network.mtu,
        network=network.name,
        address=context.text(f"{vpc.key}:management_ip"),
        prefix_length=network.cidr.prefixlen if network.cidr else 32,
        gateway=None,
    )


def _subnet_link(context: Context, vpc: Vpc, network: Network) -> Link:
    path = network_path(vpc, network)
    pool = must(context.intent.pool(network.pool), network.pool)
    number = context.number(f"{path}:router_port")
    return Link(
        key=f"link {vpc.key} to {network.name}",
        source=network.path,
        device=names.port_device(number),
        inner=names.router_interface("lan", number),
        kind="subnet",
        mac=context.text(f"{path}:router_mac"),
        bridge=names.segment_bridge(context.vni(vpc, network)),
        mtu=vxlan_pool.mtu(pool, network),
        network=network.name,
        address=str(network.gateway_ip),
        prefix_length=network.cidr.prefixlen,
        gateway=None,
    )


def _subnets(context: Context, vpc: Vpc, links: list[Link]) -> list[Subnet]:
    return [
        dhcp_dns.subnet(context, vpc, network, must(context.intent.pool(network.pool), network.pool), link.inner)
        for network, link in zip(_networks(vpc), links, strict=True)
    ]


def _served(subnets: Iterable[Subnet], wanted: Iterable[Route]) -> Iterator[Served]:
    """Yield whom the router serves: its subnets, and what custom routes lead to through instances in them (row F6)."""
    hops = [(IPv4Address(one.next_hop), IPv4Network(one.destination)) for one in wanted if one.next_hop is not None]
    for subnet in subnets:
        own = IPv4Network(subnet.cidr)
        for cidr in collapse_addresses([own, *(behind for hop, behind in hops if hop in own)]):
            yield Served(subnet.interface, str(cidr))


def _virtual_ips(context: Context, vpc: Vpc, public: dict[str, Link]) -> tuple[VirtualIp, ...]:
    return tuple(
        VirtualIp(
            key=f"virtual IP {vpc.key}/{wanted.name}",
            source=wanted.path,
            name=wanted.name,
            address=context.text(f"{vpc.key}/{wanted.name}:virtual_ip"),
            interface=public[wanted.network].inner,
        )
        for wanted in sorted(vpc.virtual_ips, key=lambda one: one.name)
    )
