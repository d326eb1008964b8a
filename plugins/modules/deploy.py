#!/usr/bin/python
# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: deploy
short_description: Make a host have its part of the plan
description:
  - Writes the files that a host needs for one phase, lets the daemons judge them first, puts them in place atomically
    and activates the least that will do. What fails is put back as it was, and the daemon's own message is the error.
  - The module records in C(/var/lib/weft/manifest.json) what it owns, removes what is not wanted any more, and never
    touches a file or a device that is not its own. A run that was killed at any point is completed by the next one.
  - In a play this is an action that renders the host's slice of a saved plan on the controller and calls the module.
    Its options are O(plan_file), O(state_dir), O(phase), O(roles), O(max_removal_percent) and O(install_packages); the
    others are what it hands to the host.
version_added: 0.1.0
author:
  - weft.vpc contributors (@weft)
options:
  plan_file:
    description:
      - The saved plan, on the controller. Needed by the action; the module itself never sees it.
    type: path
  state_dir:
    description:
      - The directory on the controller where the action records what was applied.
    type: path
  phase:
    description:
      - Which part of the work to do. Creation goes C(segments), C(routers), C(ports); C(removal) comes last.
      - The action does all phases of the given O(roles) when this is not set.
    type: str
    choices: [segments, routers, ports, removal]
  roles:
    description:
      - Compare, change and remove only what these roles own. All roles when not set.
    type: list
    elements: str
  max_removal_percent:
    description:
      - Refuse to run if more than this share of what the host has would be removed. Up to three items may always go.
    type: int
    default: 40
  install_packages:
    description:
      - Install Debian packages whose commands are missing. When off, the run fails and names them.
    type: bool
    default: true
  fabric:
    description:
      - The fabric's name. A host that belongs to another fabric is refused.
    type: str
    default: ''
  scopes:
    description:
      - Where files can be, the host itself and the root trees of machines on it. Filled in by the action.
    type: list
    elements: dict
    suboptions:
      name:
        description: Name by which items refer to the scope.
        type: str
        required: true
      root:
        description: Directory that is the root of the scope's paths.
        type: path
        required: true
      unit:
        description: The systemd unit that runs the machine. None for the host itself.
        type: str
      uid_base:
        description: First user id of the machine's files, where its root is not mounted with others.
        type: int
        default: 0
  items:
    description:
      - Everything the host should have, in the order of creation, whatever the phase. Filled in by the action.
      - An item has C(id), C(role), C(phase), C(group), C(scope), C(files) and C(activate).
    type: list
    elements: dict
  packages:
    description:
      - Commands that the host needs, each with the Debian package that brings it. Filled in by the action.
    type: dict
    default: {}
  secrets:
    description:
      - Contents of files that O(items) give only the digest of, by that digest, and passwords that stand in O(items) as
        tokens, by the token. Filled in by the action.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Names exactly the files and actions of the run, and has the daemons judge the new files.
    support: full
  diff_mode:
    description: Shows each file before and after; secret ones without their content.
    support: full
requirements:
  - Debian 12 or later on the host
seealso:
  - module: weft.vpc.survey
"""

EXAMPLES = r"""
- name: Bring the routers of a saved plan about
  weft.vpc.deploy:
    plan_file: "{{ inventory_dir }}/.weft/plan.json"
    state_dir: "{{ inventory_dir }}"
    phase: routers

- name: Show what would be done about elastic IPs alone
  weft.vpc.deploy:
    plan_file: "{{ inventory_dir }}/.weft/plan.json"
    state_dir: "{{ inventory_dir }}"
    roles: [eip]
  check_mode: true
  diff: true
"""

RETURN = r"""
files:
  description: Paths that are written or removed, in that order, as the host sees them.
  returned: always
  type: list
  elements: str
  sample: [/var/lib/weft/routers/vpc-1.admin/root/etc/weft/nftables.d/20-eip.elements]
actions:
  description: What is done to the live system, one phrase each, in that order.
  returned: always
  type: list
  elements: str
  sample: [change nftables elements in router vpc-1.admin, add 10.172.11.93 on pub3 in router vpc-1.admin]
pending:
  description: How many items each phase has still to do after this call.
  returned: success
  type: dict
  sample: {"segments": 0, "routers": 0, "ports": 2, "removal": 0}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.weft.vpc.plugins.module_utils.deploy.engine import deploy
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError


def options() -> dict[str, Any]:
    """The argument spec; what the action keeps for itself is there for the documentation's sake."""
    scope = {
        "name": {"type": "str", "required": True},
        "root": {"type": "path", "required": True},
        "unit": {"type": "str"},
        "uid_base": {"type": "int", "default": 0},
    }
    return {
        "plan_file": {"type": "path"},
        "state_dir": {"type": "path"},
        "phase": {"type": "str", "choices": ["segments", "routers", "ports", "removal"]},
        "roles": {"type": "list", "elements": "str"},
        "max_removal_percent": {"type": "int", "default": 40},
        "install_packages": {"type": "bool", "default": True},
        "fabric": {"type": "str", "default": ""},
        "scopes": {"type": "list", "elements": "dict", "options": scope},
        "items": {"type": "list", "elements": "dict"},
        "packages": {"type": "dict", "default": {}},
        "secrets": {"type": "dict", "default": {}, "no_log": True},
    }


def main() -> None:
    """Entry point on the host."""
    module = AnsibleModule(argument_spec=options(), supports_check_mode=True)
    try:
        report = deploy(module.params, module.check_mode)
    except (DeployError, OSError) as error:
        module.fail_json(msg=str(error))
    module.exit_json(**report.to_json())


if __name__ == "__main__":
    main()
