# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custom routes of a router: static next hops and black holes (row R5)."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Route


def routes(context: Context, vpc: Vpc) -> tuple[Route, ...]:
    """Return a VPC's custom routes, by destination and distance."""
    found = [
        Route(
            key=f"route {vpc.key}/{wanted.destination} distance {wanted.distance}"
            + (f" via {wanted.next_hop}" if wanted.next_hop else ""),
            source=wanted.path,
            destination=str(wanted.destination),
            next_hop=_next_hop(context, vpc, str(wanted.next_hop)) if wanted.next_hop else None,
            distance=wanted.distance,
        )
        for wanted in vpc.routes
    ]
    return tuple(sorted(found, key=lambda route: route.key))


def _next_hop(context: Context, vpc: Vpc, wanted: str) -> str:
    """Return the address of a next hop, given as one or as an instance's name."""
    if context.intent.instance(vpc.tenant, wanted) is not None:
        return context.nic_address(vpc.tenant, wanted)
    return wanted
