# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security groups and address groups (rows F1, F2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    AddressGroup,
    Intent,
    SecurityGroup,
    SecurityGroupRule,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import with_article
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.known import Known
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.traffic import icmp_faults, port_faults
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import Reference

Groups = Sequence[AddressGroup | SecurityGroup]


def _rules(intent: Intent) -> Iterator[tuple[SecurityGroup, SecurityGroupRule]]:
    for group in intent.security_groups:
        for item in group.rules:
            yield group, item


@rule("WEFT-F1-group")
def groups_exist(intent: Intent) -> Iterator[Fault]:
    """NICs and rules name security groups of their own tenant."""
    references = [
        (instance.tenant, Reference(nic.at(f"security_groups[{index}]"), name))
        for instance in intent.instances
        for nic in instance.nics
        for index, name in enumerate(nic.security_groups)
    ]
    references += [
        (group.tenant, Reference(item.at("security_group"), item.security_group))
        for group, item in _rules(intent)
        if item.security_group is not None
    ]
    yield from _unknown(references, intent.security_groups, "weft_security_groups")


@rule("WEFT-F1-address-group")
def address_groups_exist(intent: Intent) -> Iterator[Fault]:
    """Rules of security groups name address groups of their own tenant."""
    references = [
        (group.tenant, Reference(item.at("address_group"), item.address_group))
        for group, item in _rules(intent)
        if item.address_group is not None
    ]
    yield from _unknown(references, intent.address_groups, "weft_address_groups")


def _unknown(references: Sequence[tuple[str, Reference]], groups: Groups, variable: str) -> Iterator[Fault]:
    known = Known(lambda: ((group.tenant, group.name) for group in groups))
    own, others = {group.key for group in groups}, {group.name: group for group in reversed(groups)}
    for tenant, reference in references:
        if f"{tenant}/{reference.name}" in own:
            continue
        other = others.get(reference.name)
        if other is not None:
            reason = f"belongs to tenant {other.tenant} ({other.path}), and this belongs to tenant {tenant}"
            yield Fault(*reference, reason, f"Use one of tenant {tenant}, or add it to {variable}.")
        else:
            words = with_article("address group" if variable == "weft_address_groups" else "security group")
            remedy = known.remedy(reference.name, f"Add it to {variable}.", tenant)
            yield Fault(*reference, f"is not the name of {words} of tenant {tenant}", remedy)


@rule("WEFT-F1-twice")
def groups_once(intent: Intent) -> Iterator[Fault]:
    """A NIC names each of its security groups once."""
    for instance in intent.instances:
        for nic in instance.nics:
            for index, name in enumerate(nic.security_groups):
                if name in nic.security_groups[:index]:
                    yield Fault(nic.at(f"security_groups[{index}]"), name, "is there already", "Remove one of the two.")


@rule("WEFT-F1-ports")
def ports_of_protocols(intent: Intent) -> Iterator[Fault]:
    """A rule of a security group names ports only for tcp or udp."""
    yield from port_faults(item for _group, item in _rules(intent))


@rule("WEFT-F1-icmp")
def messages_of_icmp(intent: Intent) -> Iterator[Fault]:
    """A rule of a security group names a type only for icmp, and a code only with a type."""
    yield from icmp_faults(item for _group, item in _rules(intent))


@rule("WEFT-F1-peer")
def one_kind_of_peer(intent: Intent) -> Iterator[Fault]:
    """A rule of a security group says in one way who the other side is."""
    for _group, item in _rules(intent):
        given = [name for name in ("cidrs", "address_group", "security_group") if getattr(item, name)]
        if len(given) > 1:
            reason = f"says the other side in {len(given)} ways: {' and '.join(given)}"
            yield Fault(item.path, None, reason, "Write a rule for each of them.")


@rule("WEFT-F1-port-security")
def groups_need_port_security(intent: Intent) -> Iterator[Fault]:
    """A NIC in a security group has port security: rules go by addresses, which others could take."""
    for instance in intent.instances:
        for nic in instance.nics:
            if nic.security_groups and not nic.port_security:
                reason = (
                    f"does not hold: with port_security: false ({nic.at('port_security')}) the NIC may send from any "
                    "address"
                )
                remedy = "Use allowed_addresses instead of port_security, or remove the groups."
                yield Fault(nic.at("security_groups"), None, reason, remedy)
