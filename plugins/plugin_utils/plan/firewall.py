# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a router's interfaces let pass, and what is admitted to its public addresses (row F5)."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.weft.vpc.plugins.plugin_utils.model import ElasticIp, InterfaceFirewall, VirtualIp, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.traffic import in_order
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import filters
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import (
    AddressFirewall,
    Filter,
    Link,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import (
    InterfaceFirewall as Planned,
)


def of_addresses(context: Context, vpc: Vpc) -> tuple[AddressFirewall, ...]:
    """Return the public addresses that have a firewall, by name."""
    wanted: list[tuple[str, VirtualIp | ElasticIp]] = [("virtual_ip", one) for one in vpc.virtual_ips]
    wanted += [("elastic_ip", one) for one in vpc.elastic_ips]
    return tuple(
        AddressFirewall(context.text(f"{vpc.key}/{one.name}:{kind}"), _of_address(vpc, one))
        for kind, one in sorted(wanted, key=lambda pair: pair[1].name)
        if one.firewall is not None
    )


def _of_address(vpc: Vpc, address: VirtualIp | ElasticIp) -> Filter:
    key, name = f"firewall {vpc.key}/{address.name}", f"fw_{address.name}_public"
    wanted = sorted(address.firewall or (), key=lambda one: one.name)
    rules = tuple(filters.rule((key, name), one.name, one, "allow", one.cidrs) for one in wanted)
    return Filter(key, address.path, name, "deny", rules)


def of_interfaces(vpc: Vpc, links: Mapping[str, Link]) -> tuple[Planned, ...]:
    """Return the firewalls of a router's interfaces, by network and direction; ``links`` are its links by network."""
    cidrs = {network.name: str(network.cidr) for network in vpc.networks}
    return tuple(
        Planned(
            direction=one.direction,
            interface=links[one.network].inner,
            cidr=cidrs.get(one.network, links[one.network].cidr),
            filter=_of_interface(vpc, one),
        )
        for one in sorted(vpc.router.firewall, key=lambda one: (one.network, one.direction))
    )


def _of_interface(vpc: Vpc, firewall: InterfaceFirewall) -> Filter:
    key = f"firewall {vpc.key}/{firewall.network} {firewall.direction}"
    name = f"fw_{firewall.network}_{firewall.direction}"
    wanted = in_order(firewall.rules)
    rules = (filters.rule((key, name), one.label, one, one.action, one.sources, one.destinations) for one in wanted)
    return Filter(key, firewall.path, name, firewall.default, tuple(rules))
