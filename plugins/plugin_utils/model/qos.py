# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Quality of service: how much bandwidth something may use."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Bandwidth


class Qos(Node):
    """Limits of bandwidth, seen from the instances: ingress is towards them. Whole Ethernet frames count."""

    kind: ClassVar[str] = "bandwidth limit"

    ingress: Bandwidth | None = Field(
        default=None, description="Bits per second towards instances, like `100M`; default: no limit."
    )
    egress: Bandwidth | None = Field(
        default=None, description="Bits per second from instances, like `50M`; default: no limit."
    )
