# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VPC's network: one subnet on one segment."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import Span, default_gateway, subnet_spans
from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.dhcp_options import DhcpOptions
from ansible_collections.weft.vpc.plugins.plugin_utils.model.egress import EgressRule
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Some
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network_acl import ALLOW
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.provider_network import IpRange, address_pairs
from ansible_collections.weft.vpc.plugins.plugin_utils.model.snat import Snat, SnatChoice
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import (
    Address,
    Cidr,
    DomainName,
    Flag,
    Mtu,
    Name,
    Reference,
    SharedWith,
    Vni,
)


class Network(Node):
    """A subnet of a VPC, its segment, and what its DHCP and DNS say."""

    kind: ClassVar[str] = "network"

    name: Name = Field(description="Name, unique in the VPC.")
    pool: Reference = Field(description="VXLAN pool of the segment.")
    vni: Vni | None = Field(default=None, description="VNI of the segment; default: allocated from the pool.")
    cidr: Cidr = Field(description="The subnet.")
    gateway: Address | None = Field(default=None, description="The router's address; default the first host address.")
    ip_ranges: Some[IpRange] = Field(default=(), description="Addresses to give out; default the whole subnet.")
    dhcp: Flag = Field(default=True, description="Whether the router answers DHCP.")
    dns_domain: DomainName | None = Field(default=None, description="Domain of its instances; default the fabric's.")
    dns_servers: Some[Address] = Field(default=(), description="DNS servers given out; default the router.")
    ntp_servers: tuple[Address, ...] = Field(default=(), description="NTP servers given out.")
    dhcp_options: DhcpOptions = Field(
        default_factory=dict,
        description="Further DHCP options: code and value, by the code's kind; `hex:` and digits for bytes.",
    )
    mtu: Mtu | None = Field(default=None, description="MTU of the guests; default what the pool's underlay leaves.")
    snat: SnatChoice = Field(
        default=Snat(),
        description="Whether packets leave with a public address; `{virtual_ip: name}`: with that one; "
        "`{network: name}`: by that network.",
    )
    egress: Literal["allow", "deny"] = Field(
        default="allow",
        description="Whether the network may open connections to outside the VPC, but for those of `egress_rules`.",
    )
    egress_rules: tuple[EgressRule, ...] = Field(
        default=(), description="What `egress: allow` blocks, or `egress: deny` permits."
    )
    acl: Reference = Field(
        default=ALLOW,
        description="Network ACL of the VPC that says what goes into the network and what comes from it, or "
        "`default_allow` or `default_deny`.",
    )
    shared_segment_with: Reference | None = Field(
        default=None, description="Network of the same tenant whose segment (one broadcast domain) to share."
    )
    shared_with: SharedWith = Field(
        default=(),
        description="Tenants whose instances may be in it too, or `all`; they name it `tenant/vpc/network`.",
    )

    @property
    def gateway_ip(self) -> IPv4Address:
        """The router's address in the subnet, given or by default."""
        return default_gateway(self.cidr) if self.gateway is None else self.gateway

    @property
    def spans(self) -> tuple[Span, ...]:
        """The addresses to give to instances: the ranges less network, broadcast and gateway."""
        return subnet_spans(self.cidr, address_pairs(self.ip_ranges), self.gateway_ip)
