# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Networks that exist already: a NIC, or a VLAN on it, with a subnet on top."""

from __future__ import annotations

from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import Span, subnet_spans
from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit, Some
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import (
    Address,
    Cidr,
    InterfaceName,
    Mtu,
    Name,
    Reference,
    SharedWith,
    VlanId,
)

Service = Literal["public", "management", "guest"]


class IpRange(Node):
    """Addresses from `start` to `end`, both included."""

    kind: ClassVar[str] = "range of addresses"

    start: Address = Field(description="First address.")
    end: Address = Field(description="Last address.")


class ProviderRange(IpRange):
    """Addresses from `start` to `end`, both included, of everybody or of one tenant alone."""

    kind: ClassVar[str] = "range of a provider network"

    tenant: Explicit[Reference] = Field(
        default=None, description="Tenant that alone gets addresses of the range, before any others; default everybody."
    )


class ProviderNetwork(Node):
    """A physical layer 2 (flat or one VLAN) on a NIC of the hosts of some clusters, with an optional subnet."""

    kind: ClassVar[str] = "provider network"

    name: Name = Field(description="Name, unique in the fabric.")
    type: Literal["flat", "vlan"] = Field(default="flat", description="`flat`: the NIC itself. `vlan`: one VLAN on it.")
    vlan: VlanId | None = Field(default=None, description="VLAN id, for type `vlan`.")
    interface: InterfaceName = Field(
        description="NIC on every host of the clusters; `weft_provider_interfaces` on a host names another one."
    )
    clusters: tuple[Reference, ...] = Field(description="Inventory groups whose hosts have this network.")
    cidr: Cidr | None = Field(default=None, description="Subnet of the network.")
    gateway: Address | None = Field(default=None, description="Gateway; inside the CIDR, outside the ranges.")
    ip_ranges: Some[ProviderRange] = Field(
        default=(), description="Addresses that are ours to give; default the whole subnet."
    )
    reserved_ips: tuple[Address, ...] = Field(
        default=(), description="Single addresses that nobody gets, inside the ranges or not."
    )
    dns_servers: Some[Address] = Field(default=(), description="DNS servers of the network.")
    services: tuple[Service, ...] = Field(default=(), description="What the network is for.")
    mtu: Mtu = Field(default=1500, description="MTU of the network, in bytes.")
    shared_with: SharedWith = Field(default="all", description="Tenants that may use it, or `all`.")
    trusted_tenants: tuple[Reference, ...] = Field(
        default=(),
        description="Tenants whose NICs in it may have `port_security: false`, and `allowed_addresses` that are not "
        "their own NICs'; neither takes a router's address or the gateway's.",
    )

    @property
    def spans(self) -> tuple[Span, ...]:
        """The addresses that are ours to give, less network, broadcast and gateway; empty without a CIDR."""
        return () if self.cidr is None else subnet_spans(self.cidr, address_pairs(self.ip_ranges), self.gateway)

    @property
    def dedicated(self) -> bool:
        """Whether some range is one tenant's alone."""
        return any(item.tenant is not None for item in self.ip_ranges)

    def spans_by_tenant(self) -> dict[str | None, tuple[Span, ...]]:
        """`spans` apart: those dedicated to each tenant that has some, and under None what everybody can get."""
        if self.cidr is None or not self.dedicated:
            return {None: self.spans}
        ranges: dict[str | None, list[IpRange]] = {}
        for item in self.ip_ranges:
            ranges.setdefault(item.tenant, []).append(item)
        return {
            tenant: subnet_spans(self.cidr, address_pairs(tuple(items)), self.gateway)
            for tenant, items in ranges.items()
        }


def address_pairs(ranges: tuple[IpRange, ...]) -> tuple[tuple[Address, Address], ...]:
    """Ranges as plain pairs, the form that `addressing` takes."""
    return tuple((item.start, item.end) for item in ranges)
