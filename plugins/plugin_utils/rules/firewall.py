# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Firewalls of routers' interfaces and of public addresses (row F5)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import AddressRule, Intent, InterfaceFirewall, Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import suggestion
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.traffic import (
    icmp_faults,
    label_faults,
    number_faults,
    port_faults,
    shadow_faults,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, vpc_addresses


def _of_interfaces(intent: Intent) -> Iterator[InterfaceFirewall]:
    for vpc in intent.vpcs:
        yield from vpc.router.firewall


def _of_addresses(intent: Intent) -> Iterator[tuple[AddressRule, ...]]:
    for vpc in intent.vpcs:
        yield from (address.firewall for address in vpc_addresses(vpc) if address.firewall is not None)


def _all(intent: Intent) -> Iterator[tuple[Traffic, ...]]:
    yield from _of_addresses(intent)
    yield from (one.rules for one in _of_interfaces(intent))


@rule("WEFT-F5-network")
def known_interfaces(intent: Intent) -> Iterator[Fault]:
    """A router's firewall is for a network of its VPC, or for a public network that it is in."""
    for vpc in intent.vpcs:
        known = (*(one.name for one in vpc.networks), *intent.public_networks(vpc))
        for one in vpc.router.firewall:
            if one.network not in known:
                reason = f"is neither a network of {vpc.name} nor a public network of its router"
                remedy = suggestion(one.network, known, f"The router is in {', '.join(known)}.")
                yield Fault(one.at("network"), one.network, reason, remedy)


@rule("WEFT-F5-twice")
def interfaces_once(intent: Intent) -> Iterator[Fault]:
    """An interface has one firewall for each direction."""
    for vpc in intent.vpcs:
        seen: dict[tuple[str, str], InterfaceFirewall] = {}
        for one in vpc.router.firewall:
            first = seen.setdefault((one.network, one.direction), one)
            if first is not one:
                reason = f"has a firewall for {one.direction} already ({first.path})"
                yield Fault(one.at("network"), one.network, reason, "Write all rules into one of the two.")


@rule("WEFT-F5-number")
def numbers_once(intent: Intent) -> Iterator[Fault]:
    """In the firewall of an interface, each rule has a number of its own."""
    for one in _of_interfaces(intent):
        yield from number_faults(one.rules)


@rule("WEFT-F5-name")
def names_once(intent: Intent) -> Iterator[Fault]:
    """In a firewall, no rule is called as another is."""
    for one in _of_interfaces(intent):
        yield from label_faults(one.rules)
    for rules in _of_addresses(intent):
        seen: dict[str, AddressRule] = {}
        for item in rules:
            first = seen.setdefault(item.name, item)
            if first is not item:
                reason = f"is the name of rule {holder(first.name, first.path)} already"
                yield Fault(item.at("name"), item.name, reason, "Give one of the two another name.")


@rule("WEFT-F5-ports")
def ports_of_protocols(intent: Intent) -> Iterator[Fault]:
    """A rule of a firewall names ports only for tcp or udp."""
    for rules in _all(intent):
        yield from port_faults(rules)


@rule("WEFT-F5-icmp")
def messages_of_icmp(intent: Intent) -> Iterator[Fault]:
    """A rule of a firewall names ICMP messages only for icmp, and a code only with its type."""
    for rules in _all(intent):
        yield from icmp_faults(rules)


@rule("WEFT-F5-shadowed", "warning")
def rules_that_decide(intent: Intent) -> Iterator[Fault]:
    """A rule of an interface's firewall is not about what earlier ones have decided already."""
    for one in _of_interfaces(intent):
        yield from shadow_faults(one.rules, lambda item: (item.sources, item.destinations))
