# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes into each network, and what comes from it (row F4)."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.weft.vpc.plugins.plugin_utils.model import AclRule, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network_acl import ALLOW, DENY
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import filters
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Filter, FilterRule, Link, NetworkAclUse

#: What becomes of connections that no rule of a list is about.
ENDS = {"ingress": "deny", "egress": "allow"}


def lists(vpc: Vpc) -> tuple[Filter, ...]:
    """Return the lists that networks of a VPC have, each as a filter for ingress and one for egress, by name."""
    wanted = {network.acl for network in vpc.networks} - {ALLOW}
    found = [
        _filter(vpc, acl.name, acl.path, direction, end, acl.ordered(direction))
        for acl in vpc.network_acls
        if acl.name in wanted
        for direction, end in ENDS.items()
    ]
    if DENY in wanted:
        found += [_filter(vpc, DENY, vpc.path, direction, "deny") for direction in ENDS]
    return tuple(sorted(found, key=lambda one: one.name))


def _filter(vpc: Vpc, acl: str, source: str, direction: str, end: str, wanted: Iterable[AclRule] = ()) -> Filter:
    key, name = f"network ACL {vpc.key}/{acl} {direction}", _chain(acl, direction)
    return Filter(key, source, name, end, tuple(_rule((key, name), rule) for rule in wanted))


def _rule(filter_: tuple[str, str], rule: AclRule) -> FilterRule:
    ends = (rule.cidrs, ()) if rule.direction == "ingress" else ((), rule.cidrs)
    return filters.rule(filter_, rule.label, rule, rule.action, *ends)


def _chain(acl: str, direction: str) -> str:
    return f"acl_{acl}_{direction}"


def uses(vpc: Vpc, links: Iterable[Link]) -> tuple[NetworkAclUse, ...]:
    """Return which networks have which lists; one that lets everything pass is none."""
    interfaces = {link.network: link.inner for link in links}
    return tuple(
        NetworkAclUse(
            key=f"network ACL of {vpc.key}/{network.name}",
            source=network.path,
            interface=interfaces[network.name],
            cidr=str(network.cidr),
            ingress=_chain(network.acl, "ingress"),
            egress=_chain(network.acl, "egress"),
        )
        for network in sorted(vpc.networks, key=lambda one: one.name)
        if network.acl != ALLOW
    )
