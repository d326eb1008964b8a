#!/usr/bin/python
# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations

DOCUMENTATION = r"""
module: survey
short_description: See what a host is and what weft.vpc has on it
description:
  - Reads a host's addresses, what the manifest says is there, what of that is not as it should be, and what on the host
    would break it. It takes a fraction of a second and changes nothing.
  - The planner and the comparison work from its result, so that an unchanged host costs this one call.
  - Kernel features are probed once per boot, in namespaces of the probe's own, and kept in C(/run/weft).
version_added: 0.1.0
author:
  - weft.vpc contributors (@weft)
options: {}
attributes:
  check_mode:
    description: The module reads only.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
requirements:
  - Debian 12 or later on the host
seealso:
  - module: weft.vpc.deploy
"""

EXAMPLES = r"""
- name: See what is there
  weft.vpc.survey:
  register: found

- name: Show what somebody else changed
  ansible.builtin.debug:
    var: found.manifest.reasons
"""

RETURN = r"""
addresses:
  description: The network devices by name, each with C(addresses) (IPv4, with prefix), C(mtu), C(mac), C(master).
  returned: always
  type: dict
  sample: {"eth2": {"addresses": ["172.20.0.11/24"], "mtu": 1500, "mac": "02:00:00:00:00:01", "master": ""}}
manifest:
  description: What is recorded as ours.
  returned: always
  type: dict
  contains:
    fabric:
      description: The fabric the host belongs to, empty if none.
      type: str
    recorded:
      description: C(digest), C(state) and C(role) of every item by its id.
      type: dict
    drift:
      description: Ids of items whose files or live objects are not as recorded.
      type: list
      elements: str
    reasons:
      description: By item, what is not as recorded.
      type: dict
preflight:
  description: What the host is like, and C(findings), each with C(rule), C(value), C(reason), C(remedy), C(severity).
  returned: always
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.weft.vpc.plugins.module_utils.deploy.drift import survey_manifest
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.links import survey_links
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import ManifestFile
from ansible_collections.weft.vpc.plugins.module_utils.deploy.preflight import survey_preflight


def main() -> None:
    """Entry point on the host."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    try:
        manifest = ManifestFile().read("")
        module.exit_json(
            changed=False,
            addresses=survey_links(),
            manifest=survey_manifest(manifest),
            preflight=survey_preflight(),
        )
    except (DeployError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
