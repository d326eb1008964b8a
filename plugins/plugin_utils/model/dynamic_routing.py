# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Routing protocols between a VPC's router and its upstream. Of a password the model sees what stands for it."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Annotated, ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field, Strict
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import (
    Address,
    Area,
    Asn,
    Cidr,
    Flag,
    Reference,
    RouterId,
    Text,
)

_ACCEPT = "Prefixes, exactly these, to learn routes for; `0.0.0.0/0` is the default route, before the gateway's."
Seconds = Annotated[int, Strict(), Field(ge=1, le=65535)]


class BgpNeighbor(Node):
    """A router of the upstream that the VPC's router has a BGP session with."""

    kind: ClassVar[str] = "BGP neighbor"

    address: Address = Field(description="Its address, in a public network of the router.")
    asn: Asn = Field(description="Its autonomous system.")
    password: Text | None = Field(default=None, description="Password of the session (RFC 2385), from Vault, say.")
    keepalive: Seconds = Field(default=3, description="Seconds between two signs of life.")
    hold_time: Seconds = Field(default=9, description="Seconds without one after which the session is given up.")
    bfd: Flag = Field(default=False, description="Whether BFD watches the neighbor, which notices in a second.")
    accept: tuple[Cidr, ...] = Field(default=(), description=_ACCEPT)


class Bgp(Node):
    """Sessions of a router. Announced are its VPC's elastic and virtual IPs of the neighbor's network, each as /32."""

    kind: ClassVar[str] = "BGP router"

    asn: Asn = Field(description="The VPC's own autonomous system.")
    router_id: RouterId | None = Field(default=None, description="Its BGP identifier; default: its public address.")
    neighbors: tuple[BgpNeighbor, ...] = Field(description="Whom it has sessions with.")


class Ospf(Node):
    """OSPF on a public network. Announced are the VPC's elastic and virtual IPs of that network, each as /32."""

    kind: ClassVar[str] = "OSPF router"

    network: Reference | None = Field(default=None, description="Public network of the router; default the offering's.")
    router_id: RouterId | None = Field(default=None, description="Its OSPF identifier; default: its public address.")
    area: Area = Field(default=IPv4Address(0), description="Area, in the form of an address.")
    hello_interval: Seconds = Field(default=10, description="Seconds between two hellos, as its neighbors have it.")
    dead_interval: Seconds = Field(default=40, description="Seconds without one after which a neighbor is given up.")
    key_id: Annotated[int, Strict(), Field(ge=1, le=255)] = Field(default=1, description="Number of the password.")
    password: Text | None = Field(default=None, description="Key of packets' MD5 digest (RFC 2328), from Vault, say.")
    accept: tuple[Cidr, ...] = Field(default=(), description=_ACCEPT)
