# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""With which public address something leaves: a network, a NIC or a secondary IP."""

from __future__ import annotations

from typing import Annotated, ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import BeforeValidator, Field, WithJsonSchema
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Flag, Reference


class Snat(Node):
    """Whether what leaves for the public side is translated, to which virtual IP, and which way it leaves."""

    kind: ClassVar[str] = "SNAT choice"

    enabled: Flag = Field(default=True, description="Whether to translate.")
    virtual_ip: Reference | None = Field(
        default=None, description="Virtual IP to appear as; default the router's own address."
    )
    network: Reference | None = Field(
        default=None,
        description="Public network to leave by; default the virtual IP's, or else the offering's; "
        "a NIC's is then its network's.",
    )


def _snat(value: object) -> object:
    return {"enabled": value} if isinstance(value, bool) else value


SnatChoice = Annotated[
    Snat,
    BeforeValidator(_snat),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "enabled": {"type": "boolean"},
                        "virtual_ip": {"type": "string"},
                        "network": {"type": "string"},
                    },
                },
            ]
        }
    ),
]
