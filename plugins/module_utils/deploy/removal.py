# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What left the inventory leaves the host: the live object, then its files, then its line in the manifest."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.faultpoints import faultpoint
from ansible_collections.weft.vpc.plugins.module_utils.deploy.grouptable import GROUPS, group_works
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import Entry, Manifest
from ansible_collections.weft.vpc.plugins.module_utils.deploy.part import Host, was_secret
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import PHASES, Payload
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

FEW = 3
"""So many items may always go, however large their share is."""

Named = tuple[str, Entry]


def obsolete(payload: Payload, manifest: Manifest) -> list[Named]:
    """Items that are recorded and not wanted, the last created first."""
    wanted = {item.id for item in payload.items}
    found = [
        (name, entry) for name, entry in manifest.items.items() if name not in wanted and payload.covers(entry.role)
    ]
    return sorted(found, key=lambda named: (PHASES.index(named[1].phase), named[1].order, named[0]), reverse=True)


def guard(payload: Payload, manifest: Manifest) -> None:
    """Refuse to remove more than the set share of what is there."""
    gone = len(obsolete(payload, manifest))
    total = sum(payload.covers(entry.role) for entry in manifest.items.values())
    if gone > FEW and gone * 100 > total * payload.max_removal_percent:
        raise DeployError(
            f"This run would remove {gone} of the {total} items on this host, more than the allowed "
            f"{payload.max_removal_percent} %; nothing was changed. If that is meant, raise max_removal_percent."
        )


@dataclass
class Leaving:
    """What leaves one scope, and what is to be done for that."""

    batch: Batch
    gone: Sequence[Named]
    endings: list[Work] = field(default_factory=list)
    """Before the files go."""
    rest: list[Work] = field(default_factory=list)


class Removal:
    """The end of all obsolete items, scope by scope."""

    def __init__(self, host: Host, payload: Payload) -> None:
        self.host = host
        self.payload = payload
        self.gone = obsolete(payload, host.manifest)

    def run(self) -> None:
        """Remove everything that is not wanted any more."""
        if not self.gone:
            return
        for name, entry in self.gone:
            self.host.manifest.items[name] = replace(entry, state="removing")
        self.host.save()
        # All is decided before anything is done: what goes first takes with it what others would have ended.
        leaving = [
            self._plan(scope, list(each)) for scope, each in itertools.groupby(self.gone, key=lambda one: one[1].scope)
        ]
        for each in leaving:
            self._remove(each)
        self._forget_scopes()

    def _plan(self, scope_name: str, gone: Sequence[Named]) -> Leaving:
        scope = self.host.scopes[scope_name]
        batch = Batch(scope, self.host.simulate, starting=self.host.starting)
        leaving = Leaving(batch, gone)
        kept = self._kept_paths(scope_name)
        for _name, entry in gone:
            for path in sorted(entry.paths() - kept):
                found = scope.tree.look(path) if scope.ready else None
                batch.new[path] = None
                batch.old[path] = found.content if found is not None else None
                if found is not None:
                    self.host.report.file(scope.tree.real(path), found, None, was_secret(found))
        # A machine that goes as a whole is stopped, not taken apart while its tenant's traffic still passes.
        if scope.running and scope_name in self.payload.scopes:
            # Rules are the last to go: until then what passes is under them.
            steps = sorted(self._steps(scope_name, gone), key=lambda step: activator(step.activation).outlasts)
            leaving.endings = [work for step in steps for work in _ending(step, batch)]
            leaving.rest = [work for step in steps for work in activator(step.activation).removed(step, batch)]
            leaving.rest += group_works(batch, batch.old_text(GROUPS))
        return leaving

    def _remove(self, leaving: Leaving) -> None:
        scope = leaving.batch.scope
        self.host.perform(_while_running(scope, leaving.endings))
        if not self.host.simulate:
            for path in leaving.batch.new:
                scope.tree.remove(path)
                faultpoint("unlink")
        self.host.perform(_while_running(scope, leaving.rest))
        for name, _entry in leaving.gone:
            del self.host.manifest.items[name]
        if not self.host.simulate and scope.ready:
            self.host.drop_directories(scope, leaving.batch.new)
        self.host.save()

    def _kept_paths(self, scope_name: str) -> set[str]:
        leaving = {name for name, _entry in self.gone}
        return {
            path
            for name, entry in self.host.manifest.items.items()
            if name not in leaving and entry.scope == scope_name
            for path in entry.paths()
        }

    def _steps(self, scope_name: str, gone: Sequence[Named]) -> Iterable[Step]:
        """Activations that nobody else has, the last first; shared ones once."""
        leaving = {name for name, _entry in self.gone}
        seen = {
            activator(each).key(each)
            for name, entry in self.host.manifest.items.items()
            if name not in leaving and entry.scope == scope_name
            for each in entry.activations()
            if not activator(each).shared
        }
        for _name, entry in gone:
            for activation in reversed(entry.activations()):
                kind = activator(activation)
                key = kind.key(activation)
                if key not in seen:
                    seen.add(key)
                    yield Step(activation, kind.files(activation, entry.paths()), full=entry.state == "applying")

    def _forget_scopes(self) -> None:
        manifest = self.host.manifest
        used = {entry.scope for entry in manifest.items.values()}
        for name in set(manifest.scopes) - used:
            del manifest.scopes[name]
            # The directories of a machine's root go with the root.
            manifest.directories.pop(name, None) if name not in self.payload.scopes else None
        self.host.save()


def _ending(step: Step, batch: Batch) -> list[Work]:
    kind = activator(step.activation)
    return kind.plan(step, batch) if kind.shared else kind.remove(step, batch)


def _while_running(scope: Scope, works: Iterable[Work]) -> list[Work]:
    """The works, which a machine has done by stopping."""

    def run(work: Work) -> None:
        if scope.running:
            work.run()

    return [Work(work.text, partial(run, work)) for work in works]
