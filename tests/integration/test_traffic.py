"""What live traffic notices of a change: nothing, unless the change is about it."""

from __future__ import annotations

import time

import pytest
from checks.cloud import tcp, who
from checks.fabric import Fabric, Intent, drop
from checks.streams import Ping, Stream

pytestmark = pytest.mark.packets


def add_eip(intent: Intent) -> None:
    intent["weft_vpcs"][0]["elastic_ips"].append({"name": "eip-c", "network": "L3-public", "target": "vpc-ins3"})


def test_adding_an_eip_disturbs_nobody(fabric: Fabric) -> None:
    cloud = fabric.cloud
    forward = cloud.public("vpc-1", "vip-pf", "virtual_ip")
    fabric.change(add_eip)
    with (
        Stream(cloud, "wan", forward, 2222) as stream,
        Ping(cloud, "vpc-ins1", cloud.address("vpc-ins2")) as routed,
        Ping(cloud, "vpc-port-test-1", cloud.address("vpc-port-test-2")) as bridged,
    ):
        done = fabric.run("-v")
    told = stream.told()
    print(f"\nstream {told}, routed ping {routed.counts()}, bridged ping {bridged.counts()}")
    stream.lived()
    assert told["lines"] == told["answers"] > 100
    for sent, received in (routed.counts(), bridged.counts()):
        assert sent == received > 100
    assert set(done.did()) == {"gw1"}
    files = done.did()["gw1"]["files"]
    assert all(path.endswith(("eip.elements", "addresses.d/eip", "translation.json")) for path in files), files
    address = fabric.cloud.public("vpc-1", "eip-c", "elastic_ip")
    assert who(cloud.ask("wan", [tcp(address)])[0]) == "vpc-ins3 admin"


def test_removed_forward_ends_its_connections_and_no_others(fabric: Fabric) -> None:
    cloud = fabric.cloud
    address = cloud.public("vpc-1", "vip-pf", "virtual_ip")
    fabric.change(lambda intent: drop(intent["weft_vpcs"][0]["port_forwards"], "vpc-port3"))
    with Stream(cloud, "wan", address, 2222) as stays, Stream(cloud, "wan", address, 2224) as goes:
        fabric.run()
        goes.ends()
    stays.lived()


def test_moved_eip_answers_from_its_new_target(fabric: Fabric) -> None:
    cloud = fabric.cloud
    address = cloud.public("vpc-1", "eip-b", "elastic_ip")

    def move(intent: Intent) -> None:
        intent["weft_vpcs"][0]["elastic_ips"][1]["target"] = "vpc-ins3"

    fabric.change(move)
    with Stream(cloud, "wan", address, 8080) as old, Stream(cloud, "wan", _first_eip(fabric), 8080) as other:
        fabric.run()
        old.ends()
        assert who(cloud.ask("wan", [tcp(address)])[0]) == "vpc-ins3 admin"
    other.lived()


def _first_eip(fabric: Fabric) -> str:
    return fabric.cloud.public("vpc-1", "eip-a", "elastic_ip")


BLOCK = (
    "nft add table inet block && nft add chain inet block input '{ type filter hook input priority 0; }' && "
    "nft add rule inet block input tcp dport 8080 drop"
)
HEALTH_CHECK = {"interval": 1, "timeout": 1, "rise": 2, "fall": 2}
NOTICED_SECONDS = 20.0


def test_dead_backend_gets_nothing(fabric: Fabric) -> None:
    """A backend that does not answer its health checks is left out; back again, it is used again."""

    def check_often(intent: Intent) -> None:
        intent["weft_vpcs"][0]["load_balancers"][0]["listeners"][0]["health_check"] = HEALTH_CHECK

    fabric.change(check_often)
    cloud = fabric.apply()
    cloud.read("vpc-port-test-2", BLOCK)
    try:
        _settles(fabric, {"vpc-port-test-1 admin", "vpc-port-test-3 admin"})
    finally:
        cloud.read("vpc-port-test-2", "nft delete table inet block")
    _settles(fabric, {f"vpc-port-test-{number} admin" for number in (1, 2, 3)})


def _settles(fabric: Fabric, wanted: set[str]) -> None:
    """Wait until twelve connections reach exactly these backends."""
    cloud = fabric.cloud
    address = cloud.public("vpc-1", "vip-lb", "virtual_ip")
    deadline = time.monotonic() + NOTICED_SECONDS
    while (seen := set(map(who, cloud.ask("wan", [tcp(address)] * 12)))) != wanted:
        assert time.monotonic() < deadline, seen
