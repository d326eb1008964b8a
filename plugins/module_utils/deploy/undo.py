# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back: files as they were, in force again; what is new goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.comparison import Change, steps_of
from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import Found
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import Version
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import FileSpec
from ansible_collections.weft.vpc.plugins.module_utils.deploy.rollback import RollbackStore
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope


class Undo:
    """Puts back what one scope's part of a change has begun. Raises DeployError or OSError where it cannot."""

    def __init__(self, scope: Scope, changes: Sequence[Change], store: RollbackStore) -> None:
        self.scope = scope
        self.store = store
        self.fresh = [change for change in changes if _confirmed(change) is None]
        self.changed = [change for change in changes if _confirmed(change) is not None]

    def run(self) -> None:
        """Put everything back."""
        self.scope.forget()
        if self.fresh:
            self._take_back()
        if self.changed:
            self._restore()

    def _take_back(self) -> None:
        """End what is new, the last first; in a machine, files of packages come back."""
        batch = Batch(self.scope, False)
        for change in self.fresh:
            for spec in change.item.files:
                found = change.found.get(spec.path) if change.entry is None else None
                batch.old[spec.path] = spec.content.encode() if spec.link is None else None
                batch.new[spec.path] = _spec(spec.path, found)
        steps = [step for change in reversed(self.fresh) for step in reversed(list(steps_of(change.item)))]
        self._perform(work for step in steps for work in _ending(step, batch))
        self._lay(batch)
        self._perform(work for step in steps for work in activator(step.activation).removed(step, batch))

    def _restore(self) -> None:
        """Bring what was confirmed last into force, whatever the live system makes of it now."""
        batch = Batch(self.scope, False)
        for change in self.changed:
            for path in (*(spec.path for spec in change.files), *change.gone, *change.unsure):
                now = self.scope.tree.look(path)
                batch.old[path] = now.content if now is not None else None
                batch.new[path] = self._former(change, path)
                batch.unsure.add(path)
        steps = [step for change in self.changed for step in _former_steps(change)]
        known = {activator(step.activation).key(step.activation) for step in steps}
        ended = [
            step
            for change in self.changed
            for step in steps_of(change.item)
            if activator(step.activation).key(step.activation) not in known
        ]
        self._perform(work for step in ended for work in _ending(step, batch))
        self._lay(batch)
        ranked = sorted(steps, key=lambda step: activator(step.activation).rank)
        self._perform(work for step in ranked for work in activator(step.activation).plan(step, batch))

    def _former(self, change: Change, path: str) -> Optional[FileSpec]:
        """The file as it was confirmed last; as it was found where that is not known."""
        version = _confirmed(change)
        state = version.files.get(path, {}) if version is not None else {}
        content = self.store.get(state["sha256"]) if "sha256" in state else None
        if content is not None:
            return FileSpec(path=path, content=content.decode(), mode=int(state["mode"], 8))
        return _spec(path, change.found.get(path))

    def _perform(self, works: Iterable[Work]) -> None:
        if self.scope.running:
            for work in works:
                work.run()

    def _lay(self, batch: Batch) -> None:
        for path, spec in batch.new.items():
            if spec is None:
                self.scope.tree.remove(path)
            else:
                self.scope.tree.prepare(spec)
                self.scope.tree.swap(path)


def _confirmed(change: Change) -> Optional[Version]:
    """The form of the item that was in force last; None if there never was one."""
    if change.entry is None:
        return None
    return change.entry.version if change.entry.applied else change.entry.previous


def _former_steps(change: Change) -> Iterable[Step]:
    version = _confirmed(change)
    for activation in version.activate if version is not None else ():
        kind = activator(activation)
        yield Step(activation, kind.files(activation, version.files if version is not None else ()), full=True)


def _ending(step: Step, batch: Batch) -> list[Work]:
    kind = activator(step.activation)
    return kind.plan(step, batch) if kind.shared else kind.remove(step, batch)


def _spec(path: str, found: Optional[Found]) -> Optional[FileSpec]:
    if found is None:
        return None
    return FileSpec(path=path, content=(found.content or b"").decode(), mode=found.mode, link=found.link)
