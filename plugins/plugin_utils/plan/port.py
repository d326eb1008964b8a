# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports: the device name and MAC under which an instance's NIC joins its network (rows A2, A5)."""

from __future__ import annotations

from ipaddress import IPv4Network, collapse_addresses

from ansible_collections.weft.vpc.plugins.plugin_utils.model import NicRef
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names, qos, vxlan_pool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Port


def plan(context: Context) -> None:
    """Give each hypervisor the ports of its instances."""
    for instance in sorted(context.intent.instances, key=lambda one: one.key):
        slice_ = context.slice_of(instance.host)
        slice_.broadcasts = context.intent.fabric.broadcasts
        for index in range(len(instance.nics)):
            slice_.ports.append(_port(context, NicRef(instance, index)))


def _port(context: Context, nic: NicRef) -> Port:
    bridge, mtu = _attachment(context, nic)
    own, *secondary = (context.text(f"{one.address_key}:ip") for one in nic.addresses)
    return Port(
        key=f"port {nic.key}",
        source=nic.nic.path,
        device=names.port_device(context.number(f"{nic.key}:port")),
        mac=context.text(f"{nic.key}:mac"),
        bridge=bridge,
        mtu=mtu,
        instance=nic.instance.name,
        tenant=nic.instance.tenant,
        index=nic.nic_index,
        ip=own,
        secondary_ips=tuple(secondary),
        port_security=nic.nic.port_security,
        sends_from=_sends_from(nic, [own, *secondary]),
        default=nic.nic_index == nic.instance.default_nic,
        classes=qos.port_classes(nic),
        egress=qos.port_limit(context, nic),
    )


def _sends_from(nic: NicRef, own: list[str]) -> tuple[str, ...]:
    """Return what a NIC may send from, each address once: nftables takes no intervals that overlap."""
    wanted = [IPv4Network(address) for address in own] + list(nic.nic.allowed_addresses)
    return tuple(str(one) for one in collapse_addresses(wanted))


def _attachment(context: Context, nic: NicRef) -> tuple[str, int]:
    """Return the bridge and MTU of what a NIC is plugged into: a VPC's segment or a provider network."""
    reference = nic.nic.network
    resolved = context.intent.network(nic.instance.tenant, reference)
    if resolved is not None:
        pool = must(context.intent.pool(resolved.network.pool), resolved.network.pool)
        return names.segment_bridge(context.vni(*resolved)), vxlan_pool.mtu(pool, resolved.network)
    provider = must(context.intent.provider_network(reference), reference)
    return context.provider_bridge(provider.name), provider.mtu
