# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports: the device name and MAC under which an instance's NIC joins its network (rows A2, A5)."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Instance
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names, vxlan_pool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, nic_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Port


def plan(context: Context) -> None:
    """Give each hypervisor the ports of its instances."""
    for instance in sorted(context.intent.instances, key=lambda one: (one.tenant, one.name)):
        default = default_nic(instance)
        for index in range(len(instance.nics)):
            bridge, mtu = _attachment(context, instance, index)
            path = nic_path(instance, index)
            context.slice_of(instance.host).ports.append(
                Port(
                    key=f"port {path}",
                    source=f"{instance.path}.nics[{index}]",
                    device=names.port_device(context.number(f"{path}:port")),
                    mac=context.text(f"{path}:mac"),
                    bridge=bridge,
                    mtu=mtu,
                    instance=instance.name,
                    tenant=instance.tenant,
                    index=index,
                    ip=context.text(f"{path}:ip"),
                    default=index == default,
                )
            )


def default_nic(instance: Instance) -> int:
    """Return the index of the NIC whose subnet gives the instance its default route."""
    return next((index for index, nic in enumerate(instance.nics) if nic.default), 0)


def _attachment(context: Context, instance: Instance, index: int) -> tuple[str, int]:
    """Return the bridge and MTU of what a NIC is plugged into: a VPC's segment or a provider network."""
    reference = instance.nics[index].network
    resolved = context.intent.network(instance.tenant, reference)
    if resolved is not None:
        vpc, network = resolved
        pool = context.intent.pool(network.pool)
        if pool is not None:
            return names.segment_bridge(context.vni(network, vpc)), vxlan_pool.mtu(pool, network)
    provider = context.intent.provider_network(reference)
    if provider is None:
        message = f"{reference!r} of instance {instance.name!r} passed the rules though it names no network"
        raise LookupError(message)
    return context.provider_bridge(provider.name), provider.mtu
