# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables named weft: changed element by element, and in place when their structure changes, if it can be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Activator, Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.netlink import tables
from ansible_collections.weft.vpc.plugins.module_utils.deploy.rulesets import (
    ELEMENTS,
    STRUCTURE,
    conversion,
    elements_change,
    families,
    in_order,
    replacement,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

DIRECTORY = "/etc/weft/nftables.d"


def belongs(path: str) -> bool:
    """True for the files that make up a scope's tables."""
    return path.startswith(f"{DIRECTORY}/") and path.endswith((STRUCTURE, ELEMENTS))


def _files(batch: Batch, new: bool) -> dict[str, str]:
    """The scope's files before or after the change."""
    there = {f"{DIRECTORY}/{name}" for name in batch.scope.tree.names(DIRECTORY)} if batch.scope.ready else set()
    for path, spec in batch.new.items():
        present = spec is not None if new else batch.old.get(path) is not None
        there = there | {path} if present else there - {path}
    read = batch.text if new else batch.old_text
    return {path: read(path) for path in in_order(path for path in there if belongs(path))}


def _both(batch: Batch) -> tuple[dict[str, str], dict[str, str]]:
    return _files(batch, new=False), _files(batch, new=True)


class Nftables(Activator):
    """All ``.nft`` and ``.elements`` files of a scope, together."""

    kind = "nftables"
    rank = 0
    shared = True
    outlasts = True

    def files(self, activation: object, owned: Iterable[str]) -> set[str]:
        return {path for path in owned if belongs(path)}

    def refusal(self, step: Step, batch: Batch) -> Optional[str]:
        if not step.full and not self._touched(step, batch):
            return None
        whole = self._doubtful(step, batch) or self._structural(batch)
        if not whole and batch.scope.running and _fits(elements_change(*_both(batch)), batch.scope):
            return None
        ruleset = replacement(*_both(batch))
        result = batch.scope.attempt_in_empty_network(["nft", "--check", "--file", "/dev/stdin"], ruleset.value)
        if not result.status:
            return None
        return f"nft refuses the new rules{batch.scope.suffix}:\n{ruleset.explain(result.message)}"

    @staticmethod
    def _touched(step: Step, batch: Batch) -> bool:
        return any(belongs(path) for path in batch.new) or batch.touched(step.files)

    @staticmethod
    def _doubtful(step: Step, batch: Batch) -> bool:
        """True if the live tables may not be what the files say."""
        return step.full or any(belongs(path) for path in batch.unsure)

    @staticmethod
    def _structural(batch: Batch) -> bool:
        """True if elements alone will not do."""
        return any(path.endswith(STRUCTURE) and belongs(path) for path in batch.new)

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        if not step.full and not self._touched(step, batch):
            return []
        words = f"load nftables rules{batch.scope.suffix}"
        if self._doubtful(step, batch):
            return [Work(words, lambda: _load(batch))]
        if self._structural(batch):
            return [Work(words, lambda: _convert(batch))]
        change = elements_change(*_both(batch))
        if not change:
            return []
        return [Work(f"change nftables elements{batch.scope.suffix}", lambda: _change(batch, change))]

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        names = [name for name in scope.tree.names(DIRECTORY) if name.endswith(STRUCTURE)]
        found = [scope.tree.look(f"{DIRECTORY}/{name}") for name in names]
        wanted = {family for each in found if each is not None for family in families(each.text)}
        if not wanted:
            return None
        there = tables(scope.leader if scope.machine else None)
        missing = sorted(family for family in wanted if f"{family} weft" not in there)
        return f"the nftables table {missing[0]} weft does not exist{scope.suffix}" if missing else None


def _fits(change: str, scope: Scope) -> bool:
    """True if the live tables would take the change: sooner said than whether a kernel would take the whole."""
    return not scope.attempt_in_network(["nft", "--check", "--file", "/dev/stdin"], change).status


def _load(batch: Batch) -> None:
    ruleset = replacement(*_both(batch))
    result = batch.scope.attempt_in_network(["nft", "--file", "/dev/stdin"], ruleset.value)
    if result.status:
        raise CommandError(["nft", "--file", "..."], ruleset.explain(result.message))


def _convert(batch: Batch) -> None:
    change = conversion(*_both(batch))
    if change is None:
        _load(batch)
    else:
        _change(batch, change)


def _change(batch: Batch, change: str) -> None:
    # Somebody may have flushed the tables or changed an element by hand: then only the whole will do.
    if batch.scope.attempt_in_network(["nft", "--file", "/dev/stdin"], change).status:
        _load(batch)
