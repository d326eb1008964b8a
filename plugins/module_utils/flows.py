# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How a VPC router translates a connection, as a pure function of the connection and of the router's configuration.

The deploy engine asks it which live connections a change ends; analyses ask it what would happen to a packet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional

MULTICAST = ipaddress.IPv4Network("224.0.0.0/4")

_Prefixes = dict[int, dict[int, str]]


@dataclass(frozen=True)
class Flow:
    """A connection as its first packet reached the router; ports are 0 where the protocol has none."""

    protocol: str
    source: str
    destination: str
    source_port: int = 0
    destination_port: int = 0


@dataclass(frozen=True)
class Translated:
    """What becomes of a connection's first packet: where it goes, and as whose it leaves.

    ``target_port`` is None where only the address changes; everything is None where nothing changes.
    """

    target: Optional[str] = None
    target_port: Optional[int] = None
    source: Optional[str] = None


def _number(address: str) -> int:
    parts = address.split(".")
    return int(parts[0]) << 24 | int(parts[1]) << 16 | int(parts[2]) << 8 | int(parts[3])


def _prefixes(pairs: Mapping[str, str]) -> _Prefixes:
    """Values by prefix length, then by network number."""
    table: _Prefixes = {}
    for cidr, value in pairs.items():
        network = ipaddress.IPv4Network(cidr)
        table.setdefault(network.prefixlen, {})[int(network.network_address)] = value
    return dict(sorted(table.items(), reverse=True))


def _longest(table: _Prefixes, address: str) -> Optional[str]:
    """The value of the longest prefix that covers the address."""
    number = _number(address)
    for length, values in table.items():
        value = values.get(number >> (32 - length) << (32 - length) if length else 0)
        if value is not None:
            return value
    return None


@dataclass(frozen=True)
class Translation:
    """A router's ``translation.json``, ready to be asked.

    The keys of ``raw``: subnets, elastic_in, elastic_out, forwards ([public address, protocol, first port, last port,
    target, first target port]), snat ([[prefix, address]]), router_addresses ({interface: address}), balancers
    ([[address, protocol, port]]).
    """

    raw: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _subnets(self) -> _Prefixes:
        return _prefixes({cidr: cidr for cidr in self.raw.get("subnets", ())})

    @cached_property
    def _snat(self) -> _Prefixes:
        return _prefixes(dict(self.raw.get("snat", ())))

    @cached_property
    def _gateways(self) -> dict[str, str]:
        """The router's own address by subnet."""
        found = {}
        for address in self.raw.get("router_addresses", {}).values():
            cidr = _longest(self._subnets, address)
            if cidr is not None:
                found[cidr] = address
        return found

    @cached_property
    def _own(self) -> frozenset[str]:
        return frozenset(self.raw.get("router_addresses", {}).values())

    @cached_property
    def _balancers(self) -> frozenset[tuple[str, str, int]]:
        return frozenset((address, protocol, port) for address, protocol, port in self.raw.get("balancers", ()))

    @cached_property
    def _forwards(self) -> dict[tuple[str, str], list[tuple[int, int, str, int]]]:
        found: dict[tuple[str, str], list[tuple[int, int, str, int]]] = {}
        for address, protocol, first, last, target, target_first in self.raw.get("forwards", ()):
            found.setdefault((address, protocol), []).append((first, last, target, target_first))
        return found

    def subnet(self, address: str) -> Optional[str]:
        """The subnet of the VPC that an address lies in."""
        return _longest(self._subnets, address)

    def target(self, flow: Flow) -> tuple[Optional[str], Optional[int]]:
        """Where destination translation sends the flow: an elastic IP first, then a forward."""
        elastic = self.raw.get("elastic_in", {}).get(flow.destination)
        if elastic is not None:
            return elastic, None
        for first, last, target, target_first in self._forwards.get((flow.destination, flow.protocol), ()):
            if first <= flow.destination_port <= last:
                return target, target_first + flow.destination_port - first
        return None, None

    def source(self, flow: Flow, destination: str, redirected: bool) -> Optional[str]:
        """As whose the flow leaves towards ``destination``, which is that after destination translation."""
        if ipaddress.IPv4Address(destination) in MULTICAST:
            return None
        elastic: Optional[str] = self.raw.get("elastic_out", {}).get(flow.source)
        towards, inside = self.subnet(destination), self.subnet(flow.source) is not None
        if towards is not None:
            # East-west is left alone unless it came through a public address: then the answer must pass the router.
            return (elastic or self._gateways.get(towards)) if redirected and inside else None
        if elastic is not None:
            return elastic
        return _longest(self._snat, flow.source) if inside else None


def translation(flow: Flow, config: Translation) -> Translated:
    """What the router makes of the flow."""
    target, port = config.target(flow)
    if target is None:
        own = flow.destination in config._own
        if own or (flow.destination, flow.protocol, flow.destination_port) in config._balancers:
            return Translated()
    return Translated(target, port, config.source(flow, target or flow.destination, target is not None))


def ends(flow: Flow, actual: Translated, old: Translation, new: Translation) -> bool:
    """True if a live connection must end because the change from ``old`` to ``new`` translates it otherwise.

    ``actual`` is what the connection's entry says. It keeps alive what lives under the new rules already, and what the
    old rules did not reach: a connection that a route of its own leads elsewhere leaves untranslated.
    """
    before, after = translation(flow, old), translation(flow, new)
    if before == after:
        return False
    redirected = (before.target, before.target_port) != (after.target, after.target_port)
    if redirected and not _lands(actual, after):
        return True
    untouched = actual.source is None and before.source is not None
    return before.source != after.source and actual.source != after.source and not untouched


def _lands(actual: Translated, wanted: Translated) -> bool:
    """True if the connection already goes where it should."""
    return actual.target == wanted.target and wanted.target_port in (None, actual.target_port)
