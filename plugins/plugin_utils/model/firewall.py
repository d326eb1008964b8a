# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Firewalls of a router: what its interfaces let pass, and what is admitted to its public addresses."""

from __future__ import annotations

from typing import ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Somebody
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.traffic import OrderedRule, Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Name, Prefix, Reference


class AddressRule(Traffic):
    """Connections that are admitted to a public address: by the port that callers use, whatever it leads to."""

    kind: ClassVar[str] = "firewall rule"

    name: Name = Field(description="Name, unique for the address, which its counter has.")
    cidrs: Somebody[Prefix] = Field(default=(), description="Callers; default everybody.")


class InterfaceRule(OrderedRule):
    """What the firewall of an interface lets pass or not."""

    kind: ClassVar[str] = "firewall rule"

    sources: Somebody[Prefix] = Field(default=(), description="Sources; default every one.")
    destinations: Somebody[Prefix] = Field(default=(), description="Destinations; default every one.")


class InterfaceFirewall(Node):
    """Rules for connections of one direction by one interface of the router. It only takes away: what it lets pass
    still needs an elastic IP, a forward or a listener, and the network ACLs."""

    kind: ClassVar[str] = "firewall"

    network: Reference = Field(description="Network of the VPC, or public network of the router: by its interface.")
    direction: Literal["in", "out", "local"] = Field(
        description="`in`: forwarded, coming in by the interface; `out`: forwarded, leaving by it; "
        "`local`: to the router itself."
    )
    default: Literal["allow", "deny"] = Field(default="allow", description="What becomes of what no rule is about.")
    rules: tuple[InterfaceRule, ...] = Field(default=(), description="Its rules, in any order: their numbers say it.")
