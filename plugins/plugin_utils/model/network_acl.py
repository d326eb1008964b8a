# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Network ACLs: ordered rules for what goes into a network and what comes out of it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import BeforeValidator, Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Somebody
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.traffic import OrderedRule, in_order
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Name, Prefix, refuse

ALLOW, DENY = "default_allow", "default_deny"
#: The lists that every VPC has without declaring them.
DEFAULT_LISTS = (ALLOW, DENY)


def _own_name(value: object) -> object:
    if value in DEFAULT_LISTS:
        refuse("WEFT-F4-default", "is a list that every VPC has and nobody changes", "Give this list another name.")
    return value


class AclRule(OrderedRule):
    """What a network ACL allows or denies."""

    kind: ClassVar[str] = "rule of a network ACL"

    direction: Literal["ingress", "egress"] = Field(
        description="`ingress`: what goes into the network; `egress`: what comes from it."
    )
    cidrs: Somebody[Prefix] = Field(
        default=(), description="Sources of `ingress`, destinations of `egress`; default every one."
    )


class NetworkAcl(Node):
    """A list of rules that networks can have. What none of them decides: `ingress` is denied, `egress` allowed."""

    kind: ClassVar[str] = "network ACL"

    name: Annotated[Name, BeforeValidator(_own_name)] = Field(
        description="Name, unique in the VPC; not `default_allow` or `default_deny`."
    )
    rules: tuple[AclRule, ...] = Field(default=(), description="Its rules, in any order: their numbers say it.")

    def ordered(self, direction: str) -> tuple[AclRule, ...]:
        """The rules of a direction, the one that is asked first at the front."""
        return in_order(one for one in self.rules if one.direction == direction)
