# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One scope's part of a change: checked, swapped, activated and confirmed, or put back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy import daemons
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import (
    FILES,
    Batch,
    Effect,
    Key,
    Step,
    Work,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.comparison import Change, steps_of
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.faultpoints import faultpoint
from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import STAGING, Found
from ansible_collections.weft.vpc.plugins.module_utils.deploy.flowtable import TRANSLATION, flow_works
from ansible_collections.weft.vpc.plugins.module_utils.deploy.grouptable import GROUPS, group_works
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import Manifest, ManifestFile
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import FileSpec, sha256
from ansible_collections.weft.vpc.plugins.module_utils.deploy.report import Report
from ansible_collections.weft.vpc.plugins.module_utils.deploy.rollback import RollbackStore
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope, wait_for


@dataclass
class Host:
    """What all steps of a call share."""

    manifest: Manifest
    manifest_file: ManifestFile
    store: RollbackStore
    scopes: dict[str, Scope]
    report: Report
    simulate: bool
    starting: set[str] = field(default_factory=set)
    """Units that this run starts, one day."""
    started: set[str] = field(default_factory=set)
    """Those of them that it has begun to start."""
    rehearsing: bool = False
    """True while check mode goes through calls that came before: what they say and refuse they have said."""

    def perform(self, works: Iterable[Work]) -> None:
        """Do the works, or only name them."""
        for work in works:
            self.report.actions.append(work.text)
            if not self.simulate:
                work.run()
                faultpoint("activate")
        # A unit may have restarted a machine: what is known of its processes is out of date.
        for scope in self.scopes.values():
            scope.forget()

    def save(self) -> None:
        """Write the manifest."""
        if not self.simulate:
            self.manifest_file.write(self.manifest)
            faultpoint("manifest")

    def forget_contents(self) -> None:
        """Drop replaced contents that no entry may go back to."""
        if self.simulate:
            return
        needed = (
            state["sha256"]
            for entry in self.manifest.items.values()
            if entry.previous is not None
            for state in entry.previous.files.values()
            if "sha256" in state
        )
        self.store.retain(needed)

    def await_machines(self) -> None:
        """Wait for the machines that were started."""
        for scope in self.scopes.values():
            if not self.simulate and scope.spec.unit in self.started and not scope.running:
                scope.wait_until_up()

    def drop_directories(self, scope: Scope, paths: Iterable[str]) -> None:
        """Remove directories that the engine made and that are empty now."""
        ours = set(self.manifest.directories.get(scope.name, ()))
        above = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(2, path.count("/") + 1)}
        for directory in sorted(ours & above, reverse=True):
            if scope.tree.remove_directory(directory):
                ours.discard(directory)
        self.manifest.directories[scope.name] = sorted(ours)


