"""How many connections a host with security groups must be able to track (row F9)."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

SYSCTL, RULES = "/etc/sysctl.d/60-weft-security-group.conf", "/etc/weft/nftables.d/21-connections.nft"


def hv1(connections: int | None, *grouped: str) -> dict[str, Any]:
    variables, hosts = walkthrough()
    variables["weft_security_groups"] = [{"name": "web", "tenant": tenant} for tenant in ("admin", "admin1")]
    if connections is not None:
        variables["weft_fabric"]["connections"] = connections
    for instance in variables["weft_instances"]:
        if instance["name"] in grouped:
            instance["nics"][0]["security_groups"] = ["web"]
    return slices_of(variables, hosts)["hv1"]


def files(slice_: dict[str, Any]) -> dict[str, str]:
    return {one["path"]: one.get("content", "") for item in render(slice_) for one in item["files"]}


@pytest.mark.parametrize(
    ("connections", "grouped", "tracked"),
    [
        (None, ["vpc-ins1"], 262144),
        # Both ports of its network on this host, of which one is in no group; not those of other networks.
        (100_000, ["vpc-ins1"], 400_000),
        (100_000, ["vpc-ins1", "vpc-port-test-1", "other-1"], 600_000),
    ],
)
def test_a_host_can_track_what_its_ports_may_have(connections: int | None, grouped: list[str], tracked: int) -> None:
    found = files(hv1(connections, *grouped))
    assert f"-net.netfilter.nf_conntrack_max = {tracked}\n" in found[SYSCTL]
    assert found[RULES].count(f"ct count over {connections or 16384} ") == 2


def test_a_host_without_groups_limits_and_tracks_nothing() -> None:
    assert not {SYSCTL, RULES} & files(hv1(100)).keys()
