# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VXLAN pools: where VNIs come from, and which hosts can have the segments."""

from __future__ import annotations

from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import overlay_mtu
from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import (
    Cidr,
    InterfaceName,
    Mtu,
    Name,
    Port,
    Reference,
    Vni,
)


class VniRange(Node):
    """VNIs from `start` to `end`, both included."""

    kind: ClassVar[str] = "range of VNIs"

    start: Vni = Field(description="First VNI.")
    end: Vni = Field(description="Last VNI.")
    tenant: Explicit[Reference] = Field(
        default=None, description="Tenant that alone gets VNIs of the range, before any others; default everybody."
    )

    def __contains__(self, vni: object) -> bool:
        return isinstance(vni, int) and self.start <= vni <= self.end

    def __str__(self) -> str:
        return f"{self.start}-{self.end}"


class PoolCluster(Node):
    """Hosts that can have segments of the pool, and where their VTEPs lie."""

    kind: ClassVar[str] = "cluster of a pool"

    group: Reference = Field(description="Inventory group.")
    vtep_cidr: Cidr = Field(description="Each host's VTEP is its own address in this CIDR.")
    interface: InterfaceName | None = Field(
        default=None, description="NIC that must have the VTEP, where several could."
    )


class VxlanPool(Node):
    """VNI ranges and the clusters that they are attached to."""

    kind: ClassVar[str] = "VXLAN pool"

    name: Name = Field(description="Name, unique in the fabric.")
    vni_ranges: tuple[VniRange, ...] = Field(description="VNIs to give out.")
    clusters: tuple[PoolCluster, ...] = Field(description="Clusters whose hosts can have the pool's segments.")
    udp_port: Port = Field(default=4789, description="UDP port; 8472 for old peers.")
    mtu: Mtu = Field(default=1500, description="MTU of the underlay, in bytes. Guests get 50 less.")
    mode: Literal["static"] = Field(
        default="static", description="How segments learn where addresses are: from the plan."
    )

    @property
    def overlay_mtu(self) -> int:
        """The largest packet between guests. ValueError when the underlay's MTU is too small for any."""
        return overlay_mtu(self.mtu)
