# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands of a role's own, for what no other kind covers."""

from __future__ import annotations

from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import (
    FILES,
    Activator,
    Batch,
    Effect,
    Step,
    Work,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import TIMEOUT
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

LIMIT = 3600.0
"""Seconds that making something may take: building an image takes minutes."""


def _shell(command: str, scope: Scope, limit: float) -> None:
    # A machine is not waited for: its commands take moments.
    scope.run(["/bin/sh", "-c", command], timeout=min(limit, TIMEOUT) if scope.machine else limit)


class Command(Activator):
    """A command that makes something: run while the path that it ``creates`` is not there. Where that is one of the
    item's own files, there is nothing to run, and only what takes away what the file has brought about. What it has
    begun and not ended may lie at ``partial``; that goes with the rest."""

    kind = "command"
    # What it makes, not how: another command for the same thing must not have the thing removed under its users.
    identity = ("creates",)

    def effect(self, activation: Activation) -> Effect:
        return self.key(activation) if activation.get("run") else FILES

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        command = step.activation.get("run")
        if not command or _exists(step.activation["creates"], batch.scope):
            return []
        return [Work(f"run {command}{batch.scope.suffix}", lambda: _shell(command, batch.scope, LIMIT))]

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        creates = step.activation["creates"]
        return None if _exists(creates, scope) else f"{creates} does not exist{scope.suffix}"

    def remove(self, step: Step, batch: Batch) -> list[Work]:
        command = step.activation.get("remove")
        made = (step.activation["creates"], step.activation.get("partial"))
        if not command or not any(path and _exists(path, batch.scope) for path in made):
            return []
        return [Work(f"run {command}{batch.scope.suffix}", lambda: _shell(command, batch.scope, LIMIT))]


def _exists(path: str, scope: Scope) -> bool:
    return scope.tree.exists(path)


class Apply(Activator):
    """A command that makes a daemon take changed files over."""

    kind = "apply"
    identity = ("run",)

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        command = step.activation["run"]
        if not (step.full or batch.touched(step.files)):
            return []
        return [Work(f"run {command}{batch.scope.suffix}", lambda: _shell(command, batch.scope, TIMEOUT))]
