"""Custom routes: by distance, by source, black holes. Each with the packets that must not take it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from checks.cloud import SILENCE, WAN_ADDRESS, WAN_PORT, Cloud, saw, tcp, who
from checks.fabric import Fabric, Intent

from lab.shell import patient

pytestmark = pytest.mark.packets
BEHIND = "172.31.0.9"
OUTSIDE = "198.51.100.77"
DENIED = "198.51.100.129"
HOLE = "203.0.113.1"
SOURCE, OTHER = "vpc-ins1", "vpc-port-test-1"
HOPS = ("vpc-ins2", "vpc-ins3")
NOTICED_SECONDS = 20.0


def add_routes(intent: Intent) -> None:
    intent["weft_vpcs"][0]["routes"] += [
        {"destination": "172.31.0.0/16", "next_hop": "vpc-ins3", "distance": 200},
        {"destination": "0.0.0.0/0", "source": "192.168.20.2/32", "next_hop": "vpc-ins2"},
        {"destination": "0.0.0.0/0", "source": "192.168.20.2/32", "next_hop": "vpc-ins3", "distance": 129},
    ]
    for instance in intent["weft_instances"]:
        if instance["name"] in HOPS:
            instance["nics"][0]["allowed_addresses"] = ["172.31.0.0/16", "198.51.100.0/24"]
    intent["weft_fabric"]["route_denylist"] = ["198.51.100.128/25"]


def answers(cloud: Cloud, asker: str, address: str) -> str:
    return who(cloud.ask(asker, [tcp(address, seconds=SILENCE)])[0])


def settles(cloud: Cloud, asker: str, address: str, wanted: str) -> None:
    deadline = time.monotonic() + patient(NOTICED_SECONDS)
    while (seen := answers(cloud, asker, address)) != wanted:
        assert time.monotonic() < deadline, f"{asker} reached {seen} at {address}"


def set_link(cloud: Cloud, network: str, state: str) -> None:
    """What a cut cable is to a router: the node's end of its link goes down."""
    number = cloud.recorded(f"admin/vpc-1/{network}:router_port")
    cloud.read("gw1", f"ip link set dev wp{number} {state}")


@contextmanager
def extra_addresses(cloud: Cloud) -> Iterator[None]:
    """What is to be found behind the next hops: addresses that both of them answer for."""
    statements = "".join(f"ip address VERB {one}/32 dev lo\n" for one in (BEHIND, OUTSIDE, DENIED))
    for guest in HOPS:
        cloud.read(guest, statements.replace("VERB", "add"))
    try:
        yield
    finally:
        for guest in HOPS:
            cloud.read(guest, statements.replace("VERB", "delete"))


def test_routes_by_distance_and_by_source(fabric: Fabric) -> None:
    cloud = fabric.cloud
    assert cloud.address(SOURCE) == "192.168.20.2"
    fabric.change(add_routes)
    fabric.run()
    with extra_addresses(cloud):
        _routes_lead_where_they_say(fabric)


def _routes_lead_where_they_say(fabric: Fabric) -> None:
    cloud = fabric.cloud
    assert answers(cloud, SOURCE, BEHIND) == answers(cloud, OTHER, BEHIND) == "vpc-ins2 admin"
    _only_the_source_takes_its_route(cloud)
    _what_stays_or_answers_is_not_led_away(cloud)
    assert answers(cloud, OTHER, HOLE) == "nobody"
    assert fabric.run().changed == 0
    _the_farther_hop_takes_over(cloud)
    cloud.in_router("vpc-1", "systemctl restart frr")
    settles(cloud, SOURCE, OUTSIDE, "vpc-ins2 admin")
    cloud.read("gw1", "systemctl restart weft-router@vpc-1.admin")
    settles(cloud, SOURCE, OUTSIDE, "vpc-ins2 admin")
    _only_the_source_takes_its_route(cloud)
    fabric.restore()
    fabric.run()
    settles(cloud, SOURCE, BEHIND, "vpc-ins2 admin")
    assert answers(cloud, SOURCE, OUTSIDE) != "vpc-ins2 admin"
    assert "20" not in cloud.in_router("vpc-1", "ip rule show | cut -c 1-2")
    assert cloud.in_router("vpc-1", "ip route show table all | grep -c 'table 2[0-9][0-9][0-9][0-9]' || :") == "0\n"


def _only_the_source_takes_its_route(cloud: Cloud) -> None:
    assert answers(cloud, SOURCE, OUTSIDE) == "vpc-ins2 admin"
    for other in (OTHER, "vpc-ins3"):
        assert not answers(cloud, other, OUTSIDE).startswith("vpc-ins2")


def _what_stays_or_answers_is_not_led_away(cloud: Cloud) -> None:
    """Traffic inside the VPC, answers to the outside, and what the denylist names."""
    assert answers(cloud, SOURCE, cloud.address("vpc-ins3")) == "vpc-ins3 admin"
    elastic = cloud.public("vpc-1", "eip-a", "elastic_ip")
    assert answers(cloud, "wan", elastic) == f"{SOURCE} admin"
    assert answers(cloud, SOURCE, DENIED) != "vpc-ins2 admin"
    # It sees the source itself: what takes a route inside the VPC is not translated.
    assert saw(cloud.ask(SOURCE, [tcp(OUTSIDE)])[0]) == cloud.address(SOURCE)


def _the_farther_hop_takes_over(cloud: Cloud) -> None:
    set_link(cloud, "vpc-1-2", "down")
    try:
        settles(cloud, SOURCE, BEHIND, "vpc-ins3 admin")
        settles(cloud, SOURCE, OUTSIDE, "vpc-ins3 admin")
    finally:
        set_link(cloud, "vpc-1-2", "up")
    settles(cloud, SOURCE, BEHIND, "vpc-ins2 admin")
    settles(cloud, SOURCE, OUTSIDE, "vpc-ins2 admin")


def test_what_is_behind_a_next_hop_leaves_as_the_hops_subnet(fabric: Fabric) -> None:
    cloud = fabric.cloud
    world, own = f"{WAN_ADDRESS}:{WAN_PORT}", str(cloud.vpc("vpc-1")["router"]["public_ip"])
    assert cloud.ask_from("vpc-ins2", "172.31.0.1", world) == [own]
    # What no route leads to is nobody's: it is not let out.
    with extra_addresses(cloud):
        assert cloud.ask_from("vpc-ins2", OUTSIDE, world) != [own]
