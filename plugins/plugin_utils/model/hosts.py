# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts as the inventory and the last survey know them. Not part of the intent's variables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface


@dataclass(frozen=True)
class HostFacts:
    """One host. `addresses` is None when the host was never surveyed; `mtus` are in bytes by interface."""

    name: str
    addresses: tuple[tuple[str, IPv4Interface], ...] | None = None
    vtep_ip: IPv4Address | str | None = None
    interfaces: Mapping[str, str] = field(default_factory=dict)
    mtus: Mapping[str, int] = field(default_factory=dict)

    def path(self, variable: str) -> str:
        """Where one of the host's variables stands, for messages."""
        return f"hostvars[{self.name}].{variable}"


@dataclass(frozen=True)
class Hosts:
    """All hosts by name, and the inventory groups with the names of their hosts."""

    by_name: Mapping[str, HostFacts] = field(default_factory=dict)
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
