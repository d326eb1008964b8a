# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From one host's slice to the items the deploy module makes true on that host."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.weft.vpc.plugins.module_utils.places import tokens_in
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.names import UID_BASE, router_root
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice
from ansible_collections.weft.vpc.plugins.plugin_utils.render.environment import fill, keep_compiled, template
from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import (
    PHASES,
    ROLES_DIRECTORY,
    ItemDeclaration,
    declarations,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.render.sinks import SinkError

#: Items with a lower ``order`` are common to all parts (units, images) and come before the first of them; those with a
#: higher one than the last come after all parts.
FIRST_OF_PART, LAST_OF_PART = 10, 99

Item = dict[str, Any]
Scope = dict[str, Any]
_Names = dict[str, Any]


def render(slice_: Slice) -> list[Item]:
    """Return all items of a host, in creation order."""
    rendered = [
        (PHASES.index(declaration.phase), sequence, declaration.order, number, _item(declaration, names))
        for number, declaration in enumerate(declarations())
        for sequence, names in _instances(declaration, slice_)
    ]
    rendered.sort(key=lambda entry: entry[:4])
    return [item for *_place, item in rendered]


def preload(compiled: Path) -> None:
    """Read all declarations and load all templates, compiled by this run or an earlier one. Ansible forks a process for
    each host and task: what is done before is done once."""
    keep_compiled(compiled)
    declarations()
    for path in ROLES_DIRECTORY.glob("*/templates/*.j2"):
        template(f"{path.parents[1].name}/{path.name}")


def scopes(slice_: Slice) -> list[Scope]:
    """Return where files can live on a host: the host itself, and the root of each router machine."""
    found: list[Scope] = [{"name": "host", "root": "/"}]
    found.extend(
        {
            "name": f"router:{router['name']}",
            "root": router_root(router["name"]),
            "unit": f"weft-router@{router['name']}.service",
            "uid_base": UID_BASE,
        }
        for router in slice_["routers"]
    )
    return found


def digest(item: Item) -> str:
    """Return what tells one version of an item from another; the host's manifest records it."""
    return hashlib.sha256(json.dumps(item, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _instances(declaration: ItemDeclaration, slice_: Slice) -> Iterator[tuple[int, _Names]]:
    """Yield the names an item's templates see, once per part of the slice the item is for.

    The number that comes with them keeps the items of one outermost part (one router) together.
    """
    for names, place in _walk(declaration.each, {"host": slice_}):
        if declaration.when is None or _true(declaration.when, names):
            yield _place(declaration.order, place), names


def _place(order: int, part: int) -> int:
    if order < FIRST_OF_PART:
        return -1
    return part if order <= LAST_OF_PART else sys.maxsize


def _walk(steps: tuple[tuple[str, str], ...], names: _Names) -> Iterator[tuple[_Names, int]]:
    if not steps:
        yield names, -1
        return
    (name, path), *rest = steps
    owner, _dot, attribute = path.rpartition(".")
    for place, part in enumerate(names[owner or "host"][attribute]):
        for inner, _place in _walk(tuple(rest), {**names, name: part}):
            yield inner, place


def _true(expression: str, names: _Names) -> bool:
    return fill("{{ 1 if (" + expression + ") else '' }}", names) == "1"


def _item(declaration: ItemDeclaration, names: _Names) -> Item:
    return {
        "id": f"{declaration.role}/{fill(declaration.identifier, names)}",
        "role": declaration.role,
        "phase": declaration.phase,
        "group": fill(declaration.group, names),
        "scope": fill(declaration.scope, names),
        "files": [_file(declaration.role, one, names) for one in declaration.files],
        "activate": [_substituted(one, names) for one in declaration.activate],
    }


def _file(role: str, declared: dict[str, Any], names: _Names) -> dict[str, Any]:
    found: dict[str, Any] = {"path": fill(declared["path"], names)}
    if "link" in declared:
        return {**found, "link": fill(declared["link"], names)}
    if "digest" in declared:
        # Its content is a secret, and only the call that brings it to the host may know it.
        return {**found, "mode": declared["mode"], "secret": True, "digest": fill(declared["digest"], names)}
    source = declared["template"]
    source = source if "/" in source else f"{role}/{source}"
    found["mode"] = declared.get("mode", "0644")
    found["content"] = _content(source, found["path"], names)
    if tokens := tokens_in(found["content"]):
        # The host puts the passwords in their places, and nobody else may read the file.
        found |= {"mode": "0600", "secret": True, "tokens": tokens}
    if "check" in declared:
        found["check"] = declared["check"]
    return found


def _content(source: str, path: str, names: _Names) -> str:
    try:
        return str(template(source).render(names))
    except SinkError as error:
        message = f"{error} It was to stand in {path}. Nobody can plan that: please report it as a fault of {source}."
        raise SinkError(message) from None


def _substituted(value: Any, names: _Names) -> Any:
    """Render every string inside a declaration."""
    if isinstance(value, str):
        return fill(value, names)
    if isinstance(value, list):
        return [_substituted(one, names) for one in value]
    if isinstance(value, dict):
        return {key: _substituted(one, names) for key, one in value.items()}
    return value
