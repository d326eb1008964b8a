# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DHCP and DNS of a router: subnets, pinned leases, names, forwarders (rows A6, A7)."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Network, Vpc, VxlanPool
from ansible_collections.weft.vpc.plugins.plugin_utils.model.dhcp_options import dhcp_option
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import vxlan_pool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must, network_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import DhcpOption, Lease, Subnet


def subnet(context: Context, vpc: Vpc, network: Network, pool: VxlanPool, interface: str) -> Subnet:
    """Return one subnet as its router serves it."""
    gateway = str(network.gateway_ip)
    return Subnet(
        key=f"subnet {network_path(vpc, network)}",
        source=network.path,
        name=network.name,
        interface=interface,
        cidr=str(network.cidr),
        network_address=str(network.cidr.network_address),
        netmask=str(network.cidr.netmask),
        gateway=gateway,
        domain=network.dns_domain or context.intent.fabric.dns_domain,
        mtu=vxlan_pool.mtu(pool, network),
        dhcp=network.dhcp,
        shares_dhcp=network.dhcp and context.shares_dhcp(vpc, network),
        dns_servers=tuple(str(server) for server in network.dns_servers or (gateway,)),
        ntp_servers=tuple(str(server) for server in network.ntp_servers),
        options=tuple(
            DhcpOption(code, *dhcp_option(code, value)) for code, value in sorted(network.dhcp_options.items())
        ),
        leases=tuple(_leases(context, network)),
    )


def forwarders(context: Context, vpc: Vpc) -> tuple[str, ...]:
    """Return the servers a router asks: the offering's, else the public network's, else the fabric's."""
    offering = must(context.intent.offering(vpc.router.offering), vpc.router.offering)
    public = must(context.intent.provider_network(offering.public_network), offering.public_network)
    servers = offering.dns_servers or public.dns_servers or context.intent.fabric.dns_servers
    return tuple(str(server) for server in servers)


def _leases(context: Context, network: Network) -> list[Lease]:
    """Only an instance's default NIC carries its plain name, and only that gives it a default route (row A5)."""
    return [
        Lease(
            mac=context.text(f"{nic.key}:mac"),
            ip=context.text(f"{nic.key}:ip"),
            name=nic.host_name,
            default=nic.is_default,
        )
        for nic in sorted(context.intent.nics_of(network), key=lambda one: one.key)
    ]
