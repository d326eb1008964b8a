# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ranges dedicated to tenants, and reserved addresses (row A8)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    Intent,
    ProviderNetwork,
    ProviderRange,
    Tenant,
    VniRange,
    VxlanPool,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.known import EVERYBODY, Known
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, networks, public_addresses

_ALLOCATE = "Choose another one, or leave it out to have one allocated."


class _Wanted(NamedTuple):
    """An address or a VNI that an object of a tenant has or wants, and the network or pool that it comes from."""

    tenant: str
    path: str
    value: IPv4Address | int | None
    source: ProviderNetwork | VxlanPool

    @property
    def noun(self) -> str:
        return "VNI" if isinstance(self.source, VxlanPool) else "address"

    @property
    def ranges(self) -> tuple[ProviderRange, ...] | tuple[VniRange, ...]:
        return self.source.vni_ranges if isinstance(self.source, VxlanPool) else self.source.ip_ranges

    def switch(self, tenant: Tenant) -> str | None:
        """Which of the tenant's switches keeps it from what is everybody's here; None if none does."""
        if isinstance(self.source, VxlanPool):
            return None if tenant.use_system_vnis else "use_system_vnis"
        shut = not tenant.use_system_public_ips and "public" in self.source.services
        return "use_system_public_ips" if shut else None


def _wanted(intent: Intent) -> Iterator[_Wanted]:
    for address in public_addresses(intent):
        if address.network is not None and address.network.cidr is not None:
            yield _Wanted(address.vpc.tenant, address.path, address.ip, address.network)
    for network in intent.provider_networks:
        for ref in intent.nics_of(network) if network.cidr is not None else ():
            for one in ref.addresses:
                yield _Wanted(ref.instance.tenant, one.ip_path, one.ip, network)
    for vpc, subnet in networks(intent):
        pool = intent.pool(subnet.pool)
        if pool is not None and subnet.shared_segment_with is None:
            yield _Wanted(vpc.tenant, subnet.at("vni"), subnet.vni, pool)


class _Range(NamedTuple):
    first: int
    last: int
    tenant: str | None
    path: str


class _Index:
    """The ranges of networks and pools, looked up by value in logarithmic time. They do not overlap (rows A1, P1)."""

    def __init__(self) -> None:
        self._sorted: dict[str, list[_Range]] = {}

    def of(self, wanted: _Wanted) -> _Range | None:
        """The range that a given value lies in."""
        ranges = self._sorted.get(wanted.source.path)
        if ranges is None:
            found = (_Range(int(item.start), int(item.end), item.tenant, item.path) for item in wanted.ranges)
            ranges = self._sorted[wanted.source.path] = sorted(found)
        if wanted.value is None:
            return None
        value = int(wanted.value)
        position = bisect_right(ranges, value, key=_first) - 1
        return ranges[position] if position >= 0 and value <= ranges[position].last else None


def _first(item: _Range) -> int:
    return item.first


@rule("WEFT-A8-tenant")
def tenants(intent: Intent) -> Iterator[Fault]:
    """A range of addresses or VNIs is dedicated to a tenant of weft_tenants."""
    known = Known(lambda: ((EVERYBODY, tenant.name) for tenant in intent.tenants))
    ranges: list[ProviderRange | VniRange] = [item for one in intent.provider_networks for item in one.ip_ranges]
    ranges += [item for pool in intent.vxlan_pools for item in pool.vni_ranges]
    for item in ranges:
        if item.tenant is not None and intent.tenant(item.tenant) is None:
            remedy = known.remedy(item.tenant, "Add it to weft_tenants.")
            yield Fault(item.at("tenant"), item.tenant, "is not the name of a tenant", remedy)


@rule("WEFT-A8-dedicated")
def other_tenants(intent: Intent) -> Iterator[Fault]:
    """A given address or VNI is not of a range that is dedicated to another tenant."""
    index = _Index()
    for wanted in _wanted(intent):
        found = index.of(wanted)
        if found is not None and found.tenant not in (None, wanted.tenant):
            owner = f"tenant {found.tenant} ({found.path})"
            reason = f"is dedicated to {owner} in {wanted.source.name}, and tenant {wanted.tenant} cannot have it"
            yield Fault(wanted.path, _shown(wanted.value), reason, _ALLOCATE)


