#!/usr/bin/python
# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: fabric_info
short_description: Ask the ledger and the plan who has what
version_added: 0.1.0
author: The weft.vpc contributors (@weft-vpc)
description:
  - Tells who has a VNI, an address, a MAC or a device, and which device name and MAC each instance's NICs have.
  - Reads the ledger, and a plan or the record of what was applied. Makes no call to a host.
options:
  state_dir:
    description: Directory of the ledger and of the record of what was applied.
    type: path
    required: true
  plan_file:
    description: A plan to read instead of the record of what was applied.
    type: path
  value:
    description: A VNI, an address, a MAC or a device name. Without it all allocations are returned.
    type: str
attributes:
  check_mode:
    description: It only reads.
    support: full
  diff_mode:
    description: It changes nothing.
    support: none
  action:
    description: Runs on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Who has VNI 222?
  weft.vpc.fabric_info:
    state_dir: "{{ inventory_dir }}"
    value: "222"
  register: answer
  run_once: true

- name: What has 10.172.11.93?
  weft.vpc.fabric_info:
    state_dir: "{{ inventory_dir }}"
    value: 10.172.11.93
  run_once: true
"""

RETURN = r"""
fabric:
  description: Name of the fabric.
  returned: success
  type: str
allocations:
  description: The ledger's entries, all or those that have O(value).
  returned: success
  type: list
  elements: dict
  sample: [{key: "admin/vpc-1/vpc-1-1:vni", scope: "vni:vxlan-pool", value: 222}]
parts:
  description: What of the plan says O(value), where, and as which attribute.
  returned: success
  type: list
  elements: dict
  sample: [{key: virtual IP admin/vpc-1/vip-pf, host: gw1, attribute: address, source: "weft_vpcs[0].virtual_ips[0]"}]
ports:
  description: Host, device name, guest MAC, bridge and MTU of every instance's NICs.
  returned: success
  type: list
  elements: dict
"""
