# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Instances: guests, and where their NICs are plugged in."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.qos import Qos
from ansible_collections.weft.vpc.plugins.plugin_utils.model.snat import SnatChoice
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Address, Flag, Mac, Name, Prefix, Reference


class SecondaryIp(Node):
    """A further address of a NIC, with a name to refer to it by: `web/blog`, or `web:1/blog` on the second NIC."""

    kind: ClassVar[str] = "secondary IP"

    name: Name = Field(description="Name, unique on the NIC.")
    ip: Address | None = Field(default=None, description="The address; default: allocated.")
    snat: SnatChoice | None = Field(default=None, description="As whom it leaves; default as its NIC.")


class Nic(Node):
    """One network card of an instance."""

    kind: ClassVar[str] = "NIC"

    network: Reference = Field(
        description="Network of the tenant (`net` or `vpc/net`), one that another tenant shares "
        "(`tenant/vpc/net`), or a provider network."
    )
    ip: Address | None = Field(default=None, description="Its address; default: allocated.")
    secondary_ips: tuple[SecondaryIp, ...] = Field(
        default=(), description="Further addresses, in the same network; the guest sets them up itself."
    )
    mac: Mac | None = Field(default=None, description="Its MAC; default: made from the name.")
    allowed_addresses: tuple[Prefix, ...] = Field(
        default=(), description="Further addresses that it may send from, and answer ARP for."
    )
    port_security: Flag = Field(
        default=True, description="Whether it may send only with its own MAC and from its own addresses."
    )
    default: Flag | None = Field(
        default=None, description="Whether it gets the default route; default: the first NIC that does not say false."
    )
    snat: SnatChoice | None = Field(
        default=None, description="As whom its addresses leave that have no elastic IP; default as its network."
    )
    qos: Qos | None = Field(default=None, description="Bandwidth of this NIC.")
    security_groups: tuple[Reference, ...] = Field(
        default=(), description="Security groups of the tenant's that it is in; default none, and nothing is filtered."
    )


class Instance(Node):
    """A guest on a host. Who starts it is not our business; its ports are."""

    kind: ClassVar[str] = "instance"

    name: Name = Field(description="Name, unique among the tenant's instances.")
    tenant: Reference = Field(description="Tenant that owns it.")
    host: Reference = Field(description="Host that carries it.")
    nics: tuple[Nic, ...] = Field(description="Its network cards.")

    @property
    def key(self) -> str:
        """The object path: `tenant/instance`. A NIC adds its index: `tenant/instance/0`."""
        return f"{self.tenant}/{self.name}"

    @property
    def default_nic(self) -> int | None:
        """Index of the NIC that gets the default route: the marked one, or else the first that does not refuse."""
        marked = (index for index, nic in enumerate(self.nics) if nic.default)
        willing = (index for index, nic in enumerate(self.nics) if nic.default is None)
        return next(marked, next(willing, None))
