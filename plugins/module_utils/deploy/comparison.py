# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What differs between what is wanted, what is recorded and what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Key, Step
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.registry import activator
from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import Found
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import Entry, Manifest, version_of
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation, FileSpec, Item
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope


@dataclass
class Change:
    """What is to be done for one item."""

    item: Item
    entry: Optional[Entry]
    files: list[FileSpec] = field(default_factory=list)
    """Files to be written."""
    gone: list[str] = field(default_factory=list)
    """Paths that are the item's no more."""
    unsure: set[str] = field(default_factory=set)
    """Files in place whose effect on the live system is in doubt."""
    full: set[Key] = field(default_factory=set)
    """Activations to be brought about whatever the files' difference."""
    ended: list[Activation] = field(default_factory=list)
    """Activations that the item has no more."""
    found: dict[str, Optional[Found]] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    @property
    def needed(self) -> bool:
        """True if something is to be done; False also where only the record is out of date."""
        return bool(self.files or self.gone or self.full or self.ended or self.unsure)

    @property
    def recorded(self) -> bool:
        """True if the manifest says what is wanted."""
        return self.entry is not None and self.entry.applied and self.entry.version == version_of(self.item)


def matches(spec: FileSpec, found: Optional[Found]) -> bool:
    """True if what lies at the path is what is wanted."""
    return found is not None and found.state == spec.state


def compare_files(change: Change, scope: Scope) -> None:
    """Fill in which files are to be written and which are to go."""
    item, entry = change.item, change.entry
    owned = entry.paths() if entry is not None else set()
    for spec in item.files:
        # A root that is not mounted yet is taken for empty. A new file is written even if it is there with that
        # content: in check mode there may be nothing yet to compare with.
        found = change.found[spec.path] = scope.tree.look(spec.path) if scope.ready else None
        if spec.path not in owned or not matches(spec, found):
            change.files.append(spec)
    wanted = {spec.path for spec in item.files}
    change.gone = sorted(owned - wanted)
    for path in change.gone:
        change.found[path] = scope.tree.look(path) if scope.ready else None
    if change.files:
        change.reasons.append("files differ")
    if change.gone:
        change.reasons.append("files are to go")


def compare_activations(change: Change) -> None:
    """Fill in which activations are new, in doubt or ended."""
    item, entry = change.item, change.entry
    wanted = {activator(each).key(each) for each in item.activate}
    # What an item adds to a live object of several is in its files, unless they were there before it.
    shared = {activator(each).key(each) for each in item.activate if activator(each).shared}
    if entry is None:
        change.full = wanted if any(change.found.values()) else wanted - shared
        change.reasons.append("new")
        return
    known = [activator(each).key(each) for each in entry.activations()]
    change.full = wanted - shared - set(known)
    change.ended = [each for each in entry.activations() if activator(each).key(each) not in wanted]
    if not entry.applied:
        change.full = wanted
        change.unsure = {path for path in (spec.path for spec in item.files) if _unsure(entry, path)}
        change.reasons.append("an earlier run did not end")


def _unsure(entry: Entry, path: str) -> bool:
    """True if more than one form of the file may be in force, or none: a file that no run ever confirmed may lie there
    without its daemon having read it."""
    if entry.previous is None:
        return True
    states = [version.files.get(path) for version in entry.versions()]
    return any(state != states[0] for state in states)


def steps_of(item: Item) -> Iterator[Step]:
    """The item's activations with the files that concern them."""
    paths = [spec.path for spec in item.files]
    for activation in item.activate:
        yield Step(activation, activator(activation).files(activation, paths))


def unhealthy(steps: Iterable[Step], scope: Scope) -> Iterator[tuple[Key, str]]:
    """Which activations are not in force, and why; nothing is asked of a machine that does not run."""
    if not scope.running:
        return
    for step in steps:
        reason = activator(step.activation).unhealthy(step, scope)
        if reason is not None:
            yield activator(step.activation).key(step.activation), reason


def compare(item: Item, manifest: Manifest, scope: Scope) -> Change:
    """What is to be done for the item."""
    change = Change(item, manifest.items.get(item.id))
    compare_files(change, scope)
    compare_activations(change)
    if change.entry is not None and change.entry.applied and not change.needed:
        for key, reason in unhealthy(steps_of(item), scope):
            change.full.add(key)
            change.reasons.append(reason)
    return change
