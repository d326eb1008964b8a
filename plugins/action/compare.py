# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's side of comparing: one host's slice with what the survey found on it. No call to the host."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.utils.display import Display

from ansible_collections.weft.vpc.plugins.plugin_utils import preflight
from ansible_collections.weft.vpc.plugins.plugin_utils.action import TEMPLATES, HostAction
from ansible_collections.weft.vpc.plugins.plugin_utils.compare import guard, pending
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import preload, render

display = Display()

preload(TEMPLATES)


class ActionModule(HostAction):
    """See the documentation of the module of the same name."""

    _requires_connection = False
    SPEC: ClassVar[dict[str, dict[str, Any]]] = {
        "plan_file": {"type": "path", "required": True},
        "survey": {"type": "dict", "required": True},
        "max_removal_percent": {"type": "int", "default": 40},
        "state_dir": {"type": "path", "required": True},
    }

    def act_on(self, slice_: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        survey = json.loads(json.dumps(self.arguments["survey"], default=str))
        findings = preflight.check(self.host, slice_, survey)
        for finding in findings:
            if finding.severity == "warning":
                display.warning(str(finding))
        errors = [str(one) for one in findings if one.severity == "error"]
        count = pending(render(slice_), survey["manifest"])
        too_much = guard(count, survey["manifest"], self.arguments["max_removal_percent"])
        if errors or too_much:
            raise AnsibleActionFail("\n".join([*errors, *([too_much] if too_much else [])]))
        return {**result, "changed": False, "pending": count}
