# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Rules of filters, whatever kind of filter they are in (rows F4, F5)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.port_forward import disjoint
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import FilterRule

Prefixes = Iterable[IPv4Network]


def rule(
    filter_: tuple[str, str], label: str, wanted: Traffic, action: str, sources: Prefixes, destinations: Prefixes = ()
) -> FilterRule:
    """Return a rule of the filter with this key and name, whose counter is called as the filter and the rule are."""
    key, name = filter_
    return FilterRule(
        key=f"{key} rule {label}",
        source=wanted.path,
        counter=f"{name}_{label}",
        action=action,
        protocol=wanted.protocol,
        ports=wanted.ports,
        icmp_type=wanted.icmp_type,
        icmp_code=wanted.icmp_code,
        sources=disjoint(sources),
        destinations=disjoint(destinations),
    )
