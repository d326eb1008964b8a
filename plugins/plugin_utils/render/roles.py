# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What each role owns on a host, read from its ``meta/deploy.yml``.

A role's declaration lists items; an item is what is deployed and removed as one: files and how they are activated.
Strings in it are Jinja2 and see the part of the slice the item is for, under the names given in ``each``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

#: libyaml's loader, eight times as fast, wherever PyYAML was built with it.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

#: Roles in the order their parts are created on a host; they are removed the other way round.
ROLES = (
    "port_security",
    "security_group",
    "provider_network",
    "vxlan_pool",
    "router_image",
    "vpc_router",
    "dhcp_dns",
    "routes",
    "eip",
    "port_forward",
    "lb",
    "ipsec",
    "network_acl",
    "firewall",
    "port",
    "qos",
)
PHASES = ("segments", "routers", "ports")

ROLES_DIRECTORY = Path(__file__).resolve().parents[3] / "roles"


@dataclass(frozen=True)
class ItemDeclaration:
    """One item of a role's declaration.

    ``each`` is a sequence of (name, attribute) pairs walked from the slice inwards, e.g. router in routers, link in the
    router's links; ``when`` is a Jinja2 expression; ``order`` is the item's place among those of
    one part: below 10 before all parts, above 99 after them.
    """

    role: str
    phase: str
    identifier: str
    group: str
    scope: str
    order: int
    each: tuple[tuple[str, str], ...]
    when: str | None
    files: tuple[dict[str, Any], ...]
    activate: tuple[dict[str, Any], ...]


@cache
def declarations() -> tuple[ItemDeclaration, ...]:
    """Return all roles' items, in the order of roles."""
    return tuple(item for role in ROLES for item in _read(role))


def _read(role: str) -> list[ItemDeclaration]:
    content = yaml.load((ROLES_DIRECTORY / role / "meta" / "deploy.yml").read_text(encoding="utf-8"), LOADER)
    return [
        ItemDeclaration(
            role=role,
            phase=item.get("phase", content["phase"]),
            identifier=item["id"],
            group=item["group"],
            scope=item.get("scope", "host"),
            order=item.get("order", 50),
            each=tuple((step["as"], step["in"]) for step in item.get("each", ())),
            when=item.get("when"),
            files=tuple(item.get("files", ())),
            activate=tuple(item.get("activate", ())),
        )
        for item in content["items"]
    ]
