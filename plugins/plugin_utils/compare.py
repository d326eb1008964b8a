# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host lacks, by its slice and what the survey found on it: pure, so that an unchanged host costs one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import Item, digest
from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import PHASES

#: Removals are few on a small host however large their share is.
GUARD_FREE = 3


def pending(items: list[Item], manifest: Mapping[str, Any]) -> dict[str, int]:
    """Return how many items each phase has to act on. ``removal`` counts what the host has and should not."""
    recorded, drifted = manifest["recorded"], set(manifest["drift"])
    count = dict.fromkeys((*PHASES, "removal"), 0)
    wanted = set()
    for item in items:
        wanted.add(item["id"])
        known = recorded.get(item["id"])
        if known is None or known["state"] != "applied" or known["digest"] != digest(item) or item["id"] in drifted:
            count[item["phase"]] += 1
    count["removal"] = len(recorded.keys() - wanted)
    return count


def guard(count: Mapping[str, int], manifest: Mapping[str, Any], percent: int) -> str | None:
    """Return why a run must stop because it would remove too much of a host; None if it would not."""
    total, removed = len(manifest["recorded"]), count["removal"]
    if removed <= GUARD_FREE or removed * 100 <= total * percent:
        return None
    return (
        f"This run would remove {removed} of the {total} items that weft.vpc has on the host, more than the "
        f"{percent} % that weft_max_removal_percent allows. Nothing was changed. If that is meant, run again with "
        f"-e weft_max_removal_percent=100."
    )
