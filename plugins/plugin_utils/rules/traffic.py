# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for every rule that looks at protocols, ports and ICMP messages, whatever kind of filter it is in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Service, Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault

_ALL_PORTS = (0, 65535)


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
