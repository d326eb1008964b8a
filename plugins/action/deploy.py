# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible's side of deploying: render one host's slice and hand it to the module in one call per phase."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils import certificates, passwords
from ansible_collections.weft.vpc.plugins.plugin_utils.action import TEMPLATES, HostAction
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.store import PlanError
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import preload, render, scopes
from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import PHASES, declarations

#: Commands a host needs, and the Debian package of each.
PACKAGES = {"nft": "nftables", "ip": "iproute2", "bridge": "iproute2", "networkctl": "systemd"}
ROUTER_PACKAGES = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "conntrack": "conntrack",
    "arping": "iputils-arping",
}

preload(TEMPLATES)


class ActionModule(HostAction):
    """See the documentation of the module of the same name."""

    SPEC: ClassVar[dict[str, dict[str, Any]]] = {
        "plan_file": {"type": "path", "required": True},
        "phase": {"type": "str", "choices": [*PHASES, "removal"]},
        "roles": {"type": "list", "elements": "str"},
        "state_dir": {"type": "path", "required": True},
        "max_removal_percent": {"type": "int", "default": 40},
        "install_packages": {"type": "bool", "default": True},
    }

    def act_on(self, slice_: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
        secrets = self._secrets(slice_)
        for phase in [self.arguments["phase"]] if self.arguments["phase"] else _phases(self.arguments["roles"]):
            returned = self._execute_module(
                module_name="weft.vpc.deploy",
                module_args={**_payload(slice_, phase, self.arguments), "secrets": secrets},
                task_vars=self.variables,
            )
            result = _merged(result, returned)
            if result.get("failed"):
                break
        return result

    def _secrets(self, slice_: dict[str, Any]) -> dict[str, str]:
        """Return the secrets the slice has digests and tokens of, read from the inventory anew: no file has them."""
        wanted = {one["digest"]: one for router in slice_["routers"] for one in router["certificates"]}
        for one in [one for router in slice_["routers"] for one in router["ipsec_certificates"]]:
            wanted |= {one["certificate_digest"]: one, one["key_digest"]: one}
        found: dict[str, str] = {}
        if wanted:
            found = certificates.bundles(self._intent(certificates.VARIABLE), self.read_text)
        if protected := passwords.wanted(slice_):
            wanted |= protected
            found |= passwords.contents(self._intent("weft_fabric", passwords.VARIABLE))
        for name, one in wanted.items():
            if name not in found:
                message = (
                    f"The {one['key']} ({one['source']}) is not the one that the plan was made with, so its secret "
                    "cannot be brought to the host. Plan again."
                )
                raise PlanError(message)
        return {name: found[name] for name in wanted}

    def _intent(self, *names: str) -> dict[str, Any]:
        """Return variables of the inventory as plain Python, with their secrets."""
        return {name: self.plain(self.variables.get(name)) for name in names}


def _phases(roles: list[str] | None) -> list[str]:
    """Return the phases a role used alone takes part in, and removal."""
    used = {one.phase for one in declarations() if not roles or one.role in roles}
    return [*(phase for phase in PHASES if phase in used), "removal"]


def _payload(slice_: dict[str, Any], phase: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {
        "fabric": slice_["fabric"],
        "phase": phase,
        "scopes": scopes(slice_),
        "items": render(slice_),
        "packages": {**PACKAGES, **(ROUTER_PACKAGES if slice_["routers"] else {})},
        "roles": arguments["roles"],
        "max_removal_percent": arguments["max_removal_percent"],
        "install_packages": arguments["install_packages"],
    }


def _merged(result: dict[str, Any], returned: dict[str, Any]) -> dict[str, Any]:
    """Return the outcome of several phases as one."""
    lists = {
        name: [*result.get(name, []), *returned.get(name, [])] for name in ("files", "actions", "diff", "warnings")
    }
    return {**result, **returned, **lists, "changed": bool(result.get("changed")) or bool(returned.get("changed"))}
