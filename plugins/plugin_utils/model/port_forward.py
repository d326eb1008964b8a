# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Port forwards: ports of a virtual IP that lead to an instance."""

from __future__ import annotations

from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Somebody
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.qos import Qos
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Name, PortRange, Ports, Prefix, Reference


class PortForward(Node):
    """One port, or a range of them, forwarded to an instance."""

    kind: ClassVar[str] = "port forward"

    name: Name = Field(description="Name, unique in the VPC.")
    virtual_ip: Reference = Field(description="Virtual IP of the same VPC.")
    protocol: Literal["tcp", "udp"] = Field(description="Protocol.")
    port: Ports = Field(description='Port, or a range like "2000-2010".')
    target: Reference = Field(description="Instance; `instance:1`: its second NIC; `instance/name`: a secondary IP.")
    target_port: Ports | None = Field(default=None, description="Port or range at the target; default the same.")
    allowed_cidrs: Somebody[Prefix] = Field(
        default=(), description="Who may use it; default everybody. Others are rejected."
    )
    qos: Qos | None = Field(default=None, description="Bandwidth of these ports, within that of the virtual IP.")

    @property
    def ports(self) -> PortRange:
        """The ports on the virtual IP, first and last."""
        return self.port

    @property
    def target_ports(self) -> PortRange:
        """The ports at the target, first and last."""
        return self.port if self.target_port is None else self.target_port
