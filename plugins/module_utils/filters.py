# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a list of rules says of a connection, as a pure function."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Optional

#: What is decided where no rule is about a connection has no rule's name.
END = ""

_Span = tuple[int, int]


class Asked(NamedTuple):
    """A connection as a filter sees its first packet. ICMP has a type and a code, others have a destination port."""

    protocol: str
    source: str
    destination: str
    port: int = 0
    icmp: tuple[int, int] = (8, 0)


class Decision(NamedTuple):
    """Whether a connection may pass, and the rule that says so."""

    admits: bool
    rule: str


class _Rule(NamedTuple):
    name: str
    admits: bool
    protocol: str
    ports: Optional[_Span]
    icmp: tuple[Optional[int], Optional[int]]
    sources: list[_Span]
    destinations: list[_Span]

    def matches(self, asked: Asked, source: int, destination: int) -> bool:
        if self.protocol not in ("any", asked.protocol):
            return False
        if self.ports is not None and not self.ports[0] <= asked.port <= self.ports[1]:
            return False
        if any(wanted not in (None, told) for wanted, told in zip(self.icmp, asked.icmp)):
            return False
        return _within(source, self.sources) and _within(destination, self.destinations)


@dataclass(frozen=True)
class Filter:
    """Ordered rules, of which the first that matches decides.

    The keys of ``raw``: end (allow or deny: what becomes of everything else) and rules ([[name, allow or deny,
    protocol, [first port, last port] or null, [ICMP type, code], sources, destinations]]; null and no prefixes mean
    every one).
    """

    raw: Mapping[str, Any]

    @cached_property
    def _rules(self) -> list[_Rule]:
        return [
            _Rule(name, action == "allow", protocol, ports and tuple(ports), tuple(icmp), _spans(sources), _spans(to))
            for name, action, protocol, ports, icmp, sources, to in self.raw["rules"]
        ]

    def decide(self, asked: Asked) -> Decision:
        """What becomes of a connection."""
        ends = [int(ipaddress.IPv4Address(one)) for one in (asked.source, asked.destination)]
        for rule in self._rules:
            if rule.matches(asked, *ends):
                return Decision(rule.admits, rule.name)
        return Decision(self.raw["end"] == "allow", END)


def _within(address: int, spans: list[_Span]) -> bool:
    return not spans or any(first <= address <= last for first, last in spans)


def _spans(cidrs: Iterable[str]) -> list[_Span]:
    networks = [ipaddress.IPv4Network(one) for one in cidrs]
    return [(int(one.network_address), int(one.broadcast_address)) for one in networks]
