# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routers: what they are made of, what they may use, and where a VPC's router runs."""

from __future__ import annotations

from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.dynamic_routing import Bgp, Ospf
from ansible_collections.weft.vpc.plugins.plugin_utils.model.firewall import InterfaceFirewall
from ansible_collections.weft.vpc.plugins.plugin_utils.model.limits import Connections, Cpus, Memory, memory_bytes
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Some
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import (
    Address,
    Name,
    Reference,
    SharedWith,
)


class RouterImage(Node):
    """A Debian release that routers are built from."""

    kind: ClassVar[str] = "router image"

    name: Name = Field(description="Name, unique in the fabric.")
    suite: Literal["bookworm", "trixie"] = Field(description="Debian release.")
    shared_with: SharedWith = Field(default="all", description="Tenants that may use it, or `all`.")


class RouterOffering(Node):
    """Size, image and networks of a router; enforced as limits on the running router."""

    kind: ClassVar[str] = "router offering"

    name: Name = Field(description="Name, unique in the fabric.")
    cpus: Cpus = Field(description="CPUs that the router may use; fractions are allowed.")
    memory: Memory = Field(description="Memory that the router may use: a number and M, G or T, from 64M to 16T.")
    connections: Connections | None = Field(
        default=None,
        description="Most connections that one address of its subnets may have through it; default no limit.",
    )
    image: Reference = Field(description="Router image.")
    public_network: Reference = Field(description="Provider network with service `public` that the router goes out by.")
    dns_servers: Some[Address] = Field(default=(), description="Servers to forward to instead of the fabric's.")
    management_network: Reference | None = Field(
        default=None, description="Provider network with service `management`."
    )
    shared_with: SharedWith = Field(default="all", description="Tenants that may use it, or `all`.")

    @property
    def memory_bytes(self) -> int:
        """`memory` in bytes."""
        return memory_bytes(self.memory)


class PublicNetwork(Node):
    """A further public network of a router: a link of its own, with its own address and gateway."""

    kind: ClassVar[str] = "public network"

    network: Reference = Field(description="Provider network with service `public` and a gateway.")
    ip: Address | None = Field(default=None, description="The router's address in it; default: allocated.")


class Router(Node):
    """The router of one VPC: what it is, and the nodes that carry it."""

    kind: ClassVar[str] = "router"

    offering: Reference = Field(description="Router offering.")
    nodes: tuple[Reference, ...] = Field(description="Host that carries the router.")
    public_ip: Address | None = Field(
        default=None, description="Its address in the public network; default: allocated."
    )
    public_networks: tuple[PublicNetwork, ...] = Field(
        default=(), description="Public networks besides the offering's, by which everything leaves that says no other."
    )
    state: Literal["running", "stopped"] = Field(default="running", description="Whether the router runs.")
    bgp: Bgp | None = Field(default=None, description="BGP, to tell the upstream the VPC's public addresses.")
    ospf: Ospf | None = Field(default=None, description="OSPF, to tell the upstream the VPC's public addresses.")
    firewall: tuple[InterfaceFirewall, ...] = Field(
        default=(), description="What its interfaces do not let pass; default nothing besides what it refuses anyway."
    )
