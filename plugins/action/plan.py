# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's side of planning: take the intent once, hand it to the library, say what it found."""

from __future__ import annotations

import tempfile
from collections.abc import Container
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ansible import constants
from ansible.utils.display import Display

from ansible_collections.weft.vpc.plugins.plugin_utils import certificates, passwords
from ansible_collections.weft.vpc.plugins.plugin_utils.action import WeftAction
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerFile, Link, describe_changes
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import in_order
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import departed, diff, renewals, store
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice
from ansible_collections.weft.vpc.plugins.plugin_utils.planning import Host, Inventory, emptied, make, moved_on

display = Display()
COLOURS = {"+": "green", "~": "yellow", "-": "red", "!": "purple"}


class ActionModule(WeftAction):
    """See the documentation of the module of the same name."""

    _requires_connection = False
    SPEC: ClassVar[dict[str, dict[str, Any]]] = {
        "state_dir": {"type": "path", "required": True},
        "plan_file": {"type": "path"},
        "use_saved": {"type": "bool", "default": False},
        "show": {"type": "bool", "default": False},
        "destroy": {"type": "bool", "default": False},
        "release": {"type": "bool", "default": True},
        "leaving": {"type": "str"},
    }

    def act(self, result: dict[str, Any]) -> dict[str, Any]:
        if self.arguments["use_saved"]:
            return {**result, **self._saved(Path(self.arguments["plan_file"]))}
        return {**result, **self._plan()}

    def _plan(self) -> dict[str, Any]:
        state, inventory = Path(self.arguments["state_dir"]), self._inventory()
        applied, left = self._records(inventory.hosts)
        intent, digests = self._intent()
        if self.arguments["destroy"]:
            intent = emptied(intent)
        fabric = intent.get("weft_fabric")
        name = fabric.get("name") if isinstance(fabric, dict) else None
        ledger = LedgerFile(state / "weft-ledger.json", name if isinstance(name, str) else "unnamed")
        outcome = make(
            intent,
            inventory,
            ledger,
            datetime.now(UTC),
            dry_run=self._task.check_mode,
            release=self.arguments["release"],
            certificates=digests,
        )
        for warning in in_order(outcome.warnings):
            display.warning(str(warning))
        found, leases = diff.changes(applied, outcome.plan.hosts), renewals.renewals(applied, outcome.plan.hosts)
        self._show(found, leases)
        path = self._path()
        store.save(outcome.plan, path)
        return {
            # The ledger is no host's, least of all that of the host on which this happens to run.
            "changed": False,
            "plan_file": str(path),
            "summary": diff.summary(found),
            "changes": [{"action": one.action, "key": one.key, "host": one.host} for one in found],
            "renewals": [renewals.as_json(one) for one in leases],
            "left": self._said_of(left),
            "ledger": describe_changes(outcome.changes),
        }

    def _path(self) -> Path:
        """A run without a name for its plan keeps it in Ansible's own temporary directory, which goes with the run."""
        if self.arguments["plan_file"] and not self._task.check_mode:
            return Path(self.arguments["plan_file"])
        return Path(tempfile.mkdtemp(prefix="weft-", dir=constants.DEFAULT_LOCAL_TMP)) / "weft.plan"

    def _saved(self, path: Path) -> dict[str, Any]:
        header = store.load_header(path)
        reasons = moved_on(header["inventory"], self._intent()[0], self._inventory(), header["intent"])
        if reasons:
            message = f"{path} cannot be applied: {'; '.join(reasons)}. Make it again with the playbook weft.vpc.plan."
            raise store.PlanError(message)
        _applied, left = self._records(header["inventory"])
        nothing: dict[str, Any] = {"changes": [], "renewals": [], "ledger": []}
        summary = f"Applying {path}."
        return {"changed": False, "plan_file": str(path), "summary": summary, "left": self._said_of(left), **nothing}

    @property
    def _directory(self) -> Path:
        return Path(self.arguments["state_dir"]) / ".weft" / "applied"

    def _records(self, known: Container[str]) -> tuple[dict[str, Slice], departed.Departed]:
        """Return what the hosts were told, and the records of hosts that the inventory does not have."""
        applied = store.load_applied(self._directory)
        gone = departed.declared(self.plain(self.variables.get(departed.GONE)), known)
        return departed.present(applied, known), departed.Departed(applied, known, gone)

    def _said_of(self, left: departed.Departed) -> list[str]:
        """Say who left with something, and forget who will never be asked again. No plan for either is made."""
        for warning in left.warnings():
            display.warning(str(warning))
        if self.arguments["release"] and not self._task.check_mode:
            for host in left.forgettable:
                store.forget_applied(self._directory, host)
        return left.holding

    def _intent(self) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the weft_* variables as plain Python, without secrets; and certificates' digests."""
        names = [name for name in self.variables if name.startswith("weft_")]
        plain = {name: self.plain(self.variables[name]) for name in names}
        return certificates.seal(passwords.seal(plain), self.read_text)

    def _inventory(self) -> Inventory:
        groups = {str(name): [str(host) for host in hosts] for name, hosts in self.variables["groups"].items()}
        if leaving := self.arguments["leaving"]:
            # It is still there to be told that it has nothing, and for nobody else.
            clusters = groups.keys() - {"all"}
            groups |= {name: [host for host in groups[name] if host != leaving] for name in clusters}
        return Inventory({host: self._host(host) for host in groups["all"]}, groups)

    def _host(self, name: str) -> Host:
        raw = self.variables["hostvars"].raw_get(name)
        survey = raw.get("_weft_survey") or {}
        links = survey.get("addresses")
        return Host(
            vtep_ip=self.plain(raw.get("weft_vtep_ip")),
            interfaces=self.plain(raw.get("weft_provider_interfaces")) or {},
            links=None
            if links is None
            else {
                str(device): Link(tuple(map(str, link["addresses"])), int(link["mtu"]))
                for device, link in links.items()
            },
        )

    def _show(self, found: list[diff.PartChange], leases: list[renewals.Renewal]) -> None:
        """Say what changes, where that is asked for, and always what only guests can do."""
        if not self.arguments["show"]:
            for sentence in renewals.sentences(leases):
                display.warning(sentence)
            return
        for line in (*renewals.lines(leases), *diff.lines(found)):
            display.display(line, color=COLOURS.get(line[:1]))
