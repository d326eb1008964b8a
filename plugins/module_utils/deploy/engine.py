# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One call: what the host should have of one phase, made so with the least that will do."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from ansible_collections.weft.vpc.plugins.module_utils.deploy import packages
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators import nftables
from ansible_collections.weft.vpc.plugins.module_utils.deploy.comparison import Change, compare
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import (
    DIRECTORY,
    Entry,
    Manifest,
    ManifestFile,
    version_of,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.part import Host
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import PHASES, FileSpec, Item, Payload, parse
from ansible_collections.weft.vpc.plugins.module_utils.deploy.removal import Removal, guard, obsolete
from ansible_collections.weft.vpc.plugins.module_utils.deploy.report import Report
from ansible_collections.weft.vpc.plugins.module_utils.deploy.rollback import RollbackStore
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope, find_leaders, wait_for
from ansible_collections.weft.vpc.plugins.module_utils.deploy.transaction import Transaction

LOCK = "/run/weft-deploy.lock"
PATIENCE = 120.0
"""Seconds to wait for another run's end."""


def deploy(raw: Mapping[str, Any], simulate: bool, directory: str = DIRECTORY, lock: str = LOCK) -> Report:
    """Carry out one call; DeployError says why it failed, everything being as it was before the failing group."""
    payload = parse(raw)
    with _locked(lock):
        return Engine(payload, simulate, directory).run()


@contextmanager
def _locked(path: str) -> Iterator[None]:
    """Two runs at once on one host would each undo the other's half-done work. The lock ends with the process."""
    with open(path, "a", encoding="ascii") as lock:
        # A run whose controller was killed may still be at work here for a while.
        if not wait_for(lambda: _lock(lock), PATIENCE):
            raise DeployError(f"Another run has been deploying to this host for {PATIENCE:g} s; wait for its end.")
        yield


def _lock(handle: TextIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Engine:
    """One call's work on one host."""

    def __init__(self, payload: Payload, simulate: bool, directory: str = DIRECTORY) -> None:
        self.payload = payload
        manifest_file = ManifestFile(directory)
        manifest = manifest_file.read(payload.fabric)
        specs = {**manifest.scopes, **payload.scopes}
        self.host = Host(
            manifest=manifest,
            manifest_file=manifest_file,
            store=RollbackStore(directory),
            scopes={name: Scope(spec) for name, spec in specs.items()},
            report=Report(),
            simulate=simulate,
        )
        find_leaders(self.host.scopes.values())

    def run(self) -> Report:
        """Do the phase and say what was done."""
        guard(self.payload, self.host.manifest)
        self.host.perform(packages.works(self.payload))
        if not self.host.simulate:
            self._sweep()
        if self.host.simulate:
            self._rehearse()
        if self.payload.phase == "removal":
            Removal(self.host, self.payload).run()
        else:
            self._apply(self.payload.phase)
        self.host.report.pending = self._pending()
        self.host.report.warnings = [note for scope in self.host.scopes.values() for note in self._notes(scope)]
        return self.host.report

    def _notes(self, scope: Scope) -> Iterator[str]:
        yield from scope.notes
        reason = scope.shares_ids if self.payload.phase == "routers" else None
        if reason is not None:
            yield (
                f"{scope.suffix[4:].capitalize()} has no user ids of its own on this node, because its root cannot be "
                f"mounted with them ({reason}): whoever breaks out of its mounts is the same user as in other such "
                "routers. Put /var/lib/weft onto ext4, XFS or Btrfs, and restart "
                f"weft-root@{scope.name.partition(':')[2]}.service."
            )

    def _sweep(self) -> None:
        """Clear what a killed run left behind."""
        for name, scope in self.host.scopes.items():
            if scope.ready:
                scope.tree.sweep(_unfinished_directories(self.host.manifest, name))
        self.host.forget_contents()

    def _rehearse(self) -> None:
        """Go through the calls before this one, which have changed nothing, so that the manifest says what it would."""
        report, self.host.report, self.host.rehearsing = self.host.report, Report(), True
        for phase in PHASES[: PHASES.index(self.payload.phase)]:
            self._apply(phase)
        self.host.report, self.host.rehearsing = report, False
        # Each call is a new one.
        self.host.starting.clear()

    def _apply(self, phase: str) -> None:
        changes = [change for change in self._changes(phase) if change.needed or not change.recorded]
        for unit in _rollback_units(changes, self._groups_with_machines()):
            needed = [change for change in unit if change.needed]
            if needed:
                Transaction(self.host, self._with_obsolete_rules(needed)).run()
            self._record([change for change in unit if not change.needed])

    def _changes(self, phase: str) -> list[Change]:
        """What each item of the phase lacks."""
        items = [item for item in self.payload.items if item.phase == phase and self.payload.covers(item.role)]
        return [compare(item, self.host.manifest, self.host.scopes[item.scope]) for item in items]

    def _groups_with_machines(self) -> set[str]:
        return {item.group for item in self.payload.items if self.host.scopes[item.scope].machine}

    def _record(self, changes: Sequence[Change]) -> None:
        """Only what the manifest says of these items is out of date (their group, say); nothing is to be done."""
        for change in changes:
            item = change.item
            self.host.manifest.scopes[item.scope] = self.host.scopes[item.scope].spec
            self.host.manifest.items[item.id] = Entry(
                item.role, item.phase, item.group, item.scope, item.order, "applied", version_of(item)
            )
        if changes:
            self.host.save()

    def _with_obsolete_rules(self, changes: Sequence[Change]) -> list[Change]:
        """Let rules that are to go anyway go in the transaction that brings the new ones.

        A new element with the key of an obsolete one could not be loaded beside it, neither now nor by a boot before
        the removal phase; and a chain goes with the last jump to it. So they go right after the last of the new rules.
        """
        scopes = {change.item.scope for change in changes}
        extra = list(self._obsolete_rules(scopes))
        order = {change.item.id: number for number, change in enumerate(changes)}
        last = {change.item.scope: order[change.item.id] for change in changes}
        last |= {change.item.scope: order[change.item.id] for change in changes if _brings_rules(change)}
        return sorted([*changes, *extra], key=lambda change: order.get(change.item.id, last[change.item.scope]))

    def _obsolete_rules(self, scopes: set[str]) -> Iterator[Change]:
        """What gives up the rules of these scopes that nobody wants."""
        for name, entry in obsolete(self.payload, self.host.manifest):
            paths = sorted(path for path in entry.paths() if nftables.belongs(path))
            if paths and entry.scope in scopes:
                yield self._without(name, entry, paths)

    def _without(self, name: str, entry: Entry, paths: Sequence[str]) -> Change:
        """The change of an obsolete item that gives its rules up."""
        rules = [each for each in entry.activations() if each["kind"] == nftables.Nftables.kind]
        scope = self.host.scopes[entry.scope]
        item = Item(
            id=name,
            role=entry.role,
            phase=entry.phase,
            group=entry.group,
            scope=entry.scope,
            # The others stay its own until the removal.
            files=_as_found(scope, entry.paths() - set(paths)),
            activate=tuple(each for each in entry.version.activate if each not in rules),
            digest="",
            order=entry.order,
        )
        change = Change(item, entry, gone=list(paths), ended=rules)
        change.found = {path: scope.tree.look(path) for path in paths} if scope.ready else {}
        return change

    def _pending(self) -> dict[str, int]:
        """How many items each phase has still to do, by the manifest."""
        items = self.host.manifest.items
        count = dict.fromkeys(PHASES, 0)
        for item in self.payload.items:
            entry = items.get(item.id)
            done = entry is not None and entry.applied and entry.version.digest == item.digest
            if self.payload.covers(item.role) and not done:
                count[item.phase] += 1
        count["removal"] = len(obsolete(self.payload, self.host.manifest))
        return count


def _brings_rules(change: Change) -> bool:
    return any(nftables.belongs(path) for path in [*(spec.path for spec in change.files), *change.gone])


def _as_found(scope: Scope, paths: Iterable[str]) -> tuple[FileSpec, ...]:
    """The files that lie there."""
    found = {path: scope.tree.look(path) for path in sorted(paths)} if scope.ready else {}
    return tuple(FileSpec(path, one.text, one.mode, one.link) for path, one in found.items() if one is not None)


def _unfinished_directories(manifest: Manifest, scope: str) -> set[str]:
    return {
        os.path.dirname(path)
        for entry in manifest.items.values()
        if entry.scope == scope and not entry.applied
        for path in entry.paths()
    }


def _rollback_units(changes: Sequence[Change], alone: Container[str]) -> list[list[Change]]:
    """The changes by group, in order of each group's first item.

    Neighbouring groups of the host share one transaction: a hundred segments need one reload, not a hundred. Those of
    machines are ``alone``, whatever of them changes: one must not be undone for the sake of others.
    """
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(change.item.group, []).append(change)
    units: list[list[Change]] = []
    neighbours = False
    for name, group in groups.items():
        plain = name not in alone
        if plain and neighbours:
            units[-1].extend(group)
        else:
            units.append(group)
        neighbours = plain
    return units
