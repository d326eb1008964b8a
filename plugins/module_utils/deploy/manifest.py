# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The record, on each host, of what is ours there.

An entry tells what was last confirmed, and while a change is under way also what it was before (``previous``) and what
attempts that never ended may have left (``attempts``). So whenever a run is killed, everything that may lie on the host
is named here, and nothing is called applied that was not confirmed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation, Item, ScopeSpec, parse_scope

FORMAT = 1
DIRECTORY = "/var/lib/weft"

FileState = dict[str, Any]


@dataclass(frozen=True)
class Version:
    """One form of an item: its files' states by path, and its activations."""

    files: dict[str, FileState]
    activate: tuple[Activation, ...]
    digest: str

    @property
    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {"files": self.files, "activate": list(self.activate), "digest": self.digest}


def _version(raw: dict[str, Any]) -> Version:
    return Version(raw["files"], tuple(raw["activate"]), raw["digest"])


@dataclass(frozen=True)
class Entry:
    """What the manifest says of one item."""

    role: str
    phase: str
    group: str
    scope: str
    order: int
    state: str
    version: Version
    previous: Optional[Version] = None
    attempts: tuple[Version, ...] = ()

    @property
    def applied(self) -> bool:
        """True if the last change of the item was confirmed."""
        return self.state == "applied"

    def versions(self) -> Iterator[Version]:
        """Every form that may be on the host, the latest first."""
        yield self.version
        yield from self.attempts
        if self.previous is not None:
            yield self.previous

    def paths(self) -> set[str]:
        """Every file that may be on the host."""
        return {path for version in self.versions() for path in version.files}

    def activations(self) -> list[Activation]:
        """Every activation that may be in force, those of the latest form first."""
        unique: list[Activation] = []
        for version in self.versions():
            unique.extend(each for each in version.activate if each not in unique)
        return unique

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        raw: dict[str, Any] = {
            "role": self.role,
            "phase": self.phase,
            "group": self.group,
            "scope": self.scope,
            "order": self.order,
            "state": self.state,
            **self.version.state,
        }
        if self.previous is not None:
            raw["previous"] = self.previous.state
        if self.attempts:
            raw["attempts"] = [each.state for each in self.attempts]
        return raw


def _entry(raw: dict[str, Any]) -> Entry:
    return Entry(
        role=raw["role"],
        phase=raw["phase"],
        group=raw["group"],
        scope=raw["scope"],
        order=raw["order"],
        state=raw["state"],
        version=_version(raw),
        previous=_version(raw["previous"]) if "previous" in raw else None,
        attempts=tuple(_version(each) for each in raw.get("attempts", ())),
    )


def version_of(item: Item) -> Version:
    """The form in which the payload wants the item."""
    return Version({spec.path: spec.state for spec in item.files}, item.activate, item.digest)


def applying(item: Item, entry: Optional[Entry]) -> Entry:
    """The entry while the item is being changed from what ``entry`` says to what is wanted."""
    version = version_of(item)
    previous: Optional[Version] = None
    attempts: tuple[Version, ...] = ()
    if entry is not None:
        previous = entry.version if entry.applied else entry.previous
        if not entry.applied:
            known = (entry.version, *entry.attempts)
            attempts = tuple(each for each in known if each not in (version, previous))
    return Entry(item.role, item.phase, item.group, item.scope, item.order, "applying", version, previous, attempts)


def confirmed(entry: Entry) -> Entry:
    """The entry once its change is in force."""
    return replace(entry, state="applied", previous=None, attempts=())


def restored(entry: Entry) -> Optional[Entry]:
    """The entry once its change was taken back; None if the item was new."""
    if entry.previous is None:
        return None
    return replace(entry, state="applied", version=entry.previous, previous=None, attempts=())


@dataclass
class Manifest:
    """All entries by item id, the scopes they name, and the directories that the engine made."""

    fabric: str
    items: dict[str, Entry] = field(default_factory=dict)
    scopes: dict[str, ScopeSpec] = field(default_factory=dict)
    directories: dict[str, list[str]] = field(default_factory=dict)

    def owners(self, scope: str) -> dict[str, str]:
        """Which item owns each path of a scope."""
        return {path: name for name, entry in self.items.items() if entry.scope == scope for path in entry.paths()}

    def to_json(self) -> str:
        """The file's text: one item a line, so that a person can read and grep it."""
        lines = [
            f"{json.dumps(name)}: {json.dumps(entry.to_json(), sort_keys=True)}"
            for name, entry in sorted(self.items.items())
        ]
        head = {
            "format": FORMAT,
            "fabric": self.fabric,
            "scopes": {name: scope.state for name, scope in sorted(self.scopes.items())},
            "directories": {name: sorted(paths) for name, paths in sorted(self.directories.items()) if paths},
        }
        text = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, sort_keys=True)}" for key, value in head.items())
        return "{\n" + text + ',\n"items": {\n' + ",\n".join(lines) + "\n}\n}\n"


class ManifestFile:
    """The manifest on disk, replaced atomically."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.directory = directory
        self.path = f"{directory}/manifest.json"

    def read(self, fabric: str) -> Manifest:
        """The manifest of that fabric; an empty one if there is none. Never guesses about one it cannot read."""
        try:
            with open(self.path, encoding="utf-8") as source:
                raw = json.load(source)
        except FileNotFoundError:
            return Manifest(fabric)
        except (OSError, ValueError) as error:
            raise DeployError(
                f"The manifest {self.path} cannot be read ({error}). It records what the fabric owns on this host; "
                "restore it from a backup before the next run."
            ) from error
        return self._parse(raw, fabric)

    def _parse(self, raw: Any, fabric: str) -> Manifest:
        try:
            if raw["format"] != FORMAT:
                raise DeployError(
                    f"The manifest {self.path} has format {raw['format']}, this release knows {FORMAT}; "
                    "use the release that wrote it, or a later one."
                )
            if fabric and raw["fabric"] not in ("", fabric):
                raise DeployError(
                    f"This host belongs to the fabric {raw['fabric']!r} (says {self.path}), not to {fabric!r}; "
                    "a host serves one fabric. Remove it from the other one first."
                )
            return Manifest(
                raw["fabric"] or fabric,
                {name: _entry(each) for name, each in raw["items"].items()},
                {name: parse_scope(each) for name, each in raw["scopes"].items()},
                {name: list(paths) for name, paths in raw["directories"].items()},
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise DeployError(f"The manifest {self.path} is damaged: {error!r} is missing or wrong.") from error

    def write(self, manifest: Manifest) -> None:
        """Replace the file; it is on disk when this returns. An empty manifest leaves no file."""
        os.makedirs(self.directory, mode=0o755, exist_ok=True)
        if not manifest.items and not any(manifest.directories.values()):
            if os.path.exists(self.path):
                os.unlink(self.path)
            return
        temporary = f"{self.path}.weft-new"
        with open(temporary, "w", encoding="utf-8") as target:
            os.fchmod(target.fileno(), 0o600)
            target.write(manifest.to_json())
            target.flush()
            os.fsync(target.fileno())
        os.rename(temporary, self.path)
        handle = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
