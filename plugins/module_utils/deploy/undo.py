# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back: files as they were, in force again; what is new goes; what was not reached is left alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch, Effect, Key, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.comparison import Change, steps_of
from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import Found
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import Version
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import FileSpec
from ansible_collections.weft.vpc.plugins.module_utils.deploy.rollback import RollbackStore
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope


class Undo:
    """Puts back what one scope's part of a change has begun. Raises DeployError or OSError where it cannot.

    ``begun`` is what this run has begun to do, ``others`` the live objects that were there before it. A machine that
    this run has ``booted`` has taken all over that lay there.
    """

    def __init__(
        self,
        scope: Scope,
        changes: Sequence[Change],
        store: RollbackStore,
        begun: Collection[Effect],
        others: Collection[Key],
        booted: bool,
    ) -> None:
        self.scope = scope
        self.store = store
        self.fresh = [change for change in changes if confirmed_form(change) is None]
        self.changed = [change for change in changes if confirmed_form(change) is not None]
        self.begun = set(begun)
        for change in changes:
            known = change.entry.activations() if change.entry is not None else []
            # Nobody knows how far a killed run came.
            if booted or (change.entry is not None and not change.entry.applied):
                self.begun |= {activator(each).effect(each) for each in (*known, *change.item.activate)}
        self.others = set(others)

    def run(self) -> None:
        """Put everything back."""
        self.scope.forget()
        if self.fresh:
            self._take_back()
        if self.changed:
            self._restore()

    def _reached(self, steps: Iterable[Step]) -> list[Step]:
        return [step for step in steps if activator(step.activation).effect(step.activation) in self.begun]

    def _take_back(self) -> None:
        """End what is new, the last first; in a machine, files of packages come back."""
        batch = Batch(self.scope, False)
        for change in self.fresh:
            for spec in change.item.files:
                found = change.found.get(spec.path) if change.entry is None else None
                batch.old[spec.path] = spec.content.encode() if spec.link is None else None
                batch.new[spec.path] = _spec(spec.path, found)
        steps = self._reached(step for change in reversed(self.fresh) for step in reversed(list(steps_of(change.item))))
        # A live object that was there before the item is not the item's to end.
        joined = [step for step in steps if _key(step) in self.others and not activator(step.activation).shared]
        ended = [step for step in steps if step not in joined]
        self._perform(work for step in ended for work in _ending(step, batch))
        self._lay(batch)
        self._perform(work for step in ended for work in activator(step.activation).removed(step, batch))
        self._perform(work for step in joined for work in activator(step.activation).plan(step, batch))

    def _restore(self) -> None:
        """Bring what was confirmed last into force, whatever the live system makes of it now."""
        batch = Batch(self.scope, False)
        for change in self.changed:
            for path in (*(spec.path for spec in change.files), *change.gone, *change.unsure):
                now = self.scope.tree.look(path)
                batch.old[path] = now.content if now is not None else None
                batch.new[path] = self._former(change, path)
                batch.unsure.add(path)
        steps = self._reached(step for change in self.changed for step in _former_steps(change))
        ended = self._reached(
            step for change in self.changed for step in steps_of(change.item) if _key(step) not in self.others
        )
        self._perform(work for step in ended for work in _ending(step, batch))
        self._lay(batch)
        ranked = sorted(steps, key=lambda step: activator(step.activation).rank)
        self._perform(work for step in ranked for work in activator(step.activation).plan(step, batch))

    def _former(self, change: Change, path: str) -> Optional[FileSpec]:
        """The file as it was confirmed last; as it was found where that is not known."""
        version = confirmed_form(change)
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
        """Put the files back that are not as they were: a full disk, say, has let none of them change."""
        tree = self.scope.tree
        for path, spec in batch.new.items():
            found = tree.look(path)
            if spec is None:
                tree.remove(path)
            elif found is None or found.state != spec.state:
                tree.prepare(spec)
                tree.swap(path)
        tree.sweep(os.path.dirname(path) for path in batch.new)


def _key(step: Step) -> Key:
    return activator(step.activation).key(step.activation)


def confirmed_form(change: Change) -> Optional[Version]:
    """The form of the item that was in force last; None if there never was one."""
    if change.entry is None:
        return None
    return change.entry.version if change.entry.applied else change.entry.previous


def _former_steps(change: Change) -> Iterable[Step]:
    version = confirmed_form(change)
    for activation in version.activate if version is not None else ():
        kind = activator(activation)
        yield Step(activation, kind.files(activation, version.files if version is not None else ()), full=True)


def _ending(step: Step, batch: Batch) -> list[Work]:
    kind = activator(step.activation)
    return kind.plan(step, batch) if kind.shared else kind.remove(step, batch)


def _spec(path: str, found: Optional[Found]) -> Optional[FileSpec]:
    if found is None:
        return None
    return FileSpec(path=path, content=found.text, mode=found.mode, link=found.link)
