# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network ACLs (row F4)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, NetworkAcl
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import suggestion
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network_acl import DEFAULT_LISTS
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.traffic import (
    icmp_faults,
    label_faults,
    number_faults,
    port_faults,
    shadow_faults,
)


def _lists(intent: Intent) -> Iterator[NetworkAcl]:
    for vpc in intent.vpcs:
        yield from vpc.network_acls


@rule("WEFT-F4-list")
def known_lists(intent: Intent) -> Iterator[Fault]:
    """A network's ACL is one of its VPC's, or a default list."""
    for vpc in intent.vpcs:
        known = (*(one.name for one in vpc.network_acls), *DEFAULT_LISTS)
        for network in vpc.networks:
            if network.acl not in known:
                remedy = suggestion(network.acl, known, f"Add it to the network_acls of {vpc.name}.")
                yield Fault(network.at("acl"), network.acl, f"is not the name of a network ACL of {vpc.name}", remedy)


@rule("WEFT-F4-number")
def numbers_once(intent: Intent) -> Iterator[Fault]:
    """In a network ACL, each rule has a number of its own."""
    for one in _lists(intent):
        yield from number_faults(one.rules)


@rule("WEFT-F4-name")
def names_once(intent: Intent) -> Iterator[Fault]:
    """In a network ACL, no rule is called as another is."""
    for one in _lists(intent):
        yield from label_faults(one.rules)


@rule("WEFT-F4-ports")
def ports_of_protocols(intent: Intent) -> Iterator[Fault]:
    """A rule of a network ACL names ports only for tcp or udp."""
    for one in _lists(intent):
        yield from port_faults(one.rules)


@rule("WEFT-F4-icmp")
def messages_of_icmp(intent: Intent) -> Iterator[Fault]:
    """A rule of a network ACL names ICMP messages only for icmp, and a code only with its type."""
    for one in _lists(intent):
        yield from icmp_faults(one.rules)


@rule("WEFT-F4-shadowed", "warning")
def rules_that_decide(intent: Intent) -> Iterator[Fault]:
    """A rule of a network ACL is not about what earlier ones of the list have decided already."""
    for one in _lists(intent):
        for direction in ("ingress", "egress"):
            yield from shadow_faults(one.ordered(direction), lambda item: (item.cidrs,))
