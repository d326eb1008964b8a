"""VLANs of a NIC as provider networks: for guests and as a router's public network (row P5)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checks.cards import plug, port
from checks.cloud import Cloud, saw, tcp
from checks.fabric import Fabric, Intent

pytestmark = [pytest.mark.packets, pytest.mark.kernel("vlan")]
GUEST_VLAN, OTHER_VLAN, PUBLIC_VLAN = 30, 31, 40
OUTSIDE, STRANGER = "10.30.0.1", "10.30.0.99"
UPSTREAM = "198.51.100.1"


def with_vlans(intent: Intent) -> None:
    """Two guest networks on VLANs of eth1, a public one on a VLAN of eth3, and a VPC that leaves by that."""
    guests = {"type": "vlan", "interface": "eth1", "clusters": ["cluster1"], "services": ["guest"]}
    public = {"type": "vlan", "interface": "eth3", "clusters": ["router_nodes"], "services": ["public"]}
    intent["weft_provider_networks"] += [
        {"name": "office", "vlan": GUEST_VLAN, "cidr": "10.30.0.0/24", "gateway": OUTSIDE, **guests},
        {"name": "lab", "vlan": OTHER_VLAN, "cidr": "10.31.0.0/24", **guests},
        {"name": "leased-line", "vlan": PUBLIC_VLAN, "cidr": "198.51.100.0/24", "gateway": UPSTREAM, **public},
    ]
    offering = {"cpus": 0.5, "memory": "128M", "image": "debian-12", "public_network": "leased-line"}
    intent["weft_router_offerings"].append({"name": "leased", **offering})
    network = {"name": "vpc-3-1", "pool": "vxlan-pool", "cidr": "192.168.30.0/24"}
    router = {"offering": "leased", "nodes": ["gw1"]}
    intent["weft_vpcs"].append({"name": "vpc-3", "tenant": "admin1", "router": router, "networks": [network]})
    intent["weft_instances"] += [
        {"name": "office-1", "tenant": "admin1", "host": "hv1", "nics": [{"network": "office"}]},
        {"name": "office-2", "tenant": "admin1", "host": "hv2", "nics": [{"network": "office"}]},
        {"name": "lab-1", "tenant": "admin1", "host": "hv1", "nics": [{"network": "lab"}]},
        {"name": "behind", "tenant": "admin1", "host": "hv2", "nics": [{"network": "vpc-3-1"}]},
    ]


def answers(cloud: Cloud, host: str, instance: str, target: str, source: str, size: int = 56) -> bool:
    """Whether a ping that must not be fragmented comes back, within a few tries: a bridge port starts slowly."""
    command = f"ip netns exec {instance} ping -n -M do -c 5 -i 0.5 -W 1 -s {size} -I {source} {target}"
    return "bytes from" in cloud.on(host, ["sh", "-c", command]).stdout


@pytest.fixture
def outside(fabric: Fabric) -> Iterator[None]:
    """The switch's other end: `wan` has an address on each VLAN, and none of the leased line's without its tag."""
    moved = f"ip address del {UPSTREAM}/24 dev eth3 && ip link add link eth3 name eth3.40 type vlan id {PUBLIC_VLAN}"
    fabric.cloud.read(
        "wan",
        f"ip link add link eth1 name eth1.30 type vlan id {GUEST_VLAN} && ip address add {OUTSIDE}/24 dev eth1.30"
        f" && ip link set eth1.30 up && {moved} && ip address add {UPSTREAM}/24 dev eth3.40 && ip link set eth3.40 up",
    )
    yield
    fabric.cloud.read("wan", f"ip link del eth1.30 && ip link del eth3.40 && ip address add {UPSTREAM}/24 dev eth3")
    for host, instance in (("hv1", "office-1"), ("hv2", "office-2"), ("hv1", "lab-1")):
        fabric.cloud.on(host, ["ip", "netns", "delete", instance])


def without_office(intent: Intent) -> None:
    """Only what a DHCP server of ours serves."""
    with_vlans(intent)
    intent["weft_instances"] = [one for one in intent["weft_instances"] if one["name"][:3] not in ("off", "lab")]


@pytest.mark.usefixtures("outside")
def test_vlans_carry_a_public_network_and_guests(fabric: Fabric) -> None:
    fabric.change(without_office)
    cloud = fabric.apply()
    (answer,) = cloud.ask("behind", [tcp(UPSTREAM)])
    assert saw(answer) == cloud.recorded("admin1/vpc-3:public_ip")

    fabric.restore()
    fabric.change(with_vlans)
    fabric.run()
    cloud = fabric.cloud
    for instance in ("office-1", "office-2"):
        plug(cloud, instance)
    plug(cloud, "lab-1", STRANGER)
    first, second = port(cloud, "office-1")["ip"], port(cloud, "office-2")["ip"]
    assert answers(cloud, "hv1", "office-1", OUTSIDE, first, size=1472), "to the outside, by its tag, in full size"
    assert answers(cloud, "hv1", "office-1", second, first), "from hypervisor to hypervisor"
    assert not answers(cloud, "hv1", "lab-1", OUTSIDE, STRANGER), "the other VLAN of the same NIC"
    assert not answers(cloud, "hv1", "lab-1", first, STRANGER), "on the same host, too"

    fabric.restore()
    fabric.apply("-e", "weft_max_removal_percent=100")
    for host, card in (("gw1", "eth3"), ("hv1", "eth1")):
        assert f"@{card}" not in cloud.read(host, "ip -br link"), "the VLAN goes with its network"
