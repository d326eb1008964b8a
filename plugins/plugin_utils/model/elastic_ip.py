# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Elastic IPs: public addresses that belong to one instance, both ways."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.firewall import AddressRule
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.qos import Qos
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Address, Flag, Name, Reference


class ElasticIp(Node):
    """A public address translated one to one to an address of an instance."""

    kind: ClassVar[str] = "elastic IP"

    name: Name = Field(description="Name, unique in the VPC.")
    network: Reference = Field(description="Provider network with service `public`.")
    ip: Address | None = Field(default=None, description="The address; default: allocated.")
    target: Reference | None = Field(
        default=None,
        description="Instance; `instance:1`: its second NIC; `instance/name`: a secondary IP; none: reserved.",
    )
    outbound: Flag | None = Field(
        default=None, description="Whether the instance's own connections leave with it; default the first by name."
    )
    qos: Qos | None = Field(default=None, description="Bandwidth of the address on the public network.")
    firewall: Explicit[tuple[AddressRule, ...]] = Field(
        default=None, description="All that is admitted to the address; default whatever it leads to."
    )
