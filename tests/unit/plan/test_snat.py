"""What custom routes lead to leaves as the subnet of its next hop, and no two prefixes overlap."""

from __future__ import annotations

from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

import pytest

from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

OWN, VIP = "10.172.11.91", "10.172.11.93"
SUBNETS = {"192.168.20.0/24": OWN, "192.168.21.0/24": OWN, "192.168.22.0/24": VIP}


def translated(routes: list[dict[str, Any]], **network: Any) -> dict[str, str]:
    """As whom prefixes of vpc-1 leave; vpc-ins2 is in its second network, vpc-ins3 in the third, which has a VIP."""
    variables, hosts = walkthrough()
    variables["weft_vpcs"][0]["routes"] = routes
    variables["weft_vpcs"][0]["networks"][1].update(network)
    router = next(one for one in slices_of(variables, hosts)["gw1"]["routers"] if one["vpc"] == "vpc-1")
    return {one["cidr"]: one["address"] for one in router["source_nats"]}


def to(destination: str, hop: str, **more: Any) -> dict[str, Any]:
    return {"destination": destination, "next_hop": hop, **more}


@pytest.mark.parametrize(
    ("routes", "behind"),
    [
        ([], {}),
        ([to("172.31.0.0/16", "vpc-ins2")], {"172.31.0.0/16": OWN}),
        ([to("172.31.0.0/16", "vpc-ins3")], {"172.31.0.0/16": VIP}),
        # Of two hops to one prefix one is asked at a time, and both leave as the first.
        (
            [to("172.31.0.0/30", "vpc-ins3"), to("172.31.0.0/31", "vpc-ins2")],
            {"172.31.0.0/31": OWN, "172.31.0.2/31": VIP},
        ),
        ([{"destination": "203.0.113.0/24", "type": "blackhole"}], {}),
    ],
)  # fmt: skip
def test_what_is_behind_a_hop(routes: list[dict[str, Any]], behind: dict[str, str]) -> None:
    assert translated(routes) == SUBNETS | behind


def test_a_default_route_leaves_out_what_is_the_vpcs_own() -> None:
    source = {"source": "192.168.20.2/32"}
    found = translated([to("0.0.0.0/0", "vpc-ins2", **source), to("172.31.0.0/16", "vpc-ins3")])
    networks = [IPv4Network(one) for one in found]
    assert not any(one.overlaps(other) for one, other in combinations(networks, 2))
    assert sum(one.num_addresses for one in networks) == 2**32
    assert found["172.31.0.0/16"] == VIP and found["0.0.0.0/1"] == OWN


def test_a_subnet_that_is_not_translated_lets_nothing_behind_it_be() -> None:
    assert translated([to("172.31.0.0/16", "vpc-ins2")], snat={"enabled": False}) == {
        cidr: address for cidr, address in SUBNETS.items() if cidr != "192.168.21.0/24"
    }
