# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the actions have in common. The one module of the library that knows Ansible; only actions import it."""

from __future__ import annotations

import json
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar

from ansible import constants
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerError
from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import DependencyError, require
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import store
from ansible_collections.weft.vpc.plugins.plugin_utils.render.sinks import SinkError

#: What begins a Jinja expression, statement or comment; JSON's own syntax has none of it.
TEMPLATE_MARKS = ("{{", "{%", "{#")
#: Where compiled templates are kept for the next run: in Ansible's own directory of the user.
TEMPLATES = Path(constants.config.get_config_value("ANSIBLE_HOME")) / "weft" / "templates"


class WeftAction(ActionBase):
    """An action over the library: arguments checked, the library's errors said as sentences, never as a traceback."""

    _supports_check_mode = True
    #: The argument spec, in Ansible's words.
    SPEC: ClassVar[dict[str, dict[str, Any]]]
    arguments: dict[str, Any]
    variables: dict[str, Any]

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        result: dict[str, Any] = super().run(tmp, task_vars)
        _validation, self.arguments = self.validate_argument_spec(self.SPEC)
        self.variables = task_vars or {}
        try:
            require()
            return self.act(result)
        except (DependencyError, IntentError, LedgerError, SinkError, store.PlanError) as error:
            raise AnsibleActionFail(str(error)) from None

    def plain(self, value: Any) -> Any:
        """Return a variable's value as plain Python. Ansible walks it only if there is something in it to template or
        to decrypt: it takes a second for ten thousand objects."""
        try:
            text = json.dumps(value)
        except TypeError:
            text = None
        if text is None or any(mark in text for mark in TEMPLATE_MARKS):
            text = json.dumps(self._templar.template(value), default=str)
        return json.loads(text)

    def read_text(self, path: str) -> str:
        """Return the text of a file of the controller, decrypted if Vault encrypted it."""
        place = Path(str(self.variables.get("inventory_dir") or "."), path)
        if not place.is_file():
            message = "there is no such file"
            raise ValueError(message)
        try:
            return str(self._loader.get_text_file_contents(str(place)))
        except AnsibleError as error:
            message = "it cannot be read or decrypted"
            raise ValueError(message) from error

    @abstractmethod
    def act(self, result: dict[str, Any]) -> dict[str, Any]:
        """Do the work: ``result`` as Ansible began it, completed. ``arguments`` and ``variables`` are the task's."""


class HostAction(WeftAction):
    """An action on one host's slice of a plan. A host that the plan does not know has nothing to do."""

    def act(self, result: dict[str, Any]) -> dict[str, Any]:
        self.host = str(self.variables["inventory_hostname"])
        slice_ = store.load_slice(Path(self.arguments["plan_file"]), self.host)
        if slice_ is None:
            return {**result, "changed": False, "pending": {}}
        result = self.act_on(slice_, result)
        finished = not result.get("failed") and not any(result["pending"].values()) and not self.arguments.get("roles")
        if finished and not self._task.check_mode:
            store.record_applied(Path(self.arguments["state_dir"]) / ".weft" / "applied", self.host, slice_)
        return result

    @abstractmethod
    def act_on(self, slice_: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        """Do the work; of the result, ``pending`` counts by phase what is still to be done on the host."""
