#!/usr/bin/python
# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
short_description: Plan a fabric from the inventory's intent
version_added: 0.1.0
author: The weft.vpc contributors (@weft-vpc)
description:
  - Takes the C(weft_*) variables of the inventory once, checks them, gives every object its stable numbers and
    addresses from the ledger, and writes a plan file with one slice per host.
  - All errors of the intent are reported together, each with its place in the inventory. No host is touched.
  - Use it with C(run_once), after M(weft.vpc.survey) has been registered as C(_weft_survey) on the hosts; a host that
    was not surveyed in this run is planned with the addresses the ledger remembers of it.
options:
  state_dir:
    description: Directory of the ledger (C(weft-ledger.json)) and of the record of what was applied (C(.weft/applied)).
    type: path
    required: true
  plan_file:
    description:
      - Where to write the plan, or with O(use_saved) the plan to use.
      - Without it the plan is kept in Ansible's temporary directory for this run only.
    type: path
  use_saved:
    description:
      - Use the plan in O(plan_file) instead of making one. Refused if the intent, or what the inventory says of a host
        that this run sees, has changed since the plan was made.
    type: bool
    default: false
  show:
    description: Print what the plan would create, change and destroy.
    type: bool
    default: false
  destroy:
    description: Plan the fabric with nothing in it, so that everything weft.vpc made is removed.
    type: bool
    default: false
  release:
    description:
      - Release what objects had that left the intent. Leave it out where the plan may not be applied; until it is, they
        are on the hosts.
    type: bool
    default: true
  leaving:
    description:
      - A host of the inventory that is to have nothing of the fabric any more, and that the others do not name. The
        playbook C(weft.vpc.leave) uses it.
    type: str
attributes:
  check_mode:
    description: The ledger and O(plan_file) are not written.
    support: full
  diff_mode:
    description: O(show) says what would change.
    support: none
  action:
    description: Runs on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Say what would change, and keep the plan
  weft.vpc.plan:
    state_dir: "{{ inventory_dir }}"
    plan_file: "{{ inventory_dir }}/weft.plan"
    show: true
  run_once: true
"""

RETURN = r"""
plan_file:
  description: The plan.
  returned: success
  type: str
  sample: /srv/inventory/weft.plan
summary:
  description: One sentence on what would change.
  returned: success
  type: str
  sample: "Plan: 3 to create, 1 to change, 0 to destroy."
changes:
  description: What would be created, changed and destroyed, against what is recorded as applied.
  returned: success
  type: list
  elements: dict
  sample: [{action: create, key: elastic IP admin/vpc-1/eip-c, host: gw1}]
renewals:
  description:
    - Instances whose DHCP lease says something else than the plan, against what is recorded as applied; what differs,
      and what goes on until they renew it.
  returned: success
  type: list
  elements: dict
  sample:
    - subnet: subnet admin/vpc-1/vpc-1-1
      instances: [vpc-ins1]
      changes: [{value: gateway, old: 192.168.20.1, new: 192.168.20.254}]
      until: Until then everything goes on but all that leaves its subnet.
left:
  description:
    - Hosts that are recorded with parts of the fabric on them and that the inventory does not have. A warning says what
      each has and what to do. The variable C(weft_gone_hosts) names those that will never be asked again.
  returned: success
  type: list
  elements: str
  sample: [hv2]
ledger:
  description: What the plan changes in the ledger, in sentences.
  returned: success
  type: list
  elements: str
  sample: [admin/vpc-1/eip-c:elastic_ip gets address 10.172.11.6 of network L3-public.]
"""
