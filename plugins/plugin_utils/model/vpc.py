# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A VPC: a router, the networks behind it, and what the public side sees of them."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.elastic_ip import ElasticIp
from ansible_collections.weft.vpc.plugins.plugin_utils.model.ipsec import IpsecConnection
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import LoadBalancer
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network import Network
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network_acl import NetworkAcl
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.port_forward import PortForward
from ansible_collections.weft.vpc.plugins.plugin_utils.model.route import Route
from ansible_collections.weft.vpc.plugins.plugin_utils.model.router import Router
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Name, Reference
from ansible_collections.weft.vpc.plugins.plugin_utils.model.virtual_ip import VirtualIp


class Vpc(Node):
    """One tenant's private cloud behind one router."""

    kind: ClassVar[str] = "VPC"

    name: Name = Field(description="Name, unique among the tenant's VPCs.")
    tenant: Reference = Field(description="Tenant that owns it.")
    router: Router = Field(description="The VPC's router.")
    networks: tuple[Network, ...] = Field(default=(), description="Its networks.")
    network_acls: tuple[NetworkAcl, ...] = Field(
        default=(), description="Lists of rules for what goes into networks and comes from them."
    )
    virtual_ips: tuple[VirtualIp, ...] = Field(default=(), description="Public addresses for several services each.")
    port_forwards: tuple[PortForward, ...] = Field(default=(), description="Ports that lead to one instance.")
    load_balancers: tuple[LoadBalancer, ...] = Field(default=(), description="Ports that lead to several instances.")
    ipsec_connections: tuple[IpsecConnection, ...] = Field(default=(), description="Tunnels to other sites.")
    elastic_ips: tuple[ElasticIp, ...] = Field(default=(), description="Public addresses for one instance each.")
    routes: tuple[Route, ...] = Field(default=(), description="Custom routes.")

    @property
    def key(self) -> str:
        """The object path: `tenant/vpc`. Objects inside add their name: `tenant/vpc/network`."""
        return f"{self.tenant}/{self.name}"
