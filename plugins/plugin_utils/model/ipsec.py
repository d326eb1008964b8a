# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPsec connections to other sites. Of a pre-shared key the model sees what stands for it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field, Strict, StringConstraints
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit, Some
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import (
    IDENTITY_PATTERN,
    Address,
    Flag,
    Lines,
    Name,
    Prefix,
    Reference,
    Text,
)

Identity = Annotated[str, Strict(), StringConstraints(pattern=IDENTITY_PATTERN)]
_PROPOSALS = "in strongSwan's words, the best first; default what is good today"


class IpsecConnection(Node):
    """Tunnels between networks of a VPC and those of another site, from a virtual IP to the site's gateway."""

    kind: ClassVar[str] = "IPsec connection"

    name: Name = Field(description="Name, unique in the VPC.")
    virtual_ip: Reference = Field(description="Virtual IP of the same VPC; its other services stay.")
    peer: Explicit[Address] = Field(
        default=None, description="Address of the site's gateway; default: it may have any."
    )
    peer_cidrs: tuple[Prefix, ...] = Field(description="Networks of the site.")
    networks: Some[Reference] = Field(default=(), description="Networks of the VPC; default all.")
    psk: Text | None = Field(
        default=None,
        description="Pre-shared key, from Vault, say: 8 to 128 characters; 0x and 0s begin hexadecimal and Base64.",
    )
    certificate: Reference | None = Field(
        default=None, description="Certificate of the tenant that the router shows, if there is no pre-shared key."
    )
    peer_ca: Lines | None = Field(
        default=None, description="Certificate in PEM of who signs the peer's, if there is no pre-shared key."
    )
    local_id: Identity | None = Field(
        default=None,
        description="As whom the router shows itself: address, name or user@name; default: the virtual IP.",
    )
    peer_id: Explicit[Identity] = Field(
        default=None, description="As whom the peer shows itself; default: its address."
    )
    passive: Flag = Field(default=False, description="Whether the router waits for the peer instead of calling it.")
    ike_version: Literal[1, 2] = Field(default=2, description="1 is for peers that know no better.")
    ike_proposals: Some[Text] = Field(default=(), description=f"Ciphers of IKE, {_PROPOSALS}.")
    esp_proposals: Some[Text] = Field(default=(), description=f"Ciphers of the tunnels, {_PROPOSALS}.")
    ike_lifetime: Annotated[int, Strict(), Field(ge=600, le=604800)] = Field(
        default=86400, description="Seconds until the peers authenticate each other anew."
    )
    esp_lifetime: Annotated[int, Strict(), Field(ge=300, le=86400)] = Field(
        default=3600, description="Seconds until a tunnel has new keys."
    )
    dpd_interval: Annotated[int, Strict(), Field(ge=1, le=3600)] = Field(
        default=10, description="Seconds of silence after which the peer is asked for a sign of life."
    )

    @property
    def expected_id(self) -> str:
        """As whom the peer has to show itself; empty where nothing says so."""
        return self.peer_id or (str(self.peer) if self.peer else "")
