#!/usr/bin/python
# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: compare
short_description: Compare a host with its part of the plan
version_added: 0.1.0
author: The weft.vpc contributors (@weft-vpc)
description:
  - Renders the host's slice and compares it with what M(weft.vpc.survey) found. Makes no call to the host.
  - Fails, before anything is changed, when something on the host is in the way, or when more would be removed than
    O(max_removal_percent) allows.
options:
  plan_file:
    description: The plan, as returned by M(weft.vpc.plan).
    type: path
    required: true
  survey:
    description: What M(weft.vpc.survey) returned for the host.
    type: dict
    required: true
  state_dir:
    description: Directory of the record of what was applied.
    type: path
    required: true
  max_removal_percent:
    description: The largest share of what the host has that a run may remove.
    type: int
    default: 40
attributes:
  check_mode:
    description: Nothing is recorded.
    support: full
  diff_mode:
    description: It only counts.
    support: none
  action:
    description: Runs on the controller.
    support: full
"""

EXAMPLES = r"""
- name: See what each host lacks
  weft.vpc.compare:
    plan_file: "{{ _weft_plan.plan_file }}"
    survey: "{{ _weft_survey }}"
    state_dir: "{{ inventory_dir }}"
"""

RETURN = r"""
pending:
  description: How many items each phase has to act on; empty for a host that the plan does not know.
  returned: success
  type: dict
  sample: {segments: 0, routers: 2, ports: 0, removal: 0}
"""
