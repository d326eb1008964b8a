# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for every rule that looks at protocols, ports and ICMP messages, whatever kind of filter it is in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network, collapse_addresses
from typing import TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.model import OrderedRule, Service, Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.model.traffic import in_order
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder

_ALL_PORTS = (0, 65535)
_EVERYWHERE = (IPv4Network("0.0.0.0/0"),)

R = TypeVar("R", bound=OrderedRule)
Prefixes = tuple[IPv4Network, ...]


def port_faults(items: Iterable[Service]) -> Iterator[Fault]:
    """Rules that name ports of what has none."""
    for item in items:
        if item.ports is not None and item.protocol not in ("tcp", "udp"):
            reason = f"are given, but the rule's protocol is {item.protocol}, which has no ports"
            yield Fault(item.at("ports"), str(item.ports), reason, "Remove ports, or write protocol: tcp or udp.")


def icmp_faults(items: Iterable[Traffic]) -> Iterator[Fault]:
    """Rules that name messages of what is not ICMP, or a code of no type."""
    for item in items:
        for key, value in (("icmp_type", item.icmp_type), ("icmp_code", item.icmp_code)):
            if value is not None and item.protocol != "icmp":
                reason = f"is given, but the rule's protocol is {item.protocol}"
                yield Fault(item.at(key), value, reason, f"Remove {key}, or write protocol: icmp.")
        if item.icmp_code is not None and item.icmp_type is None and item.protocol == "icmp":
            reason = "is given without icmp_type, and a code means something of its type only"
            yield Fault(item.at("icmp_code"), item.icmp_code, reason, "Add icmp_type, or remove icmp_code.")


def covers(wide: Traffic, narrow: Traffic) -> bool:
    """True if the one is about all that the other is about, as far as protocol, ports and messages go."""
    if wide.protocol == "any":
        return True
    first, last = wide.ports or _ALL_PORTS
    low, high = narrow.ports or _ALL_PORTS
    return (
        wide.protocol == narrow.protocol
        and first <= low <= high <= last
        and wide.icmp_type in (None, narrow.icmp_type)
        and wide.icmp_code in (None, narrow.icmp_code)
    )


def number_faults(items: Iterable[OrderedRule]) -> Iterator[Fault]:
    """Rules of a list that have the number of another."""
    seen: dict[int, OrderedRule] = {}
    for item in items:
        first = seen.setdefault(item.number, item)
        if first is not item:
            reason = f"is the number of rule {holder(first.label, first.path)} already"
            yield Fault(item.at("number"), item.number, reason, "Give one of the two another number.")


def label_faults(items: Iterable[OrderedRule]) -> Iterator[Fault]:
    """Rules of a list that are called, by name or by number, as another is: counters have these names."""
    seen: dict[str, OrderedRule] = {}
    for item in items:
        first = seen.setdefault(item.label, item)
        if first is not item and first.number != item.number:
            reason = f"is what rule {holder(str(first.number), first.path)} is called already"
            yield Fault(item.at("name"), item.label, reason, "Give one of the two another name.")


def shadow_faults(items: Iterable[R], prefixes: Callable[[R], tuple[Prefixes, ...]]) -> Iterator[Fault]:
    """Rules of a list that never decide, since an earlier one is about all of it; `prefixes` of a rule are its ends."""
    ordered = in_order(items)
    for index, item in enumerate(ordered):
        for earlier in ordered[:index]:
            ends = zip(prefixes(earlier), prefixes(item), strict=True)
            if covers(earlier, item) and all(_holds(wide, narrow) for wide, narrow in ends):
                reason = f"never decides: rule {holder(earlier.label, earlier.path)} decides all of it"
                yield Fault(item.at("number"), item.number, reason, "Give it a lower number, or remove it.")
                break


def _holds(wide: Prefixes, narrow: Prefixes) -> bool:
    collapsed = list(collapse_addresses(wide or _EVERYWHERE))
    return all(any(one.subnet_of(other) for other in collapsed) for one in narrow or _EVERYWHERE)
