"""Egress policies: what a network may send outside its VPC, and what a change of that does to live connections."""

from __future__ import annotations

import pytest
from checks.cloud import SILENCE, WAN_ADDRESS, WAN_PORT, Cloud, tcp, udp, who
from checks.fabric import Fabric, Intent
from checks.streams import Stream

pytestmark = pytest.mark.packets
ELSEWHERE = "223.5.5.5"


def with_policies(intent: Intent) -> None:
    first, _second, third = intent["weft_vpcs"][0]["networks"]
    first["egress"] = "deny"
    first["egress_rules"] = [
        {"protocol": "tcp", "ports": f"{WAN_PORT}-{WAN_PORT + 5}", "cidrs": ["10.0.0.0/8"]},
        {"protocol": "tcp", "ports": WAN_PORT, "cidrs": [WAN_ADDRESS]},
        {"protocol": "icmp"},
    ]
    third["egress_rules"] = [{"protocol": "udp", "cidrs": ["10.0.0.0/8"]}]


def without_permission(intent: Intent) -> None:
    del intent["weft_vpcs"][0]["networks"][0]["egress_rules"][:2]


def heard(cloud: Cloud, asker: str) -> dict[str, bool]:
    """Which of the outside's services answer an instance."""
    questions = {
        "tcp": tcp(WAN_ADDRESS, WAN_PORT, seconds=SILENCE),
        "udp": udp(WAN_ADDRESS, WAN_PORT, seconds=SILENCE),
        "elsewhere": tcp(ELSEWHERE, WAN_PORT, seconds=SILENCE),
    }
    answers = cloud.ask(asker, list(questions.values()))
    return {name: who(answer) == "wan" for name, answer in zip(questions, answers, strict=True)}


ALL = {"tcp": True, "udp": True, "elsewhere": True}


def test_egress_policies(fabric: Fabric) -> None:
    cloud = fabric.cloud
    elastic = cloud.public("vpc-1", "eip-a", "elastic_ip")
    assert heard(cloud, "vpc-ins1") == ALL
    fabric.change(with_policies)
    with Stream(cloud, "vpc-ins1", WAN_ADDRESS, WAN_PORT) as admitted:
        fabric.run()
    admitted.lived()
    assert heard(cloud, "vpc-ins1") == {"tcp": True, "udp": False, "elsewhere": False}
    assert heard(cloud, "vpc-ins3") == {"tcp": True, "udp": False, "elsewhere": True}
    assert heard(cloud, "vpc-ins2") == ALL, "another network has no policy"
    assert cloud.ping("vpc-ins1", WAN_ADDRESS) is not None
    _the_policy_is_about_what_leaves(cloud, elastic)
    assert fabric.run().changed == 0
    _a_change_ends_what_it_no_longer_admits(fabric, elastic)
    fabric.restore()
    fabric.run()
    assert heard(cloud, "vpc-ins1") == heard(cloud, "vpc-ins3") == ALL
    assert "egress" not in cloud.in_router("vpc-1", "nft list table inet weft; cat /etc/weft/translation.json")


def _the_policy_is_about_what_leaves(cloud: Cloud, elastic: str) -> None:
    """Not about answers to the outside, nor about what stays in the VPC, by whatever address."""
    inside = [udp(cloud.address("vpc-ins3")), udp(cloud.public("vpc-1", "eip-b", "elastic_ip"))]
    assert [who(one) for one in cloud.ask("vpc-ins1", inside)] == ["vpc-ins3 admin", "vpc-ins1 admin"]
    outside = cloud.ask("wan", [udp(elastic), tcp(elastic)])
    assert [who(one) for one in outside] == ["vpc-ins1 admin"] * 2


def _a_change_ends_what_it_no_longer_admits(fabric: Fabric, elastic: str) -> None:
    cloud = fabric.cloud
    fabric.change(without_permission)
    with (
        Stream(cloud, "vpc-ins1", WAN_ADDRESS, WAN_PORT) as goes,
        Stream(cloud, "wan", elastic, 8080) as entered,
        Stream(cloud, "vpc-ins2", WAN_ADDRESS, WAN_PORT) as other,
        Stream(cloud, "vpc-ins1", cloud.address("vpc-ins3"), 8080) as inside,
    ):
        done = fabric.run("-v")
        goes.ends()
    for stream in (entered, other, inside):
        stream.lived()
    files = done.did()["gw1"]["files"]
    assert all(path.endswith(("15-egress.elements", "translation.json")) for path in files), files
    assert heard(cloud, "vpc-ins1") == {"tcp": False, "udp": False, "elsewhere": False}
