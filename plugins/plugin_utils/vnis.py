# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VNIs of a pool, by the ledger: which are taken, resting and free. Pure functions on what YAML and JSON hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def allocated_vnis(pool: Mapping[str, Any], ledger: Mapping[str, Any]) -> dict[str, int]:
    """The object path (`tenant/vpc/network`) and the VNI of every network in a pool, by VNI.

    `pool` is an item of weft_vxlan_pools, `ledger` the content of weft-ledger.json.
    """
    taken = _values(pool, ledger, "entries")
    return {key.removesuffix(":vni"): vni for key, vni in sorted(taken.items(), key=lambda item: (item[1], item[0]))}


def free_vnis(pool: Mapping[str, Any], ledger: Mapping[str, Any], resting: bool = False) -> list[dict[str, int]]:
    """The ranges of VNIs that the next networks can have, lowest first, each `{start, end}`, both included.

    Released VNIs rest before they are given to another network; with `resting` they count as free. Those of a dedicated
    range are free for its tenant only.
    """
    taken = set(_values(pool, ledger, "entries").values())
    if not resting:
        taken |= set(_values(pool, ledger, "tombstones").values())
    ranges = sorted((int(item["start"]), int(item["end"])) for item in pool.get("vni_ranges") or ())
    return [{"start": start, "end": end} for start, end in _without(ranges, sorted(taken))]


def _values(pool: Mapping[str, Any], ledger: Mapping[str, Any], section: str) -> dict[str, int]:
    scope = f"vni:{pool['name']}"
    return {
        key: int(entry["value"]) for key, entry in (ledger.get(section) or {}).items() if entry.get("scope") == scope
    }


def _without(ranges: Iterable[tuple[int, int]], taken: list[int]) -> Iterator[tuple[int, int]]:
    for start, end in ranges:
        first = start
        for vni in (vni for vni in taken if start <= vni <= end):
            if first < vni:
                yield first, vni - 1
            first = vni + 1
        if first <= end:
            yield first, end
