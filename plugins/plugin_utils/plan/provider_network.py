# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Provider networks: a bridge per network and host, its NIC or VLAN underneath (rows P5, P8)."""

from __future__ import annotations

from collections import defaultdict

from ansible_collections.weft.vpc.plugins.plugin_utils.model import ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Nic, ProviderBridge


def plan(context: Context) -> None:
    """Give every host of a provider network's clusters the network's bridge, and every NIC in use its role."""
    nics: dict[tuple[str, str], list[ProviderBridge]] = defaultdict(list)
    for network in context.intent.provider_networks:
        for host in sorted(context.intent.provider_hosts(network)):
            bridge = _bridge(context, network, host)
            context.slice_of(host).provider_bridges.append(bridge)
            nics[host, bridge.interface].append(bridge)
    for (host, interface), bridges in sorted(nics.items()):
        context.slice_of(host).nics.append(
            Nic(
                interface=interface,
                bridge=next((one.bridge for one in bridges if one.vlan is None), None),
                vlans=tuple(one.member for one in bridges if one.vlan is not None),
                mtu=max(one.mtu for one in bridges),
            )
        )


def _bridge(context: Context, network: ProviderNetwork, host: str) -> ProviderBridge:
    interface = context.intent.provider_interface(network, host)
    number = context.number(f"{network.name}:bridge")
    return ProviderBridge(
        key=f"provider network {network.name}",
        source=network.path,
        bridge=names.provider_bridge(number),
        interface=interface,
        member=interface if network.vlan is None else names.vlan_device(number),
        vlan=network.vlan,
        mtu=network.mtu,
    )
