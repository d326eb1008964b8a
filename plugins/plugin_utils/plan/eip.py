# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Elastic IPs: 1:1 translation both ways (row N2)."""

from __future__ import annotations

from collections import defaultdict

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import ElasticIp, Link


def elastic_ips(context: Context, vpc: Vpc, public: dict[str, Link]) -> tuple[ElasticIp, ...]:
    """Return a VPC's elastic IPs that have a target; exactly one per target is what its outgoing traffic carries.

    The one marked ``outbound`` is; where none is, the first by name (never by place in the inventory, so that
    reordering changes nothing).
    """
    by_target: dict[str, list[str]] = defaultdict(list)
    targets: dict[str, str] = {}
    marked: dict[str, str] = {}
    for wanted in sorted(vpc.elastic_ips, key=lambda one: one.name):
        if wanted.target is None:
            continue
        target = context.nic_address(vpc.tenant, wanted.target)
        targets[wanted.name] = target
        by_target[target].append(wanted.name)
        if wanted.outbound:
            marked[target] = wanted.name
    outbound = {marked.get(target, candidates[0]) for target, candidates in by_target.items()}
    return tuple(
        ElasticIp(
            key=f"elastic IP {vpc.key}/{wanted.name}",
            source=wanted.path,
            name=wanted.name,
            address=context.text(f"{vpc.key}/{wanted.name}:elastic_ip"),
            interface=public[wanted.network].inner,
            exit=public[wanted.network].exit,
            target=targets[wanted.name],
            outbound=wanted.name in outbound,
        )
        for wanted in sorted(vpc.elastic_ips, key=lambda one: one.name)
        if wanted.name in targets
    )
