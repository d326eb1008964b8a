# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's side of asking the ledger and the plan. Runs on the controller, where both are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.weft.vpc.plugins.plugin_utils import info
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerError, LedgerFile
from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import DependencyError, require
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import store


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            {
                "state_dir": {"type": "path", "required": True},
                "plan_file": {"type": "path"},
                "value": {"type": "str"},
            }
        )
        state, value = Path(arguments["state_dir"]), arguments["value"]
        try:
            require()
            ledger = LedgerFile(state / "weft-ledger.json").read()
            if arguments["plan_file"]:
                slices = store.load(Path(arguments["plan_file"])).hosts
            else:
                slices = store.load_applied(state / ".weft" / "applied")
        except (DependencyError, LedgerError, store.PlanError) as error:
            raise AnsibleActionFail(str(error)) from None
        return {
            **result,
            "changed": False,
            "fabric": ledger.fabric,
            "allocations": info.holders(ledger, value),
            "parts": info.mentions(slices, value) if value else [],
            "ports": info.ports(slices),
        }
