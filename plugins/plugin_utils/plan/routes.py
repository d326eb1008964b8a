# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custom routes of a router: static next hops, black holes, and routes by source (row R5)."""

from __future__ import annotations

from ipaddress import IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import numbers
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Route as Wanted
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Route, RoutingRule

#: Routing tables of sources, by VPC.
TABLES = numbers([(20000, 2**31 - 1)])
#: The mark of what must go back the way its connection came in; roles/routes sets it.
REPLY_MARK = "0x200000"

# All of our rules have priorities from 20000 to 20999, by which the router knows them. A longer source comes first.
_REPLY, _INSIDE, _SENDERS = 20000, 20001, 20100


def table_key(vpc: Vpc, source: IPv4Network) -> str:
    """Return the ledger's key of a source's routing table."""
    return f"{vpc.key}/{source}:route_table"


def routes(context: Context, vpc: Vpc) -> tuple[Route, ...]:
    """Return a VPC's custom routes, by source, destination and distance."""
    return tuple(sorted((_route(context, vpc, wanted) for wanted in vpc.routes), key=lambda route: route.key))


def _route(context: Context, vpc: Vpc, wanted: Wanted) -> Route:
    senders = f" from {wanted.source}" if wanted.source else ""
    via = f" via {wanted.next_hop}" if wanted.next_hop else ""
    return Route(
        key=f"route {vpc.key}/{wanted.destination}{senders} distance {wanted.distance}{via}",
        source=wanted.path,
        senders=str(wanted.source) if wanted.source else None,
        table=context.number(table_key(vpc, wanted.source)) if wanted.source else None,
        destination=str(wanted.destination),
        next_hop=_next_hop(context, vpc, str(wanted.next_hop)) if wanted.next_hop else None,
        distance=wanted.distance,
    )


def rules(context: Context, vpc: Vpc) -> tuple[RoutingRule, ...]:
    """Return which packets ask the tables of sources: none for what stays in the VPC, is another site's, answers the
    outside, or is denied."""
    sources = {route.source for route in vpc.routes if route.source is not None}
    if not sources:
        return ()
    inside = {network.cidr for network in vpc.networks} | set(context.intent.fabric.route_denylist)
    inside |= {cidr for connection in vpc.ipsec_connections for cidr in connection.peer_cidrs}
    found = [RoutingRule(_REPLY, f"from all fwmark {REPLY_MARK}/{REPLY_MARK}", "main")]
    found += [RoutingRule(_INSIDE, f"from all to {_words(cidr)}", "main") for cidr in sorted(inside)]
    for source in sorted(sources, key=lambda one: (-one.prefixlen, one)):
        table = str(context.number(table_key(vpc, source)))
        found.append(RoutingRule(_SENDERS + 32 - source.prefixlen, f"from {_words(source)}", table))
    return tuple(found)


def _words(cidr: IPv4Network) -> str:
    """A CIDR as `ip rule` shows it."""
    return str(cidr.network_address) if cidr.prefixlen == 32 else str(cidr)


def _next_hop(context: Context, vpc: Vpc, wanted: str) -> str:
    """Return the address of a next hop, given as one or as an instance's name."""
    if context.intent.instance(vpc.tenant, wanted) is not None:
        return context.nic_address(vpc.tenant, wanted)
    return wanted
