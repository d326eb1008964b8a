# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exceptions from what a network's egress policy says of traffic that leaves the VPC."""

from __future__ import annotations

from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Ports, Prefix


class EgressRule(Node):
    """Traffic to the outside that the policy `allow` blocks, or the policy `deny` permits."""

    kind: ClassVar[str] = "egress rule"

    protocol: Literal["any", "tcp", "udp", "icmp"] = Field(default="any", description="Protocol.")
    ports: Ports | None = Field(
        default=None, description='Port, or a range like "8000-8080", of tcp or udp; default every port.'
    )
    cidrs: tuple[Prefix, ...] = Field(default=(), description="Destinations; default every one.")
