# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fabric as a whole, and the tenants that share it."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.limits import Connections, Quota
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Address, Cidr, DomainName, Flag, Name, Number


class Fabric(Node):
    """What holds for everything: the fabric's name, and the DNS that routers give out and ask."""

    kind: ClassVar[str] = "fabric"

    name: Name = Field(description="Name of the fabric. The ledger belongs to it.")
    dns_domain: DomainName = Field(default="internal", description="Domain of instances whose network names none.")
    dns_servers: tuple[Address, ...] = Field(default=(), description="Servers that routers forward foreign names to.")
    route_denylist: tuple[Cidr, ...] = Field(
        default=(), description="Prefixes that no VPC may route, in whole or in part: the operator's own networks."
    )
    broadcasts: Number = Field(
        default=1000,
        ge=100,
        le=1_000_000,
        description="Most frames a second that an instance's NIC sends to everybody: broadcasts, multicasts, and in "
        "segments without NICs of `port_security: false` what is for a MAC that nobody has.",
    )
    connections: Connections = Field(
        default=16384,
        description="Most connections at a time that an instance's NIC opens, and most that are opened to it from "
        "beyond its host's other NICs. It holds in networks with security groups, whose hosts track connections.",
    )


class Quotas(Node):
    """How much a tenant may have; what is not given is not limited."""

    kind: ClassVar[str] = "set of quotas"

    vpcs: Quota | None = Field(default=None, description="Most VPCs.")
    networks: Quota | None = Field(default=None, description="Most networks, over all VPCs.")
    public_ips: Quota | None = Field(
        default=None, description="Most public addresses: routers', virtual and elastic IPs."
    )
    elastic_ips: Quota | None = Field(default=None, description="Most elastic IPs.")
    load_balancers: Quota | None = Field(default=None, description="Most load balancers.")
    vpn_connections: Quota | None = Field(default=None, description="Most VPN connections.")


class Tenant(Node):
    """An account. VPCs and instances belong to exactly one, and refer only to what is its own or shared."""

    kind: ClassVar[str] = "tenant"

    name: Name = Field(description="Name, unique in the fabric.")
    quotas: Quotas = Field(default=Quotas(), description="What the tenant may have at most.")
    use_system_public_ips: Flag = Field(
        default=True,
        description="Whether it gets public addresses of nobody's ranges too, once its dedicated ones are used up.",
    )
    use_system_vnis: Flag = Field(
        default=True, description="Whether it gets VNIs of nobody's ranges too, once its dedicated ones are used up."
    )
