# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Certificates of load balancers. The model never sees their content: what stands in its place is a digest."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Lines, Name, Reference, Text


class Certificate(Node):
    """A certificate and its key, each as a variable (from Vault, say) or as a file on the controller."""

    kind: ClassVar[str] = "certificate"

    name: Name = Field(description="Name, unique among the tenant's certificates.")
    tenant: Reference = Field(description="Tenant that owns it.")
    certificate: Lines | None = Field(default=None, description="Certificate in PEM, followed by those of its issuers.")
    certificate_file: Text | None = Field(
        default=None, description="File of the controller with the same, from the inventory's directory on."
    )
    key: Lines | None = Field(default=None, description="Private key in PEM, without a passphrase.")
    key_file: Text | None = Field(
        default=None, description="File of the controller with the same; Vault may have encrypted it."
    )
