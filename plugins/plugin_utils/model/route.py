# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Custom routes of a VPC's router."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Address
from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.limits import Distance
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Cidr, Reference


class Route(Node):
    """Where packets for a destination go: to a next hop, or nowhere."""

    kind: ClassVar[str] = "route"

    destination: Cidr = Field(description="Prefix. With `source` it may be 0.0.0.0/0: all that leaves the VPC.")
    source: Explicit[Cidr] = Field(
        default=None, description="Only packets from these addresses take the route, and they take it before any other."
    )
    type: Literal["static", "blackhole"] = Field(default="static", description="`blackhole`: packets are dropped.")
    next_hop: Reference | None = Field(default=None, description="Address or instance in a network of the VPC.")
    distance: Distance = Field(
        default=128, description="Of several routes to one destination the least distance whose next hop is there wins."
    )

    @property
    def next_hop_ip(self) -> IPv4Address | None:
        """The next hop where it is given as an address, not as an instance."""
        try:
            return None if self.next_hop is None else IPv4Address(self.next_hop)
        except (AddressValueError, ValueError):
            return None
