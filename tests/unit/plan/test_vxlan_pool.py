# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whose tunnels a host lets in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.model import parse
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import vxlan_pool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

HV1, HV2, GW1 = "172.20.0.11", "172.20.0.12", "172.20.0.21"


def test_peers_are_those_with_a_segment_in_common_by_port() -> None:
    variables, hosts = walkthrough()
    pool = variables["weft_vxlan_pools"][0]
    variables["weft_vxlan_pools"].append({**pool, "name": "old", "vni_ranges": [{"start": 3000, "end": 3009}]})
    variables["weft_vxlan_pools"][1]["udp_port"] = 8472
    # The router on gw1 and vpc-ins2 on hv2 alone are on this one.
    variables["weft_vpcs"][0]["networks"][1]["pool"] = "old"
    wanted = parse(variables, hosts)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    run = Context(wanted, allocate(Ledger("shanghai"), list(requests(wanted)), now, timedelta(days=1)).values)
    vxlan_pool.plan(run)
    seen = {name: {(one.address, one.udp_port) for one in slice_.vxlan_peers} for name, slice_ in run.slices.items()}
    assert seen == {
        "hv1": {(HV2, 4789), (GW1, 4789)},
        "hv2": {(HV1, 4789), (GW1, 4789), (GW1, 8472)},
        "gw1": {(HV1, 4789), (HV2, 4789), (HV2, 8472)},
    }
    assert {one.vtep for one in run.slice_of("hv1").vxlan_peers} == {HV1}


def test_all_macs_of_a_segment_are_known_unless_a_nic_may_have_any() -> None:
    variables, hosts = walkthrough()
    nics = {one["name"]: one["nics"][0] for one in variables["weft_instances"]}
    nics["vpc-ins1"]["mac"], nics["vpc-port-test-2"]["mac"] = "02:00:00:00:00:01", "02:00:00:00:00:02"

    def known() -> dict[str, Any]:
        slices = slices_of(variables, hosts)
        found = {name: [one for one in slices[name]["segments"] if one["vni"] == 222] for name in ("hv1", "hv2", "gw1")}
        return {name: one["far_macs"] for name, (one,) in found.items()}

    macs = known()
    given = [nics[name]["mac"] for name in ("vpc-ins1", "vpc-port-test-2")]
    assert {name: [mac in one for mac in given] for name, one in macs.items()} == {
        "hv1": [False, True], "hv2": [True, False], "gw1": [True, True]
    }  # fmt: skip
    assert {name: len(one) for name, one in macs.items()} == {"hv1": 3, "hv2": 3, "gw1": 4}, "routers have one, too"
    nics["vpc-port-test-3"]["port_security"] = False
    assert set(known().values()) == {None}
