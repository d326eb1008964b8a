# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""MTUs: nothing is asked for that the way does not carry (row P7)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import MINIMUM_MTU, OVERHEAD, VtepError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import networks

_OVERHEAD = OVERHEAD["vxlan", 4]


@rule("WEFT-P7-network")
def network_mtus(intent: Intent) -> Iterator[Fault]:
    """A network's MTU fits, encapsulated, into the underlay's."""
    for _vpc, network in networks(intent):
        pool = intent.pool(network.pool)
        if pool is None or network.mtu is None or network.mtu <= pool.mtu - _OVERHEAD:
            continue
        yield Fault(
            network.at("mtu"),
            network.mtu,
            f"is more than the {pool.mtu - _OVERHEAD} that VXLAN leaves of {pool.mtu}, the MTU of pool {pool.name} "
            f"({pool.path}.mtu)",
            f"Use at most {pool.mtu - _OVERHEAD}, leave mtu out, or raise the MTU of the underlay and of the pool.",
        )


@rule("WEFT-P7-pool")
def pool_mtus(intent: Intent) -> Iterator[Fault]:
    """A pool's MTU leaves guests enough for IPv4."""
    for pool in intent.vxlan_pools:
        if pool.mtu - _OVERHEAD < MINIMUM_MTU:
            reason = f"leaves guests less than the {MINIMUM_MTU} bytes that IPv4 needs, because VXLAN takes {_OVERHEAD}"
            yield Fault(pool.at("mtu"), pool.mtu, reason, f"Use at least {MINIMUM_MTU + _OVERHEAD}.")


@rule("WEFT-P7-underlay")
def underlay_mtus(intent: Intent) -> Iterator[Fault]:
    """A pool's MTU is not more than that of any NIC with a VTEP of the pool."""
    for pool in intent.vxlan_pools:
        for name in intent.pool_hosts(pool):
            host = intent.host(name)
            try:
                interface = intent.vtep(pool, name).interface
            except VtepError:
                continue
            mtu = None if host is None or interface is None else host.mtus.get(interface)
            if mtu is not None and mtu < pool.mtu:
                reason = f"is more than {mtu}, the MTU of {interface} on host {name}, which has the VTEP"
                yield Fault(
                    pool.at("mtu"), pool.mtu, reason, f"Raise the MTU of {interface}, or lower the pool's to {mtu}."
                )


@rule("WEFT-P7-provider")
def provider_mtus(intent: Intent) -> Iterator[Fault]:
    """A provider network's MTU is not more than that of its NICs."""
    for network in intent.provider_networks:
        for name in sorted(intent.provider_hosts(network)):
            host = intent.host(name)
            nic = intent.provider_interface(network, name)
            mtu = None if host is None else host.mtus.get(nic)
            if mtu is not None and mtu < network.mtu:
                reason = f"is more than {mtu}, the MTU of {nic} on host {name}"
                yield Fault(
                    network.at("mtu"), network.mtu, reason, f"Raise the MTU of {nic}, or lower the network's to {mtu}."
                )
