# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the ledger remembers: who has which value, which values rest, and the addresses seen on hosts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

Value = int | str
"""VNIs and ids are numbers; addresses (dotted quad) and MACs (lower case, colons) are text."""


def moment(when: datetime) -> str:
    """Write a moment in UTC as the ledger does: ``2026-11-20T20:00:00Z``."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


class Entry(NamedTuple):
    """A value in use: unique within its scope, which is for instance ``vni:vxlan-pool`` or ``mac``."""

    scope: str
    value: Value


class Tombstone(NamedTuple):
    """A value its key no longer has. ``released`` is aware, in UTC, in whole seconds."""

    scope: str
    value: Value
    released: datetime


class Link(NamedTuple):
    """A host's interface as last seen: addresses with prefix length (``172.20.0.11/24``), MTU in bytes."""

    addresses: tuple[str, ...]
    mtu: int


Hosts = Mapping[str, Mapping[str, Link]]
"""Host name -> interface name -> link."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """One fabric's record. Treat the mappings as read-only; a change makes a new ledger.

    ``tombstones`` holds, for each key, its former values, newest first.
    """

    fabric: str
    entries: Mapping[str, Entry] = field(default_factory=dict)
    tombstones: Mapping[str, tuple[Tombstone, ...]] = field(default_factory=dict)
    hosts: Hosts = field(default_factory=dict)

    def with_hosts(self, observed: Hosts, inventory: Collection[str] | None = None) -> Ledger:
        """Return this ledger with the links of the observed hosts replaced and all other hosts kept.

        With ``inventory`` (every host name there is) hosts outside it are forgotten; leave it out when the run
        sees a part of the inventory only.
        """
        merged = {**self.hosts, **observed}
        if inventory is not None:
            known = set(inventory)
            merged = {name: links for name, links in merged.items() if name in known}
        return replace(self, hosts=merged)
