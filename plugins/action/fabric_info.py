# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's side of asking the ledger and the plan. Runs on the controller, where both are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils import info
from ansible_collections.weft.vpc.plugins.plugin_utils.action import WeftAction
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerFile
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import departed, store


class ActionModule(WeftAction):
    """See the documentation of the module of the same name."""

    _requires_connection = False
    SPEC: ClassVar[dict[str, dict[str, Any]]] = {
        "state_dir": {"type": "path", "required": True},
        "plan_file": {"type": "path"},
        "value": {"type": "str"},
    }

    def act(self, result: dict[str, Any]) -> dict[str, Any]:
        state, value = Path(self.arguments["state_dir"]), self.arguments["value"]
        ledger = LedgerFile(state / "weft-ledger.json").read()
        if self.arguments["plan_file"]:
            slices = store.load(Path(self.arguments["plan_file"])).hosts
        else:
            # A record of a host that the inventory does not have is of nobody whom a guest could be started on.
            known = {str(host) for host in self.variables["groups"]["all"]}
            slices = departed.present(store.load_applied(state / ".weft" / "applied"), known)
        return {
            **result,
            "changed": False,
            "fabric": ledger.fabric,
            "allocations": info.holders(ledger, value),
            "parts": info.mentions(slices, value) if value else [],
            "ports": info.ports(slices),
        }
