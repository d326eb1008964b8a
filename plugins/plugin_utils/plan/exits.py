# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A router's public links, and which subnet leaves by which (row R4)."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Snat, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Exit, Link


def links(context: Context, vpc: Vpc) -> dict[str, Link]:
    """Return a router's public links by network: the offering's first, then the further ones by name."""
    first, *_further = context.intent.public_networks(vpc)
    found = {first: _link(context, vpc, first, vpc.key, f"{vpc.path}.router", 1)}
    for one in sorted(vpc.router.public_networks, key=lambda wanted: wanted.network):
        prefix = f"{vpc.key}/{one.network}"
        found[one.network] = _link(context, vpc, one.network, prefix, one.path, context.number(f"{prefix}:exit"))
    return found


def exits(context: Context, vpc: Vpc, public: dict[str, Link]) -> tuple[Exit, ...]:
    """Return by which link each subnet leaves; nothing where there is no choice."""
    if len(public) < 2:
        return ()
    subnets = sorted(vpc.networks, key=lambda one: one.name)
    return tuple(Exit(str(one.cidr), link_of(context, vpc, public, one.snat).exit) for one in subnets)


def link_of(context: Context, vpc: Vpc, public: dict[str, Link], *choices: Snat) -> Link:
    """Return the link by which something leaves that chooses so."""
    return public[must(context.intent.exit_network(vpc, *choices), vpc.name)]


def _link(context: Context, vpc: Vpc, name: str, prefix: str, source: str, number: int) -> Link:
    public = must(context.intent.provider_network(name), name)
    port = context.number(f"{prefix}:public_port")
    return Link(
        key=f"public link {vpc.key} to {name}",
        source=source,
        device=names.port_device(port),
        inner=names.router_interface("pub", port),
        kind="public",
        mac=context.text(f"{prefix}:public_mac"),
        bridge=context.provider_bridge(name),
        mtu=public.mtu,
        network=name,
        address=context.text(f"{prefix}:public_ip"),
        prefix_length=public.cidr.prefixlen if public.cidr else 32,
        gateway=str(public.gateway) if public.gateway else None,
        exit=number,
        cidr=str(public.cidr) if public.cidr else "",
    )
