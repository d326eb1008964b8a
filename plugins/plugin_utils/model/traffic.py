# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rule of a filter is about: protocol, ports, ICMP messages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field, Strict
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Name, Ports

Octet = Annotated[int, Strict(), Field(ge=0, le=255)]


class Service(Node):
    """A protocol with some or all of its ports, or every protocol."""

    protocol: Literal["any", "tcp", "udp", "icmp"] = Field(default="any", description="Protocol.")
    ports: Explicit[Ports] = Field(
        default=None, description='Port, or a range like "8000-8080", of tcp or udp; default every port.'
    )


class Traffic(Service):
    """The same, and of ICMP some or all messages: what rules of filters have in common."""

    icmp_type: Explicit[Octet] = Field(
        default=None, description="Type of the ICMP request, like 8 for ping; default every one."
    )
    icmp_code: Explicit[Octet] = Field(default=None, description="Code of that type; default every one.")


class OrderedRule(Traffic):
    """A rule of a list. That with the lowest number that matches a connection decides."""

    number: Annotated[int, Strict(), Field(ge=1, le=65535)] = Field(
        description="Its place: a list is asked by ascending numbers."
    )
    name: Name | None = Field(
        default=None, description="Name, unique in the list, which its counter has; default the number."
    )
    action: Literal["allow", "deny"] = Field(description="What becomes of it.")

    @property
    def label(self) -> str:
        """Its name, or else its number."""
        return self.name or str(self.number)


R = TypeVar("R", bound=OrderedRule)


def in_order(rules: Iterable[R]) -> tuple[R, ...]:
    """The rules as they are asked, the first at the front."""
    return tuple(sorted(rules, key=lambda one: one.number))
