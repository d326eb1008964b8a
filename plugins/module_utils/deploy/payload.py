# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the controller sends, as typed objects.

The digests are also computed on the controller, which compares them with those of a host's manifest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.places import filled, router_of

PHASES = ("segments", "routers", "ports", "removal")

Activation = Mapping[str, Any]
"""``{"kind": ..., ...}``, see the activators."""


def sha256(content: bytes) -> str:
    """The hash by which contents are told apart everywhere here."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class FileSpec:
    """A file as wanted: a regular one with content, or a symbolic link."""

    path: str
    content: str = ""
    mode: int = 0o644
    link: Optional[str] = None
    check: Optional[str] = None
    secret: bool = False

    @property
    def state(self) -> dict[str, Any]:
        """What the manifest records: ``{"sha256", "mode"}`` or ``{"link"}``."""
        if self.link is not None:
            return {"link": self.link}
        return {"sha256": sha256(self.content.encode()), "mode": f"{self.mode:04o}"}


@dataclass(frozen=True)
class Item:
    """One object's part on this host: files and how they become active."""

    id: str
    role: str
    phase: str
    group: str
    scope: str
    files: tuple[FileSpec, ...]
    activate: tuple[Activation, ...]
    digest: str
    order: int = 0

    def file(self, path: str) -> Optional[FileSpec]:
        """The wanted file of that path, if it is this item's."""
        return next((spec for spec in self.files if spec.path == path), None)


@dataclass(frozen=True)
class ScopeSpec:
    """Where files lie: the host itself, or the root tree of a machine on it."""

    name: str
    root: str
    unit: Optional[str] = None
    uid_base: int = 0

    @property
    def state(self) -> dict[str, Any]:
        """What the manifest records, in the payload's own form."""
        state: dict[str, Any] = {"name": self.name, "root": self.root}
        if self.unit:
            state.update(unit=self.unit, uid_base=self.uid_base)
        return state


@dataclass(frozen=True)
class Payload:
    """Everything that one call is told."""

    fabric: str
    phase: str
    scopes: dict[str, ScopeSpec]
    items: tuple[Item, ...]
    packages: dict[str, str] = field(default_factory=dict)
    install_packages: bool = True
    roles: Optional[frozenset[str]] = None
    max_removal_percent: int = 40

    def covers(self, role: str) -> bool:
        """True if this call may compare, change and prune items of that role."""
        return self.roles is None or role in self.roles


def item_digest(raw: Mapping[str, Any]) -> str:
    """Hash of an item as it is sent, by which the controller tells whether the host has it."""
    return sha256(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode())


def _file(raw: Mapping[str, Any], where: str, scope: str, secrets: Mapping[str, str]) -> FileSpec:
    path = raw["path"]
    if not path.startswith("/") or ".." in path.split("/") or path.endswith("/"):
        raise DeployError(f"The path {path!r} of {where} is not absolute and plain.")
    secret = bool(raw.get("secret", False))
    content = raw.get("content", "")
    if "digest" in raw:
        # A secret content comes apart from the item, which is recorded and compared without it.
        content = secrets.get(raw["digest"], "")
        if sha256(content.encode()) != raw["digest"]:
            raise DeployError(f"The content of {path} of {where} did not come with the payload.")
    for token in raw.get("tokens", ()):
        if scope != f"router:{router_of(token)}":
            raise DeployError(f"A password in {path} of {where} is for the router {router_of(token)}.")
        if token not in secrets:
            raise DeployError(f"A password in {path} of {where} did not come with the payload.")
    return FileSpec(
        path=path,
        content=filled(content, secrets) if raw.get("tokens") else content,
        mode=int(raw.get("mode", "0600" if secret else "0644"), 8),
        link=raw.get("link"),
        check=raw.get("check"),
        secret=secret,
    )


def _item(raw: Mapping[str, Any], order: int, secrets: Mapping[str, str]) -> Item:
    where = f"item {raw['id']}"
    if raw["phase"] not in PHASES[:-1]:
        raise DeployError(f"The phase {raw['phase']!r} of {where} is none of {', '.join(PHASES[:-1])}.")
    return Item(
        id=raw["id"],
        role=raw["role"],
        phase=raw["phase"],
        group=raw["group"],
        scope=raw["scope"],
        files=tuple(_file(each, where, raw["scope"], secrets) for each in raw.get("files", [])),
        activate=tuple(raw.get("activate", [])),
        digest=item_digest(raw),
        order=order,
    )


def parse_scope(raw: Mapping[str, Any]) -> ScopeSpec:
    """A scope from the payload or from a manifest."""
    return ScopeSpec(raw["name"], raw["root"], raw.get("unit"), int(raw.get("uid_base") or 0))


def parse_items(raw: Sequence[Mapping[str, Any]], secrets: Optional[Mapping[str, str]] = None) -> tuple[Item, ...]:
    """Items in the order of the list; duplicates of an id or of a path are refused."""
    items = tuple(_item(each, order, secrets or {}) for order, each in enumerate(raw))
    owners: dict[tuple[str, str], str] = {}
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise DeployError(f"The item {item.id} is there twice.")
        seen.add(item.id)
        for spec in item.files:
            other = owners.setdefault((item.scope, spec.path), item.id)
            if other != item.id:
                raise DeployError(f"The file {spec.path} of scope {item.scope} belongs to {other} and to {item.id}.")
    return items


def parse(raw: Mapping[str, Any]) -> Payload:
    """The payload as typed objects; DeployError says what is wrong with it."""
    try:
        scopes = {each["name"]: parse_scope(each) for each in raw["scopes"] or ()}
        items = parse_items(raw["items"] or (), raw.get("secrets"))
        phase, fabric = raw["phase"], raw.get("fabric") or ""
    except KeyError as error:
        raise DeployError(f"The payload lacks {error}.") from error
    if phase not in PHASES:
        raise DeployError(f"The phase {phase!r} is none of {', '.join(PHASES)}.")
    for item in items:
        if item.scope not in scopes:
            raise DeployError(f"Item {item.id} names the scope {item.scope}, which the payload does not have.")
    roles = raw.get("roles")
    return Payload(
        fabric=fabric,
        phase=phase,
        scopes=scopes,
        items=items,
        packages=dict(raw.get("packages") or {}),
        install_packages=bool(raw.get("install_packages", True)),
        roles=None if roles is None else frozenset(roles),
        max_removal_percent=int(raw.get("max_removal_percent", 40)),
    )
