# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's side of comparing: one host's slice with what the survey found on it. No call to the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ansible_collections.weft.vpc.plugins.plugin_utils import preflight
from ansible_collections.weft.vpc.plugins.plugin_utils.compare import guard, pending
from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import DependencyError, require
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import store
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render

display = Display()


class ActionModule(ActionBase):
    """See the documentation of the module of the same name."""

    _requires_connection = False
    _supports_check_mode = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, arguments = self.validate_argument_spec(
            {
                "plan_file": {"type": "path", "required": True},
                "survey": {"type": "dict", "required": True},
                "max_removal_percent": {"type": "int", "default": 40},
                "state_dir": {"type": "path", "required": True},
            }
        )
        host = str((task_vars or {})["inventory_hostname"])
        try:
            require()
            slice_ = store.load_slice(Path(arguments["plan_file"]), host)
        except (DependencyError, store.PlanError) as error:
            raise AnsibleActionFail(str(error)) from None
        if slice_ is None:
            return {**result, "changed": False, "pending": {}}
        survey = json.loads(json.dumps(arguments["survey"], default=str))
        findings = preflight.check(host, slice_, survey)
        for finding in findings:
            if finding.severity == "warning":
                display.warning(str(finding))
        errors = [str(one) for one in findings if one.severity == "error"]
        count = pending(render(slice_), survey["manifest"])
        too_much = guard(count, survey["manifest"], arguments["max_removal_percent"])
        if errors or too_much:
            raise AnsibleActionFail("\n".join([*errors, *([too_much] if too_much else [])]))
        if not any(count.values()) and not self._task.check_mode:
            store.record_applied(Path(arguments["state_dir"]) / ".weft" / "applied", host, slice_)
        return {**result, "changed": False, "pending": count}
