# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The plan: every number decided, host by host. Pure: the same intent and values give the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import (
    port,
    provider_network,
    router_image,
    security_group,
    vpc_router,
    vxlan_pool,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.parts import require_distinct

FORMAT = 2

#: One host's part as JSON types; its shape is that of ``slices.HostSlice``.
Slice = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """A saved or savable plan.

    ``intent`` is the digest of the variables it was made from; ``inventory`` maps every host of the fabric to what the
    inventory said of it (groups, host variables, VTEPs), so that a plan applied later can tell that the inventory
    has moved on even where a run sees only some of the hosts.
    """

    fabric: str
    intent: str
    inventory: dict[str, Any]
    hosts: dict[str, Slice]


def make_plan(
    intent: Intent,
    values: Mapping[str, int | str],
    digest: str,
    inventory: dict[str, Any],
    certificates: Mapping[str, str] | None = None,
) -> Plan:
    """Plan an intent that passed the rules, with the values the ledger gave. A host that is told nothing is in it too,
    so that what it had is removed."""
    context = Context(intent, values, certificates or {})
    for planner in (provider_network, vxlan_pool, router_image, vpc_router, port, security_group):
        planner.plan(context)
    for host in inventory:
        context.slice_of(host)
    # A dataclass's own dictionary is its JSON object; the round trip makes lists of tuples at a fraction of the cost of
    # dataclasses.asdict.
    slices = json.loads(json.dumps(context.slices, default=vars, sort_keys=True))
    require_distinct(slices)
    return Plan(intent.fabric.name, digest, inventory, slices)


def digest_of(value: object) -> str:
    """Return the SHA-256 of a JSON value's canonical form."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
