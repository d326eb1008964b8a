# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What leaves a VPC: egress policies, and routes of some senders."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Translated, Translation, ends, judge
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.egress import disjoint

CONFIG: dict[str, Any] = {
    "subnets": ["192.168.20.0/24", "192.168.21.0/24", "192.168.22.0/24"],
    "snat": [["192.168.20.0/24", "10.172.11.91"], ["192.168.22.0/24", "10.172.11.91"]],
    "elastic_in": {"10.172.11.4": "192.168.20.5"},
    "routes": [
        ["172.31.0.0/16", "192.168.21.2", 128, None],
        ["0.0.0.0/0", "192.168.21.2", 128, "192.168.22.0/24"],
        ["203.0.113.0/24", None, 128, "192.168.22.9/32"],
    ],
    "main_only": ["192.168.20.0/24", "192.168.21.0/24", "192.168.22.0/24", "198.51.100.0/24"],
    "egress": {
        "192.168.20.0/24": {"policy": "deny", "ports": [["tcp", 80, 90, "10.0.0.0/8"]], "protocols": []},
        "192.168.21.0/24": {"policy": "allow", "ports": [], "protocols": [[1, 1, "0.0.0.0/0"]]},
    },
}


def asked(protocol: str, source: str, destination: str, port: int = 0) -> Flow:
    return Flow(protocol, source, destination, 40000 if port else 0, port)


@pytest.mark.parametrize(
    ("flow", "action"),
    [
        (asked("tcp", "192.168.20.5", "10.0.0.1", 85), "accept"),
        (asked("tcp", "192.168.20.5", "10.0.0.1", 91), "reject"),
        (asked("udp", "192.168.20.5", "10.0.0.1", 85), "reject"),
        (asked("tcp", "192.168.20.5", "11.0.0.1", 85), "reject"),
        (asked("47", "192.168.20.5", "10.0.0.1"), "reject"),
        (asked("tcp", "192.168.20.5", "192.168.21.9", 22), "accept"),
        (asked("tcp", "192.168.20.5", "172.31.0.1", 22), "accept"),
        (asked("tcp", "192.168.20.6", "10.172.11.4", 22), "accept"),
        (asked("tcp", "10.0.0.1", "10.172.11.4", 22), "accept"),
        (asked("icmp", "192.168.21.5", "10.0.0.1"), "reject"),
        (asked("icmp", "172.31.0.1", "10.0.0.1"), "reject"),
        (asked("tcp", "192.168.21.5", "10.0.0.1", 22), "accept"),
        (asked("icmp", "192.168.22.5", "10.0.0.1"), "accept"),
        (asked("tcp", "192.168.22.9", "203.0.113.5", 80), "drop"),
    ],
)
def test_what_may_leave(flow: Flow, action: str) -> None:
    assert judge(flow, Translation(CONFIG)).action == action


@pytest.mark.parametrize(
    ("flow", "source"),
    [
        (asked("tcp", "192.168.22.5", "10.0.0.1", 80), None),
        (asked("tcp", "192.168.22.9", "10.0.0.1", 80), None),
        (asked("tcp", "192.168.22.5", "198.51.100.7", 80), "10.172.11.91"),
        (asked("tcp", "192.168.20.5", "10.0.0.1", 80), "10.172.11.91"),
    ],
)
def test_only_the_senders_take_their_route(flow: Flow, source: str | None) -> None:
    """Who takes it stays inside, so the source is not translated."""
    assert judge(flow, Translation(CONFIG)).translated.source == source


def test_a_policy_ends_what_it_no_longer_admits() -> None:
    old = Translation({**CONFIG, "egress": {}})
    goes, stays = asked("tcp", "192.168.20.5", "10.0.0.1", 22), asked("tcp", "192.168.20.5", "10.0.0.1", 80)
    actual = Translated(source="10.172.11.91")
    assert ends(goes, actual, old, Translation(CONFIG))
    assert not ends(stays, actual, old, Translation(CONFIG))
    assert not ends(asked("tcp", "10.0.0.1", "10.172.11.4", 22), Translated("192.168.20.5"), old, Translation(CONFIG))


LEASED = "198.51.100.0/24"
TWO_LINKS = Translation(
    {
        **CONFIG,
        "egress": {},
        "elastic_in": {"10.172.11.4": "192.168.20.5", "198.51.100.4": "192.168.20.6"},
        "filters": {"none": {"end": "deny", "rules": []}},
        "interface_firewalls": [["in", LEASED, "none"], ["out", LEASED, "none"]],
        "public_links": {
            "0.0.0.0/0": "10.0.0.0/8", "10.0.0.0/8": "10.0.0.0/8", LEASED: LEASED, "192.168.21.0/24": LEASED,
        },
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("flow", "action"),
    [
        (asked("tcp", "203.0.113.1", "10.172.11.4", 22), "accept"),
        (asked("tcp", "203.0.113.1", "198.51.100.4", 22), "drop"),
        (asked("tcp", "192.168.20.5", "203.0.113.1", 22), "accept"),
        (asked("tcp", "192.168.21.5", "203.0.113.1", 22), "reject"),
        (asked("tcp", "192.168.20.5", "192.168.21.5", 22), "accept"),
    ],
)
def test_the_firewall_of_one_public_interface_is_not_the_others(flow: Flow, action: str) -> None:
    assert judge(flow, TWO_LINKS).action == action


def test_boxes_are_made_disjoint() -> None:
    nets = [IPv4Network(one) for one in ("0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.0.0.1/32")]
    boxes = [(80, 80, nets[0]), (1, 1024, nets[1]), (443, 8080, nets[2]), (81, 442, nets[3]), (1025, 1025, nets[1])]
    apart = disjoint(boxes)
    for number, (first, last, cidr) in enumerate(apart):
        for other_first, other_last, other in apart[:number]:
            assert last < other_first or other_last < first or not cidr.overlaps(other)
    for port in (1, 79, 80, 81, 442, 443, 1024, 1025, 1026, 8080, 8081):
        for address in map(IPv4Address, ("10.0.0.1", "10.1.2.3", "10.2.0.1", "11.0.0.1")):
            wanted = any(first <= port <= last and address in cidr for first, last, cidr in boxes)
            assert wanted == any(first <= port <= last and address in cidr for first, last, cidr in apart)