class Part:
    """Consecutive changes of one scope within a transaction."""

    def __init__(self, host: Host, scope: Scope, changes: Sequence[Change]) -> None:
        self.host = host
        self.scope = scope
        self.changes = changes
        self.checked = False
        self.begun: set[Effect] = set()
        """What this run has begun to do."""
        self.batch = Batch(scope, host.simulate, starting=host.starting)
        for change in changes:
            self._view(change)
        self.steps = self._steps()
        self.endings: list[Work] = []
        self.works: list[Work] = []
        self.starts: set[str] = set()

    def _view(self, change: Change) -> None:
        written = {spec.path: spec for spec in change.files}
        for path, spec in {**dict.fromkeys(change.gone), **written}.items():
            # A file that one item gives up and another one takes is written.
            if spec is not None or path not in self.batch.new:
                self.batch.new[path] = spec
            found = change.found.get(path)
            self.batch.old[path] = found.content if found is not None else None
        self.batch.unsure |= change.unsure

    def _steps(self) -> list[Step]:
        """The activations of all changes, each once: by rank, then where it is named first.

        A unit may hand out links as soon as it starts; networkd misses one that appears while it reloads.
        """
        steps: dict[Key, Step] = {}
        for change in self.changes:
            for step in itertools.chain(steps_of(change.item), self._ended_parts(change)):
                key = activator(step.activation).key(step.activation)
                step.full = key in change.full
                known = steps.setdefault(key, step)
                known.files |= step.files
                known.full |= step.full
        return sorted(steps.values(), key=lambda step: activator(step.activation).rank)

    @staticmethod
    def _ended_parts(change: Change) -> Iterable[Step]:
        """What an item contributes no more to a live object that has other contributors."""
        for activation in change.ended:
            kind = activator(activation)
            if kind.shared:
                yield Step(activation, kind.files(activation, change.gone))

    def refuse_foreign(self) -> None:
        """Nothing that is there and not ours is taken over."""
        owners = self.host.manifest.owners(self.scope.name)
        objects = self._recorded_objects()
        for change in self.changes:
            for spec in change.files:
                self._refuse_file(change, spec, owners)
            if change.entry is None and not self.scope.machine:
                self._refuse_objects(change, objects)

    def _recorded_objects(self, without: str = "") -> set[Key]:
        """Live objects that the manifest names, but for one item's."""
        return {
            activator(each).key(each)
            for name, entry in self.host.manifest.items.items()
            if name != without and entry.scope == self.scope.name
            for each in (entry.version.activate if without else entry.activations())
        }

    def _refuse_file(self, change: Change, spec: FileSpec, owners: dict[str, str]) -> None:
        found = change.found.get(spec.path)
        path = self.scope.tree.real(spec.path)
        if found is None or spec.path in owners:
            return
        if not self.scope.machine:
            raise DeployError(
                f"The file {path} exists and is not ours; {change.item.id} will not overwrite it. "
                "Move it away and run again; nothing of its group was changed."
            )
        if found.content is None and found.link is None:
            raise DeployError(f"{path}, which {change.item.id} needs, is neither a file nor a symbolic link.")

    def _refuse_objects(self, change: Change, ours: set[Key]) -> None:
        for step in steps_of(change.item):
            kind = activator(step.activation)
            reason = None if kind.key(step.activation) in ours else kind.taken(step, self.scope)
            if reason is not None:
                raise DeployError(f"{change.item.id} cannot be deployed: {reason}. Nothing of its group was changed.")

    def check(self) -> None:
        """Let the daemons judge the new files, none of which is in place yet."""
        self.checked = True
        specs = [spec for change in self.changes for spec in change.files]
        if any(spec.check for spec in specs):
            made = self.scope.tree.missing_directories(f"{STAGING}/file")
            try:
                self.scope.tree.stage(specs)
                for spec in specs:
                    self._check(spec)
            finally:
                self.scope.tree.clear_staging()
                for directory in reversed(made):
                    self.scope.tree.remove_directory(directory)
        for step in self.steps:
            reason = activator(step.activation).refusal(step, self.batch)
            if reason is not None:
                raise DeployError(f"{reason}\nNothing of it is in force{self.scope.suffix}.")

    def _check(self, spec: FileSpec) -> None:
        if spec.check is None:
            return
        staged = STAGING + spec.path
        command = spec.check.replace("{path}", staged).replace("{root}", STAGING)
        result = self.scope.attempt_check(["/bin/sh", "-c", command])
        if result.status:
            shown = spec.check.replace("{path}", spec.path).replace("{root}", "")
            raise DeployError(
                f"The new {self.scope.tree.real(spec.path)} is refused by `{shown}`; the old one stays in force:\n"
                + result.message.replace(STAGING, "")
            )

    def plan(self) -> None:
        """Decide what is to be done, all before anything is: what a run finds when it gets there, check mode cannot."""
        before = set(self.host.starting)
        self.endings = self._endings()
        self.works = self._activations()
        self.starts = self.host.starting - before
        for change in self.changes:
            for step in self._ended(change):
                self.works += self._noted(step, activator(step.activation).removed(step, self.batch))
        self.works += self._flows()

    def perform(self) -> None:
        """Swap the files and activate them (or, in check mode, say so)."""
        if not self.scope.ready and not self.host.simulate and self.batch.new:
            raise DeployError(
                f"The root of {self.scope.name}, {self.scope.spec.root}, is not mounted, so its files cannot be "
                f"written. See `systemctl status {self.scope.spec.unit}`."
            )
        self._name_files()
        self.host.perform(self.endings)
        if self.host.simulate:
            self._imagine()
        else:
            self._swap()
        self.host.started |= self.starts
        self.host.perform(self.works)
        self.host.await_machines()

    def _name_files(self) -> None:
        secrets = {spec.path for change in self.changes for spec in change.item.files if spec.secret}
        for change in self.changes:
            for path in [spec.path for spec in change.files] + change.gone:
                wanted = self.batch.new[path]
                secret = path in secrets or was_secret(change.found.get(path))
                self.host.report.file(self.scope.tree.real(path), change.found.get(path), wanted, secret)

    def _ended(self, change: Change) -> Iterable[Step]:
        """Live objects that nobody wants any more."""
        if not change.ended:
            return
        wanted = self._recorded_objects(without=change.item.id)
        wanted |= {activator(step.activation).key(step.activation) for step in self.steps}
        for activation in change.ended:
            kind = activator(activation)
            if not kind.shared and kind.key(activation) not in wanted:
                yield Step(activation, kind.files(activation, change.gone))

    def _endings(self) -> list[Work]:
        if not self.batch.commanded:
            return []
        return [
            work
            for change in self.changes
            for step in self._ended(change)
            for work in self._noted(step, activator(step.activation).remove(step, self.batch))
        ]

    def _swap(self) -> None:
        tree = self.scope.tree
        self.begun.add(FILES)
        for change in self.changes:
            self._keep_contents(change)
        for spec in self.batch.new.values():
            if spec is not None:
                tree.prepare(spec)
        faultpoint("prepare")
        owners = self._other_owners()
        for path, spec in self.batch.new.items():
            if spec is not None:
                tree.swap(path)
                faultpoint("swap")
            elif path not in owners:
                tree.remove(path)
                faultpoint("unlink")

    def _imagine(self) -> None:
        """What comes later in check mode finds the files as it would."""
        owners = self._other_owners()
        for path, spec in self.batch.new.items():
            if spec is not None or path not in owners:
                self.scope.tree.imagine(path, spec)

    def _keep_contents(self, change: Change) -> None:
        """Lay what was confirmed last aside, if it is what lies there."""
        if change.entry is None:
            return
        recorded = (change.entry.previous or change.entry.version).files
        for path, found in change.found.items():
            content = found.content if found is not None and path in self.batch.new else None
            if content is not None and recorded.get(path, {}).get("sha256") == sha256(content):
                self.host.store.keep(content)

    def _other_owners(self) -> set[str]:
        """Paths that items outside of this part have."""
        inside = {change.item.id for change in self.changes}
        return {
            path
            for name, entry in self.host.manifest.items.items()
            if name not in inside and entry.scope == self.scope.name
            for path in entry.version.files
        }

    def _activations(self) -> list[Work]:
        works: list[Work] = []
        for step in self.steps:
            kind = activator(step.activation)
            if kind.offline or self.batch.commanded:
                works += self._noted(step, kind.plan(step, self.batch))
        return works

    def _noted(self, step: Step, works: Iterable[Work]) -> list[Work]:
        """The works, each of which says that it has begun."""
        effect = activator(step.activation).effect(step.activation)

        def begin(work: Work) -> None:
            self.begun.add(effect)
            work.run()

        return [Work(work.text, partial(begin, work)) for work in works]

    def _flows(self) -> list[Work]:
        return [
            *flow_works(self.batch, self._confirmed(TRANSLATION)),
            *group_works(self.batch, self._confirmed(GROUPS)),
        ]

    def _confirmed(self, path: str) -> str:
        """The file that live flows were made under, as far as it is known."""
        for change in self.changes:
            previous = change.entry.previous if change.entry is not None else None
            digest = previous.files.get(path, {}).get("sha256") if previous is not None else None
            kept = self.host.store.get(digest) if digest else None
            if kept is not None:
                return kept.decode()
        # In a machine's tree, anybody may have written it.
        text = self.batch.old_text(path) if path in self.batch.new else ""
        return text if not self.scope.machine or sha256(text.encode()) in self._digests(path) else ""

    def _digests(self, path: str) -> set[str]:
        """Of all forms in which we have written a file."""
        entries = (change.entry for change in self.changes if change.entry is not None)
        states = (version.files.get(path, {}) for entry in entries for version in entry.versions())
        return {state.get("sha256", "") for state in states}

    def confirm(self) -> None:
        """Wait until everything is in force, or fail with the reason."""
        if not self.scope.running:
            return
        for step in self.steps:
            confirm(step, self.scope)


def confirm(step: Step, scope: Scope) -> None:
    """Wait until an activation is in force, or fail with the reason."""
    kind = activator(step.activation)
    decided, half = partial(_decided, step, scope), kind.patience() / 2
    if not wait_for(decided, half):
        if kind.remedy:
            daemons.restart(kind.remedy, scope)
        wait_for(decided, half)
    reason = kind.unconfirmed(step, scope)
    if reason is not None:
        words = daemons.last_words(kind.remedy, scope) if kind.remedy else kind.last_words(step, scope)
        raise DeployError(f"After the change {reason}.\n{words}".rstrip())


def was_secret(found: Optional[Found]) -> bool:
    """A file that only root could read is not shown either when it goes."""
    return found is not None and found.link is None and not found.mode & 0o077


def _decided(step: Step, scope: Scope) -> bool:
    """True once a live object is in force, or will never be."""
    kind = activator(step.activation)
    return kind.unconfirmed(step, scope) is None or kind.hopeless(step, scope)
