# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Exceptions from what a network's egress policy says of traffic that leaves the VPC."""

from __future__ import annotations

from typing import ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Somebody
from ansible_collections.weft.vpc.plugins.plugin_utils.model.traffic import Service
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Prefix


class EgressRule(Service):
    """Traffic to the outside that the policy `allow` blocks, or the policy `deny` permits."""

    kind: ClassVar[str] = "egress rule"

    cidrs: Somebody[Prefix] = Field(default=(), description="Destinations; default every one.")
