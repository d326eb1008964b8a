# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""systemd units, on the host and inside machines."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy import daemons
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Activator, Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError, Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

DIRECTORY = "/etc/systemd/system"
SETTLE_SECONDS = 0.3
"""How long a program must have run to be taken for one that can."""

_UP = ("active", "reloading")


def state(unit: str, scope: Scope) -> str:
    """The unit's ActiveState: active, reloading, inactive, failed, activating or deactivating."""
    return scope.attempt(["systemctl", "show", "--property=ActiveState", "--value", unit]).out.strip()


def _show(unit: str, scope: Scope) -> dict[str, str]:
    names = "--property=ActiveState,SubState,Type,ActiveEnterTimestampMonotonic"
    result = scope.attempt(["systemctl", "show", names, unit])
    shown = dict(line.split("=", 1) for line in result.out.splitlines() if "=" in line)
    # As systemd would say it, were it there.
    return shown or {"ActiveState": "unknown", "SubState": result.message or "systemd does not answer"}


class Unit(Activator):
    """A unit that runs (or, with ``state: stopped``, does not)."""

    kind = "unit"
    identity = ("unit",)
    offline = True

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        return set(activation["files"]) if activation.get("files") is not None else set(owned)

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        unit, scope = step.activation["unit"], batch.scope
        works = self._definitions(batch) + self._enabling(step.activation, batch)
        if not batch.commanded:
            return works
        if batch.fresh:
            # What the boot of a machine has started by now is a matter of luck; what is said and done must not be.
            return [*works, Work(f"start {unit}{scope.suffix}", lambda: _start_or_change(step, batch))]
        up = state(unit, scope) in _UP
        if step.activation.get("state") == "stopped":
            return works + ([Work(f"stop {unit}{scope.suffix}", lambda: _stop(unit, batch))] if up else [])
        if not up:
            batch.starting.add(unit)
            return [*works, Work(f"start {unit}{scope.suffix}", lambda: _start(unit, batch))]
        return works + self._changing(step, batch)

    @staticmethod
    def _definitions(batch: Batch) -> list[Work]:
        """systemd reads its files anew before the first unit of the batch is touched."""
        paths = [path for path in (*batch.new, *batch.unsure) if path.startswith(f"{DIRECTORY}/")]
        if not paths or not batch.commanded or not batch.once("systemd reload planned"):
            return []
        return [Work(f"reload systemd{batch.scope.suffix}", lambda: _reload_systemd(batch))]

    @staticmethod
    def _enabling(activation: Activation, batch: Batch) -> list[Work]:
        unit = activation["unit"]
        if not activation.get("enable") or _enabled(unit, batch.scope):
            return []
        return [Work(f"enable {unit}{batch.scope.suffix}", lambda: _enable(unit, batch.scope))]

    @staticmethod
    def _changing(step: Step, batch: Batch) -> list[Work]:
        """What a running unit needs after its files changed."""
        unit, how, scope = step.activation["unit"], step.activation.get("on_change", "reload"), batch.scope
        if how == "none" or not batch.touched(step.files):
            return []
        return [Work(f"{how} {unit}{scope.suffix}", lambda: _change(step, scope))]

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        # systemd keeps a link for every unit that is not inactive or failed: that costs no process to read.
        if step.activation.get("state") != "stopped" and os.path.lexists(
            f"/proc/{scope.leader}/root/run/systemd/units/invocation:{step.activation['unit']}"
        ):
            return None
        return self.unconfirmed(step, scope)

    def unconfirmed(self, step: Step, scope: Scope) -> Optional[str]:
        unit = step.activation["unit"]
        shown = _show(unit, scope)
        now = shown["ActiveState"]
        if step.activation.get("state") == "stopped":
            return f"{unit} is {now}{scope.suffix} and should not run" if now in _UP else None
        if now not in _UP:
            return f"{unit} is {now} ({shown.get('SubState')}){scope.suffix}"
        # systemd calls such a unit active before its program has read its configuration.
        age = time.monotonic() - int(shown.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        if shown.get("Type") in ("simple", "exec", "idle") and age < SETTLE_SECONDS:
            return f"{unit} was started a moment ago{scope.suffix}"
        return None

    def hopeless(self, step: Step, scope: Scope) -> bool:
        shown = _show(step.activation["unit"], scope)
        return shown.get("ActiveState") == "failed" or shown.get("SubState") == "auto-restart"

    def last_words(self, step: Step, scope: Scope) -> str:
        return daemons.last_words(daemons.of(step.activation["unit"]), scope)

    def patience(self) -> float:
        return 10.0

    def remove(self, step: Step, batch: Batch) -> list[Work]:
        unit, scope = step.activation["unit"], batch.scope
        works = []
        if state(unit, scope) not in ("inactive", ""):
            works.append(Work(f"stop {unit}{scope.suffix}", lambda: _stop(unit, batch)))
        if step.activation.get("enable") and _enabled(unit, scope):
            works.append(Work(f"disable {unit}{scope.suffix}", lambda: _disable(unit, scope)))
        return works

    def removed(self, step: Step, batch: Batch) -> list[Work]:
        return self._definitions(batch)


def _enabled(unit: str, scope: Scope) -> bool:
    if not scope.ready:
        return False
    return _systemctl_files(["systemctl", "is-enabled", unit], scope).out.strip() in ("enabled", "static", "generated")


def _systemctl_files(argv: list[str], scope: Scope) -> Result:
    """Let systemctl work on unit files alone, which it can before the machine runs."""
    return scope.attempt(argv) if scope.running else scope.attempt_check(argv)


def _enable(unit: str, scope: Scope) -> None:
    result = _systemctl_files(["systemctl", "enable", unit], scope)
    if result.status:
        raise CommandError(["systemctl", "enable", unit], result.message)


def _disable(unit: str, scope: Scope) -> None:
    scope.run(["systemctl", "disable", unit])


def _reload_systemd(batch: Batch) -> None:
    daemons.ask(daemons.SYSTEMD, ["systemctl", "daemon-reload"], batch.scope)


def _start(unit: str, batch: Batch) -> None:
    # A unit that failed too often before is not held against the new configuration.
    batch.scope.attempt(["systemctl", "reset-failed", unit])
    daemons.ask(daemons.of(unit), ["systemctl", "start", unit], batch.scope)


def _start_or_change(step: Step, batch: Batch) -> None:
    if state(step.activation["unit"], batch.scope) in _UP:
        _change(step, batch.scope)
    else:
        _start(step.activation["unit"], batch)


def _change(step: Step, scope: Scope) -> None:
    unit, how = step.activation["unit"], step.activation.get("on_change", "reload")
    custom = step.activation.get("reload")
    if how == "none":
        return
    argv = ["/bin/sh", "-c", custom] if custom and how == "reload" else ["systemctl", how, unit]
    daemons.ask(daemons.of(unit), argv, scope)


def _stop(unit: str, batch: Batch) -> None:
    daemons.ask(daemons.of(unit), ["systemctl", "stop", unit], batch.scope)
    shown = _show(unit, batch.scope)
    if shown.get("ActiveState") == "failed" and shown.get("Type") == "oneshot":
        # What it should have undone is still there.
        words = daemons.last_words(daemons.of(unit), batch.scope)
        raise DeployError(f"{unit} could not be stopped{batch.scope.suffix}.\n{words}")
    batch.scope.attempt(["systemctl", "reset-failed", unit])
