# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which routers answer whom by DHCP, where two subnets are on one segment."""

from __future__ import annotations

from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough


def ignoring(**changes: dict[str, Any]) -> list[str]:
    """The interfaces on which the router of vpc-1 leaves strangers alone, with changes of its networks by name."""
    variables, hosts = walkthrough()
    for network in variables["weft_vpcs"][0]["networks"]:
        network |= changes.get(network["name"].replace("-", "_"), {})
    files = [
        file["content"]
        for item in render(slices_of(variables, hosts)["gw1"])
        for file in item["files"]
        if item["scope"] == "router:vpc-1.admin" and file["path"] == "/etc/weft/dnsmasq.conf"
    ]
    lines = "".join(files).splitlines()
    return [line.split(":")[1].split(",")[0] for line in lines if line.startswith("dhcp-ignore=") and "!known" in line]


def test_a_server_that_is_alone_answers_strangers() -> None:
    assert ignoring() == []


def test_servers_that_share_a_segment_leave_strangers_to_each_other() -> None:
    shared = {"shared_segment_with": "vpc-1-2"}
    assert ignoring(vpc_1_3=shared) == ["lan2", "lan3"]
    assert ignoring(vpc_1_3={**shared, "dhcp": False}) == []
