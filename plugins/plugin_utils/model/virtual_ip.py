# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Virtual IPs: public addresses that several services share."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.firewall import AddressRule
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.qos import Qos
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Address, Name, Reference


class VirtualIp(Node):
    """A public address for SNAT, port forwards, load balancers and IPsec at once."""

    kind: ClassVar[str] = "virtual IP"

    name: Name = Field(description="Name, unique in the VPC.")
    network: Reference = Field(description="Provider network with service `public`.")
    ip: Address | None = Field(default=None, description="The address; default: allocated.")
    qos: Qos | None = Field(
        default=None, description="Bandwidth of the address on the public network, for all its services together."
    )
    firewall: Explicit[tuple[AddressRule, ...]] = Field(
        default=None, description="All that is admitted to the address; default whatever it leads to."
    )
