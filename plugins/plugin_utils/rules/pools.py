# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VXLAN pools and the VNIs of networks (rows P1, P3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Network, VniRange, VpcNetwork, VxlanPool
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, networks


class _Held(NamedTuple):
    pool: VxlanPool
    vnis: VniRange


def _held(pool: VxlanPool) -> list[_Held]:
    return sorted((_Held(pool, vnis) for vnis in pool.vni_ranges if vnis.start <= vnis.end), key=_first_vni)


def _first_vni(held: _Held) -> int:
    return held.vnis.start


@rule("WEFT-P1-range")
def vni_ranges(intent: Intent) -> Iterator[Fault]:
    """A pool has VNIs, and its ranges begin before they end."""
    for pool in intent.vxlan_pools:
        if not pool.vni_ranges:
            yield Fault(pool.at("vni_ranges"), None, "is an empty list, so no network can use the pool", "Add a range.")
        for vnis in pool.vni_ranges:
            if vnis.start > vnis.end:
                remedy = f"Write {{start: {vnis.end}, end: {vnis.start}}}."
                yield Fault(vnis.path, str(vnis), "ends before it begins", remedy)


@rule("WEFT-P1-overlap")
def overlapping_ranges(intent: Intent) -> Iterator[Fault]:
    """The VNI ranges of a pool do not overlap."""
    for pool in intent.vxlan_pools:
        widest: VniRange | None = None
        for _pool, vnis in _held(pool):
            if widest is not None and vnis.start <= widest.end:
                remedy = "Make the two ranges one, or let them end before the other begins."
                yield Fault(vnis.path, str(vnis), f"overlaps {widest} ({widest.path})", remedy)
            if widest is None or vnis.end > widest.end:
                widest = vnis


@rule("WEFT-P1-meet")
def pools_that_meet(intent: Intent) -> Iterator[Fault]:
    """Two pools with a host in common have no VNI in common, because a host can have each VNI only once."""
    told: set[tuple[str, str]] = set()
    open_ranges: list[_Held] = []
    for later in sorted((held for pool in intent.vxlan_pools for held in _held(pool)), key=_first_vni):
        open_ranges = [held for held in open_ranges if held.vnis.end >= later.vnis.start]
        for earlier in open_ranges:
            pair = (earlier.pool.path, later.pool.path)
            common = sorted(intent.pool_hosts(earlier.pool).keys() & intent.pool_hosts(later.pool).keys())
            if earlier.pool is not later.pool and common and pair not in told:
                told.add(pair)
                yield _meeting(earlier, later, common)
        open_ranges.append(later)


def _meeting(earlier: _Held, later: _Held, common: list[str]) -> Fault:
    others = f" and {len(common) - 1} more" if len(common) > 1 else ""
    return Fault(
        later.vnis.path,
        str(later.vnis),
        f"overlaps {earlier.vnis} of pool {earlier.pool.name} ({earlier.vnis.path}), "
        f"and both pools meet on host {common[0]}{others}",
        "Give the pools VNIs of their own, or clusters that have no host in common.",
    )


@rule("WEFT-P3-vni")
def vnis_in_pool(intent: Intent) -> Iterator[Fault]:
    """A VNI that a network fixes lies in its pool's ranges."""
    for _vpc, network in networks(intent):
        pool = intent.pool(network.pool)
        if pool is None or network.vni is None or any(network.vni in vnis for vnis in pool.vni_ranges):
            continue
        ranges = ", ".join(str(vnis) for vnis in pool.vni_ranges) or "none"
        yield Fault(
            network.at("vni"),
            network.vni,
            f"lies outside pool {pool.name}, whose VNIs are {ranges} ({pool.path}.vni_ranges)",
            "Choose a VNI of the pool, widen the pool, or leave vni out to have one allocated.",
        )


@rule("WEFT-P3-taken")
def vnis_taken(intent: Intent) -> Iterator[Fault]:
    """A VNI of a pool belongs to one network, unless sharing the segment is asked for."""
    holders: dict[tuple[str, int], Network] = {}
    for _vpc, network in networks(intent):
        if network.vni is None or network.shared_segment_with is not None:
            continue
        first = holders.setdefault((network.pool, network.vni), network)
        if first is not network:
            yield Fault(
                network.at("vni"),
                network.vni,
                f"is already the VNI of {holder(first.name, first.at('vni'))} in pool {network.pool}",
                "Choose another VNI, leave vni out, or ask for one segment with shared_segment_with.",
            )


@rule("WEFT-P3-shared")
def shared_segments(intent: Intent) -> Iterator[Fault]:
    """A network shares the segment of one that has its own, in the same pool, with other addresses."""
    for vpc, network in networks(intent):
        other = _shared_with(intent, VpcNetwork(vpc, network))
        reason = None if other is None else _cannot_share(network, other)
        if reason is not None:
            remedy = "Name a network with a segment of its own in the same pool, or leave shared_segment_with out."
            yield Fault(network.at("shared_segment_with"), network.shared_segment_with, reason, remedy)


@rule("WEFT-P3-sharing", severity="warning")
def sharing(intent: Intent) -> Iterator[Fault]:
    """Subnets on one segment share a broadcast domain."""
    for vpc, network in networks(intent):
        other = _shared_with(intent, VpcNetwork(vpc, network))
        if other is not None and other is not network:
            yield Fault(
                network.at("shared_segment_with"),
                network.shared_segment_with,
                f"puts {network.name} and {holder(other.name, other.path)} into one broadcast domain",
                "Leave shared_segment_with out if the two are to be apart.",
            )


def _shared_with(intent: Intent, own: VpcNetwork) -> Network | None:
    if own.network.shared_segment_with is None:
        return None
    found = intent.network(own.vpc.tenant, own.network.shared_segment_with)
    return None if found is None else found.network


def _cannot_share(network: Network, other: Network) -> str | None:
    if other is network:
        return "is the network itself"
    if other.shared_segment_with is not None:
        return f"has no segment of its own, because it shares that of {other.shared_segment_with} ({other.path})"
    if other.pool != network.pool:
        return f"is in pool {other.pool} ({other.at('pool')}), and {network.name} in pool {network.pool}"
    if network.vni is not None and network.vni != other.vni:
        its = "no VNI of its own choice" if other.vni is None else f"VNI {other.vni}"
        return f"has {its} ({other.path}), and {network.name} asks for VNI {network.vni}"
    if network.cidr.overlaps(other.cidr):
        return f"has addresses in common with {network.name}: {other.cidr} ({other.at('cidr')}) and {network.cidr}"
    return None