@rule("WEFT-A8-system")
def system_ranges(intent: Intent) -> Iterator[Fault]:
    """A tenant whose switch is off is given nothing but what is dedicated to it."""
    index = _Index()
    for wanted in _wanted(intent):
        tenant, found = intent.tenant(wanted.tenant), index.of(wanted)
        switch = None if tenant is None or wanted.value is None else wanted.switch(tenant)
        undivided = found is None and not wanted.ranges
        if tenant is not None and switch is not None and (undivided or (found is not None and found.tenant is None)):
            reason = (
                f"is not dedicated to tenant {tenant.name}, which has {switch}: false ({tenant.at(switch)}) and so "
                f"only gets the {wanted.noun} ranges of {wanted.source.name} that are"
            )
            yield Fault(wanted.path, _shown(wanted.value), reason, _ALLOCATE)


@rule("WEFT-A8-none")
def some_range(intent: Intent) -> Iterator[Fault]:
    """Where a tenant wants an address or a VNI allocated, there is a range that it can get one of."""
    told: set[tuple[str, str]] = set()
    for wanted in _wanted(intent):
        if wanted.value is not None or (wanted.tenant, wanted.source.path) in told:
            continue
        told.add((wanted.tenant, wanted.source.path))
        reason = _nothing_for(intent.tenant(wanted.tenant), wanted)
        if reason is not None:
            remedy = f"Dedicate a range of {holder(wanted.source.name, wanted.source.path)} to tenant {wanted.tenant}"
            yield Fault(wanted.path, None, reason, f"{remedy}, or let it have what is everybody's.")


def _nothing_for(tenant: Tenant | None, wanted: _Wanted) -> str | None:
    """Why a tenant can get nothing here; None if it can."""
    if tenant is None or tenant.name in (owners := {item.tenant for item in wanted.ranges}):
        return None
    lacks = f"needs {'a' if wanted.noun == 'VNI' else 'an'} {wanted.noun} of {wanted.source.name}"
    switch = wanted.switch(tenant)
    if switch is not None:
        return (
            f"{lacks}, none of whose ranges is dedicated to tenant {tenant.name}, and that has {switch}: false "
            f"({tenant.at(switch)})"
        )
    return f"{lacks}, all of whose ranges are dedicated to other tenants" if owners and None not in owners else None


@rule("WEFT-A8-reserved")
def reserved(intent: Intent) -> Iterator[Fault]:
    """A reserved address is nobody's."""
    places = {network.path: _positions(network.reserved_ips) for network in intent.provider_networks}
    for wanted in _wanted(intent):
        network = wanted.source
        if isinstance(network, ProviderNetwork) and wanted.value in places[network.path]:
            where = network.at(f"reserved_ips[{places[network.path][IPv4Address(wanted.value)]}]")
            yield Fault(wanted.path, _shown(wanted.value), f"is reserved in {network.name} ({where})", _ALLOCATE)


def _positions(addresses: Iterable[IPv4Address]) -> dict[IPv4Address, int]:
    return {address: index for index, address in enumerate(addresses)}


@rule("WEFT-A8-reserved-outside")
def reserved_outside(intent: Intent) -> Iterator[Fault]:
    """A reserved address lies in the subnet of its network."""
    for network in intent.provider_networks:
        for index, address in enumerate(network.reserved_ips):
            if network.cidr is not None and address not in network.cidr:
                remedy = "Correct the address, or take it out: nobody gets an address outside the subnet anyway."
                path = network.at(f"reserved_ips[{index}]")
                yield Fault(path, str(address), f"lies outside {network.cidr} of {network.name}", remedy)


def _shown(value: IPv4Address | int | None) -> int | str | None:
    return str(value) if isinstance(value, IPv4Address) else value
