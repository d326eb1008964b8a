# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A group's change as a whole: all of it becomes active, or nothing stays of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Key
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.comparison import Change
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import applying, confirmed, restored
from ansible_collections.weft.vpc.plugins.module_utils.deploy.part import Host, Part
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation
from ansible_collections.weft.vpc.plugins.module_utils.deploy.undo import Undo, confirmed_form

NAMED = 12
"""So many files are named in an error."""


class Transaction:
    """The changes of one rollback unit, in parts of consecutive changes of one scope."""

    def __init__(self, host: Host, changes: Sequence[Change]) -> None:
        self.host = host
        self.changes = changes
        grouped = itertools.groupby(changes, key=lambda change: change.item.scope)
        self.parts = [Part(host, host.scopes[scope], list(each)) for scope, each in grouped]

    def run(self) -> None:
        """Bring the change about; on failure put everything back and raise DeployError."""
        for part in self.parts:
            if part.scope.ready and not self.host.rehearsing:
                part.refuse_foreign()
                part.check()
        for part in self.parts:
            part.plan()
        self._record_begin()
        try:
            for part in self.parts:
                self._perform(part)
            self._confirm()
        except (DeployError, OSError) as error:
            if self.host.simulate:
                raise
            raise DeployError(f"{error}\n{self._put_back()}") from error
        self._record_end()

    def _perform(self, part: Part) -> None:
        if not part.checked and part.scope.ready and not self.host.rehearsing:
            part.refuse_foreign()
            part.check()
        part.perform()

    def _confirm(self) -> None:
        if not self.host.simulate:
            for part in self.parts:
                part.confirm()

    def _record_begin(self) -> None:
        manifest = self.host.manifest
        for change in self.changes:
            manifest.items[change.item.id] = applying(change.item, change.entry)
            scope = self.host.scopes[change.item.scope]
            manifest.scopes[scope.name] = scope.spec
            if scope.ready:
                self._record_directories(change)
        self.host.save()

    def _record_directories(self, change: Change) -> None:
        scope = self.host.scopes[change.item.scope]
        ours = set(self.host.manifest.directories.get(scope.name, ()))
        for spec in change.files:
            ours.update(scope.tree.missing_directories(spec.path))
        self.host.manifest.directories[scope.name] = sorted(ours)

    def _record_end(self) -> None:
        manifest = self.host.manifest
        for change in self.changes:
            manifest.items[change.item.id] = confirmed(manifest.items[change.item.id])
        if not self.host.simulate:
            for part in self.parts:
                self.host.drop_directories(part.scope, part.batch.new)
        self.host.save()
        self.host.forget_contents()

    def _put_back(self) -> str:
        """Undo what was begun, the last part first; returns what to tell the user."""
        failures: list[str] = []
        for part in reversed(self.parts):
            if part.begun:
                try:
                    booted = part.scope.spec.unit in self.host.started
                    there = self._there_before(part)
                    Undo(part.scope, part.changes, self.host.store, part.begun, there, booted).run()
                except (DeployError, OSError) as error:
                    failures.append(str(error))
        if failures:
            # The entries stay as they are: the next run brings everything about anew.
            return "Putting everything back failed as well:\n" + "\n".join(failures)
        self._record_restored()
        begun = [part for part in self.parts if part.begun]
        paths = [part.scope.tree.real(path) for part in begun for path in part.batch.new]
        named = ", ".join(paths[:NAMED]) + (f" and {len(paths) - NAMED} more" if len(paths) > NAMED else "")
        return f"Everything was put back as it was, with these files: {named}." if paths else "Nothing was changed."

    def _there_before(self, part: Part) -> set[Key]:
        """Live objects of the part's scope that were there before the change."""
        inside = {change.item.id: change for change in self.changes}
        return {
            activator(each).key(each)
            for name, entry in self.host.manifest.items.items()
            if entry.scope == part.scope.name
            for each in (_confirmed_activations(inside[name]) if name in inside else entry.activations())
        }

    def _record_restored(self) -> None:
        manifest = self.host.manifest
        for change in self.changes:
            entry = restored(manifest.items[change.item.id])
            if entry is None:
                del manifest.items[change.item.id]
            else:
                manifest.items[change.item.id] = entry
        for part in self.parts:
            self.host.drop_directories(part.scope, _paths(part.changes))
        self.host.save()
        self.host.forget_contents()


def _confirmed_activations(change: Change) -> Sequence[Activation]:
    version = confirmed_form(change)
    return version.activate if version is not None else ()


def _paths(changes: Iterable[Change]) -> set[str]:
    return {spec.path for change in changes for spec in change.item.files}
