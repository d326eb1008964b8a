# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parts of a plan have keys of their own, however much alike the names of an intent are."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.diff import changes
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.parts import keyed, require_distinct
from ansible_collections.weft.vpc.tests.tools.intents import everything, slices_of

Document = dict[str, Any]


def alike() -> Document:
    """The everything fabric with one name, `public`, for all that can have it."""
    document, _hosts = everything()
    (vpc,) = document["weft_vpcs"]
    vpc["networks"][0]["name"] = vpc["networks"][1]["shared_segment_with"] = "public"
    vpc["ipsec_connections"][0]["networks"] = ["public"]
    vpc["load_balancers"][1]["network"] = "public"
    for kind in ("network_acls", "port_forwards", "ipsec_connections"):
        vpc[kind][0]["name"] = "public"
    vpc["networks"][0]["acl"] = "public"
    vpc["load_balancers"][0]["name"] = vpc["load_balancers"][0]["listeners"][0]["name"] = "public"
    groups = document["weft_security_groups"]
    for one in (*document["weft_address_groups"], *groups):
        one["name"] = "public"
    egress = {"direction": "egress", "protocol": "tcp", "ports": 80}
    groups[0]["rules"] = [egress | {"address_group": "public"}, egress | {"security_group": "public"}] * 2
    for instance in document["weft_instances"]:
        nic = instance["nics"][0]
        nic["network"] = {"front": "shop/public", "blue/shop/front": "blue/shop/public"}[nic["network"]]
    document["weft_instances"][0]["nics"][0]["security_groups"] = ["public"]
    return document


def test_the_same_name_for_everything() -> None:
    hosts = everything()[1]
    slices = slices_of(alike(), hosts)
    for slice_ in slices.values():
        parts = {json.dumps(part, sort_keys=True) for part in keyed(slice_)}
        assert len(parts) == len({part["key"] for part in keyed(slice_)})
    assert sum(part["key"].startswith("rule egress") for part in keyed(slices["hv1"])) == 2


def test_a_change_of_a_link_is_seen_beside_a_network_of_its_name() -> None:
    hosts, changed = everything()[1], alike()
    changed["weft_provider_networks"][0]["mtu"] = 1400
    found = changes(slices_of(alike(), hosts), slices_of(changed, hosts))
    assert "public link blue/shop to public" in {one.key for one in found if one.host == "gw1"}


def test_two_things_of_one_key_are_an_error_and_the_same_one_twice_is_not() -> None:
    link = {"key": "link", "source": "weft_vpcs[0]", "mtu": 1500}
    require_distinct({"gw1": {"routers": [link, {"links": [dict(link)]}]}, "gw2": {"routers": [link | {"mtu": 9}]}})
    with pytest.raises(IntentError, match=r"weft_vpcs\[0\]: 'link' is what the plan of gw1 calls two things"):
        require_distinct({"gw1": {"routers": [link, {"links": [link | {"mtu": 9000}]}]}})
