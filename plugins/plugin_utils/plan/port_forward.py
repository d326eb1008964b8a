# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Port forwards: ports of a virtual IP, sent to an instance (row N3)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, collapse_addresses

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import PortForward


def port_forwards(context: Context, vpc: Vpc) -> tuple[PortForward, ...]:
    """Return a VPC's port forwards, by name."""
    return tuple(
        PortForward(
            key=f"port forward {vpc.key}/{wanted.name}",
            source=wanted.path,
            name=wanted.name,
            address=context.text(f"{vpc.key}/{wanted.virtual_ip}:virtual_ip"),
            protocol=wanted.protocol,
            first=wanted.ports[0],
            last=wanted.ports[1],
            target=context.nic_address(vpc.tenant, wanted.target),
            target_first=wanted.target_ports[0],
            allowed_cidrs=disjoint(wanted.allowed_cidrs),
        )
        for wanted in sorted(vpc.port_forwards, key=lambda one: one.name)
    )


def disjoint(allowed: Iterable[IPv4Network]) -> tuple[str, ...]:
    """Return who may use a port as prefixes that do not overlap, since nft refuses others; none means everybody."""
    cidrs = tuple(map(str, collapse_addresses(allowed)))
    return () if cidrs == ("0.0.0.0/0",) else cidrs
