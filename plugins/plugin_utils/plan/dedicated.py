# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a tenant can get of provider networks and VXLAN pools: its own ranges first, then everybody's (row A8)."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import Span
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Candidates, InOrder, Ranges, addresses, numbers
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, ProviderNetwork, VxlanPool


class Dedicated:
    """The candidates of every tenant; those without ranges of their own share theirs, so they are made once."""

    def __init__(self, intent: Intent) -> None:
        self._intent = intent
        self._ranges = {network.name: _address_ranges(network) for network in intent.provider_networks}
        self._vnis = {pool.name: _vni_ranges(pool) for pool in intent.vxlan_pools}
        self._everybodys: dict[str, Candidates] = {name: ranges[None] for name, ranges in self._ranges.items()}
        self._addresses: dict[str, Mapping[str, Candidates]] = {}

    def addresses(self, tenant: str) -> Mapping[str, Candidates]:
        """The addresses that a tenant's objects can get, by provider network."""
        found = self._addresses.get(tenant)
        if found is None:
            found = self._addresses[tenant] = ChainMap(dict(self._own_addresses(tenant)), self._everybodys)
        return found

    def _own_addresses(self, tenant: str) -> Iterable[tuple[str, Candidates]]:
        facts = self._intent.tenant(tenant)
        for network in self._intent.provider_networks:
            ranges = self._ranges[network.name]
            shut = facts is not None and not facts.use_system_public_ips and "public" in network.services
            if shut or tenant in ranges:
                yield network.name, _in_order(ranges, tenant, everybodys=not shut)

    def vnis(self, tenant: str, pool: VxlanPool) -> Candidates:
        """The VNIs that a tenant's networks can get of a pool."""
        ranges, facts = self._vnis[pool.name], self._intent.tenant(tenant)
        shut = facts is not None and not facts.use_system_vnis
        return _in_order(ranges, tenant, everybodys=not shut) if shut or tenant in ranges else ranges[None]


def spans(parts: Iterable[Span], excluded: Iterable[IPv4Address] = ()) -> Ranges:
    """Spans of addresses as candidates."""
    return addresses(((IPv4Address(span.first), IPv4Address(span.last)) for span in parts), excluded)


def _address_ranges(network: ProviderNetwork) -> dict[str | None, Ranges]:
    by_tenant: dict[str | None, tuple[Span, ...]] = {None: (), **network.spans_by_tenant()}
    return {tenant: spans(parts, network.reserved_ips) for tenant, parts in by_tenant.items()}


def _vni_ranges(pool: VxlanPool) -> dict[str | None, Ranges]:
    by_tenant: dict[str | None, list[tuple[int, int]]] = {None: []}
    for item in pool.vni_ranges:
        by_tenant.setdefault(item.tenant, []).append((item.start, item.end))
    return {tenant: numbers(ranges) for tenant, ranges in by_tenant.items()}


def _in_order(ranges: Mapping[str | None, Ranges], tenant: str, *, everybodys: bool) -> InOrder:
    own = (ranges[tenant],) if tenant in ranges else ()
    return InOrder((*own, ranges[None]) if everybodys else own, f"tenant {tenant}")
