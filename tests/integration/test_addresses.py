"""Guest ranges with room beside them, and public addresses of one tenant alone (rows A3, A8)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checks.cloud import WAN_ADDRESS, WAN_PORT, saw, tcp
from checks.fabric import Fabric, Intent

pytestmark = pytest.mark.packets
STRANGER, OWN, OWN_TOO, RESERVED = "192.168.20.50", "10.172.11.121", "10.172.11.122", "10.172.11.120"


def reserve_and_dedicate(intent: Intent) -> None:
    """Room for a machine that is not ours in the first subnet, and three public addresses of the second tenant."""
    intent["weft_vpcs"][0]["networks"][0]["ip_ranges"] = [
        {"start": "192.168.20.2", "end": "192.168.20.20"},
        {"start": "192.168.20.150", "end": "192.168.20.254"},
    ]
    public = intent["weft_provider_networks"][0]
    public["ip_ranges"].append({"start": RESERVED, "end": "10.172.11.129", "tenant": "admin1"})
    public["reserved_ips"] = [RESERVED]
    elastic = {"name": "eip", "network": "L3-public", "target": "other-1"}
    intent["weft_vpcs"][1]["elastic_ips"] = [elastic]


def steal(intent: Intent) -> None:
    intent["weft_vpcs"][0]["elastic_ips"].append({"name": "eip-c", "network": "L3-public", "ip": OWN_TOO})


def crowd_out(intent: Intent) -> None:
    intent["weft_vpcs"][0]["networks"][0]["ip_ranges"][1]["start"] = "192.168.20.160"


@pytest.fixture
def stranger(fabric: Fabric) -> Iterator[None]:
    """A machine that nobody told us of, plugged into the first subnet's segment by hand."""
    commands = (
        "ip netns add stranger",
        "ip link add stranger type veth peer name eth0 netns stranger",
        "ip link set stranger master wbr222 up",
        f"ip -n stranger address add {STRANGER}/24 dev eth0",
        "ip -n stranger link set eth0 up mtu 1450",
        "ip -n stranger route add default via 192.168.20.1",
    )
    fabric.cloud.read("hv1", " && ".join(commands))
    yield
    fabric.cloud.read("hv1", "ip netns delete stranger")


@pytest.mark.usefixtures("stranger")
def test_reserved_room_stays_free_and_dedicated_addresses_are_one_tenants(fabric: Fabric) -> None:
    before = {key: fabric.cloud.recorded(key) for key in ("admin1/vpc-2:public_ip", "admin/vpc-ins1/0:ip")}
    fabric.change(reserve_and_dedicate)
    assert fabric.run("-v", "--check").did().keys() == {"gw1"}
    cloud = fabric.apply()
    assert cloud.public("vpc-2", "eip", "elastic_ip") == OWN, "its own first, and not the reserved one"
    assert {key: cloud.recorded(key) for key in before} == before, "what had a lawful address keeps it"
    assert cloud.ping("wan", OWN, count=3) == 63
    (answer,) = cloud.ask("other-1", [tcp(WAN_ADDRESS, WAN_PORT)])
    assert saw(answer) == OWN
    assert cloud.ping("wan", RESERVED) is None
    for neighbour, ttl in (("vpc-ins1", 64), ("vpc-port-test-2", 64), ("vpc-ins2", 63)):
        assert cloud.ping(neighbour, STRANGER, count=3) == ttl, f"{neighbour} and a machine beside the guest ranges"
    assert fabric.run().changed == 0
    for edit, words in (
        (steal, f"'{OWN_TOO}' is dedicated to tenant admin1"),
        (crowd_out, "'192.168.20.154' lies outside the ranges 192.168.20.2-192.168.20.20, 192.168.20.160"),
    ):
        fabric.change(edit)
        refused = fabric.try_run()
        assert (refused.status != 0, refused.changed) == (True, 0)
        assert words in " ".join(refused.output.split())
        fabric.restore()
        fabric.change(reserve_and_dedicate)
    fabric.restore()
    fabric.apply()
    assert cloud.ping("wan", OWN) is None, "an address that was given back answers no more"
