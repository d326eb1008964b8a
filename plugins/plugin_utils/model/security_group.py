# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security groups: who may reach the NICs that are in them, and whom those may reach."""

from __future__ import annotations

from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit, Somebody
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.traffic import Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Lines, Name, Prefix, Reference


class SecurityGroupRule(Traffic):
    """Connections that the group's NICs take (`ingress`) or may open (`egress`); their answers need no rule."""

    kind: ClassVar[str] = "security group rule"

    direction: Literal["ingress", "egress"] = Field(description="Whether it is about what comes in or what goes out.")
    cidrs: Somebody[Prefix] = Field(default=(), description="Who comes in, or where it goes; default everybody.")
    address_group: Explicit[Reference] = Field(
        default=None, description="Address group of the tenant's that says so instead of `cidrs`."
    )
    security_group: Explicit[Reference] = Field(
        default=None, description="Security group of the tenant's whose members are meant, instead of `cidrs`."
    )


class SecurityGroup(Node):
    """Rules for the NICs that name the group. It lets nothing in, and everything out, but for what its rules say."""

    kind: ClassVar[str] = "security group"

    name: Name = Field(description="Name, unique among the tenant's security groups.")
    tenant: Reference = Field(description="Tenant that owns it.")
    description: Lines = Field(default="", description="What it is for.")
    rules: tuple[SecurityGroupRule, ...] = Field(
        default=(),
        description="What it admits. One egress rule makes what goes out a whitelist, for every NIC in the group.",
    )

    @property
    def key(self) -> str:
        """The object path: `tenant/group`."""
        return f"{self.tenant}/{self.name}"


class AddressGroup(Node):
    """Addresses and networks under one name, for the rules of security groups."""

    kind: ClassVar[str] = "address group"

    name: Name = Field(description="Name, unique among the tenant's address groups.")
    tenant: Reference = Field(description="Tenant that owns it.")
    cidrs: tuple[Prefix, ...] = Field(default=(), description="Its addresses and networks; none: nobody.")

    @property
    def key(self) -> str:
        """The object path: `tenant/group`."""
        return f"{self.tenant}/{self.name}"
