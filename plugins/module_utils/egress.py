# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which connections a network's egress policy lets out of the VPC, as a pure function."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

NUMBERS = {"icmp": 1, "tcp": 6, "udp": 17}

# Protocol numbers, ports, destinations: first and last of each.
_Box = tuple[int, int, int, int, int, int]


@dataclass(frozen=True)
class Policy:
    """One network's policy.

    The keys of ``raw``: policy (allow or deny), and what is treated the other way: ports ([[protocol, first, last,
    destination]]) and protocols ([[first number, last number, destination]]).
    """

    raw: Mapping[str, Any]

    @cached_property
    def _named(self) -> list[_Box]:
        ports = [(NUMBERS[name], NUMBERS[name], first, last, to) for name, first, last, to in self.raw["ports"]]
        whole = [(first, last, 0, 65535, to) for first, last, to in self.raw["protocols"]]
        return [(*box, *_ends(destination)) for *box, destination in (*ports, *whole)]

    def admits(self, protocol: str, destination: str, port: int) -> bool:
        """Whether a connection to outside may begin."""
        number = NUMBERS.get(protocol) or int(protocol)
        address = int(ipaddress.IPv4Address(destination))
        named = any(
            first <= number <= last and low <= port <= high and begin <= address <= end
            for first, last, low, high, begin, end in self._named
        )
        permits: bool = self.raw["policy"] == "deny"
        return named == permits


def _ends(cidr: str) -> tuple[int, int]:
    network = ipaddress.IPv4Network(cidr)
    return int(network.network_address), int(network.broadcast_address)
