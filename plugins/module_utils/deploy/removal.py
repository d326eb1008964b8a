# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What left the inventory leaves the host: the live object, then its files, then its line in the manifest."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.faultpoints import faultpoint
from ansible_collections.weft.vpc.plugins.module_utils.deploy.grouptable import GROUPS, group_works
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import Entry, Manifest
from ansible_collections.weft.vpc.plugins.module_utils.deploy.part import Host, was_secret
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import PHASES, Payload

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
        for scope, each in itertools.groupby(self.gone, key=lambda named: named[1].scope):
            self._remove(scope, list(each))
        self._forget_scopes()

    def _remove(self, scope_name: str, gone: Sequence[Named]) -> None:
        scope = self.host.scopes[scope_name]
        batch = Batch(scope, self.host.simulate, starting=self.host.starting)
        kept = self._kept_paths(scope_name)
        for _name, entry in gone:
            for path in sorted(entry.paths() - kept):
                found = scope.tree.look(path) if scope.ready else None
                batch.new[path] = None
                batch.old[path] = found.content if found is not None else None
                if found is not None:
                    self.host.report.file(scope.tree.real(path), found, None, was_secret(found))
        # Rules are the last to go: until then what passes is under them.
        steps = sorted(self._steps(scope_name, gone), key=lambda step: activator(step.activation).outlasts)
        # A machine that goes as a whole is stopped, not taken apart while its tenant's traffic still passes.
        live = scope.running and (scope_name in self.payload.scopes)
        if live:
            # All is said before anything is done: what one step ends may take the object of the next one with it.
            self.host.perform([work for step in steps for work in _ending(step, batch)])
        if not self.host.simulate:
            for path in batch.new:
                scope.tree.remove(path)
                faultpoint("unlink")
        if live:
            for step in steps:
                self.host.perform(activator(step.activation).removed(step, batch))
            self.host.perform(group_works(batch, batch.old_text(GROUPS)))
        for name, _entry in gone:
            del self.host.manifest.items[name]
        if not self.host.simulate and scope.ready:
            self.host.drop_directories(scope, batch.new)
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
