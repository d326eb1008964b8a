"""Two tenants with the same subnet on the same hosts, one of which does its worst; what they share (T1, T3)."""

from __future__ import annotations

import struct
from functools import partial

import pytest
from checks.cloud import WAN_ADDRESS, WAN_PORT, Cloud, tcp, who
from checks.fabric import Fabric, Intent
from checks.frames import ARP, BROADCAST, IPV4, IPV6, VLAN, arp, datagram, frame, heard, send, vxlan

pytestmark = pytest.mark.packets

ATTACKER, ACCOMPLICE = "other-1", "other-2"  # of admin1, on hv1 and hv2
VICTIMS = ("vpc-ins1", "vpc-port-test-1", "vpc-port-test-2")  # of admin: two on hv1, one on hv2
FORGED, GATEWAY, VNI = "02:00:00:00:7e:4a", "192.168.20.1", 222
BY_THE_BRIDGE, VTEP = "tunnel-by-the-bridge", "172.20.0.11"
HOSTS = ("hv1", "hv2", "gw1")
#: Says something by UDP from an address of one's own: OWN TARGET PORT.
SAY = (
    "import socket, sys; flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); flow.bind((sys.argv[1], 0));"
    "flow.sendto(f'said as {sys.argv[1]}\\n'.encode(), (sys.argv[2], int(sys.argv[3])))"
)


def card(cloud: Cloud, name: str) -> str:
    return cloud.read(name, "cat /sys/class/net/eth0/address").strip()


def gateway(cloud: Cloud, name: str) -> str:
    """The MAC that an instance knows its router by."""
    assert cloud.ping(name, GATEWAY, count=3) == 64
    return cloud.read(name, f"ip neighbour show {GATEWAY}").split()[4]


def tagged(*tags: int) -> bytes:
    """What follows the first tag's type: tags, and what is in them."""
    inner = b"".join(struct.pack("!HH", tag, VLAN) for tag in tags[:-1])
    return inner + struct.pack("!HH", tags[-1], IPV4) + datagram("192.168.20.77")


def attempts(cloud: Cloud) -> dict[str, bytes]:
    """Frames by name, all of them sent by the attacker's card."""
    own, own_gateway, address = card(cloud, ATTACKER), gateway(cloud, ATTACKER), cloud.address(ATTACKER)
    victim, victims_gateway = VICTIMS[0], gateway(cloud, VICTIMS[0])
    theirs, target = card(cloud, victim), cloud.address(victim)
    everyone = bytes.fromhex("fe80" + "00" * 13 + "01" + "ff02" + "00" * 13 + "01")
    made = {
        "to-the-victim": (own, IPV4, datagram(address, target=target), theirs),
        "to-its-router": (own, IPV4, datagram(address, target=target), victims_gateway),
        "broadcast": (own, IPV4, datagram(address), BROADCAST),
        "multicast": (own, IPV4, datagram(address, target="224.0.0.251"), "01:00:5e:00:00:fb"),
        "as-nobody": (FORGED, IPV4, datagram("192.168.20.77"), BROADCAST),
        "as-the-victim": (theirs, IPV4, datagram(target), BROADCAST),
        "as-its-router": (victims_gateway, IPV4, datagram(GATEWAY, target=target), BROADCAST),
        "arp-for-the-victim": (own, ARP, arp(own, target), BROADCAST),
        "arp-for-its-router": (own, ARP, arp(own, GATEWAY), theirs),
        "arp-forged": (FORGED, ARP, arp(FORGED, target, 1, GATEWAY), BROADCAST),
        "dhcp-offer": (own, IPV4, datagram(address, (67, 68)), BROADCAST),
        "tagged": (own, VLAN, tagged(VNI), BROADCAST),
        "tagged-twice": (own, VLAN, tagged(1, VNI), BROADCAST),
        "ipv6": (own, IPV6, struct.pack("!IHBB", 6 << 28, 46, 59, 255) + everyone, "33:33:00:00:00:01"),
    }
    frames = {name: frame(sender, kind, payload, name, to) for name, (sender, kind, payload, to) in made.items()}
    for vtep in ("172.20.0.11", "172.20.0.12", "192.168.250.11", "255.255.255.255"):
        name = f"tunnel-to-{vtep}"
        within = vxlan(VNI, frame(FORGED, IPV4, datagram("192.168.20.77"), name))
        outer = datagram(address, (4789, 4789), vtep, within)
        frames[name] = frame(own, IPV4, outer, name, own_gateway)
    # Whoever asks the bridge's own MAC asks its host; and would be a peer.
    within = vxlan(VNI, frame(FORGED, IPV4, datagram("192.168.20.77"), BY_THE_BRIDGE))
    outer = datagram("172.20.0.12", (4789, 4789), VTEP, within)
    frames[BY_THE_BRIDGE] = frame(own, IPV4, outer, BY_THE_BRIDGE, its_bridge(cloud))
    return frames


def its_bridge(cloud: Cloud) -> str:
    """The MAC of the bridge that the attacker is on."""
    return cloud.read("hv1", f"cat /sys/class/net/wbr{cloud.recorded('admin1/vpc-2/vpc-2-1:vni')}/address").strip()


def attack(cloud: Cloud, frames: dict[str, bytes]) -> set[str]:
    """Send them; nobody of the other tenant hears one or believes it. Returns what the accomplice heard."""
    before = {victim: gateway(cloud, victim) for victim in VICTIMS}
    told = heard(cloud, frames, (*VICTIMS, ACCOMPLICE), partial(send, cloud, ATTACKER, frames.values()))
    assert {victim: told[victim] for victim in VICTIMS} == {victim: set() for victim in VICTIMS}
    for host in HOSTS:
        learned = cloud.read(host, f"bridge fdb show br wbr{VNI}")
        assert FORGED not in learned and card(cloud, ATTACKER) not in learned, host
    assert {victim: gateway(cloud, victim) for victim in VICTIMS} == before
    neighbours = cloud.in_router("vpc-1", "ip neighbour")
    assert FORGED not in neighbours and card(cloud, ATTACKER) not in neighbours
    return told[ACCOMPLICE]


def test_a_tenant_cannot_reach_into_another(fabric: Fabric) -> None:
    def unguarded(intent: Intent) -> None:
        (attacker,) = (one for one in intent["weft_instances"] if one["name"] == ATTACKER)
        attacker["nics"][0]["port_security"] = False

    frames = attempts(fabric.cloud)
    assert {"broadcast", "multicast"} <= attack(fabric.cloud, frames)
    # What keeps tenants apart is not port security: without it the attacker's own network hears all of it.
    fabric.change(unguarded)
    fabric.run()
    # ARP is answered, and what is for one MAC goes where a bridge has learned that it is.
    quiet = {name for name in frames if name.startswith(("arp-", "to-", "tunnel-"))}
    assert attack(fabric.cloud, frames) >= frames.keys() - quiet
    fabric.restore()
    fabric.run()
    # Its own network believes what it was told until it asks again.
    fabric.cloud.read(ACCOMPLICE, "ip neighbour flush dev eth0")
    fabric.cloud.in_router("vpc-2", "ip neighbour flush to 192.168.20.0/24")


def test_a_host_takes_nothing_from_its_bridges(fabric: Fabric) -> None:
    """Neither ARP for its own addresses nor what is for its bridge's MAC; without the rules it would."""
    cloud = fabric.cloud
    frames = {BY_THE_BRIDGE: attempts(cloud)[BY_THE_BRIDGE]}

    def answered() -> tuple[bool, set[str]]:
        told = heard(cloud, frames, VICTIMS[:1], partial(send, cloud, ATTACKER, frames.values()))
        cloud.read(ATTACKER, f"ip route replace {VTEP} dev eth0; ping -c 1 -W 1 {VTEP} >/dev/null || :")
        known = cloud.read(ATTACKER, f"ip neighbour show {VTEP}; ip route delete {VTEP}; ip neighbour flush to {VTEP}")
        return "lladdr" in known, told[VICTIMS[0]]

    assert answered() == (False, set())
    cloud.read("hv1", "systemctl stop weft-nftables; nft delete table bridge weft")
    assert answered() == (True, {BY_THE_BRIDGE})
    assert fabric.run().changed > 0
    assert answered() == (False, set())
    assert fabric.run().changed == 0


def test_a_public_address_is_no_way_into_a_vpc(fabric: Fabric) -> None:
    """A machine of the public network that takes another tenant's router for its gateway."""
    cloud = fabric.cloud
    cloud.read("wan", "ip route add 192.168.21.0/24 via 10.172.11.91")
    try:
        assert cloud.ping("wan", cloud.address("vpc-ins2")) is None
        assert cloud.ask("wan", [tcp(cloud.address("vpc-ins2"), seconds=1.0)]) == [None]
    finally:
        cloud.read("wan", "ip route delete 192.168.21.0/24")


def test_a_router_sends_nothing_under_a_false_address(fabric: Fabric) -> None:
    """An instance that may send as anybody does not speak to the world as a stranger, or as another tenant does."""

    def unguarded(intent: Intent) -> None:
        (attacker,) = (one for one in intent["weft_instances"] if one["name"] == ATTACKER)
        attacker["nics"][0]["port_security"] = False

    fabric.change(unguarded)
    fabric.run()
    cloud = fabric.cloud
    own, stranger = cloud.address(ATTACKER), "203.0.113.66"
    false = [stranger, cloud.public("vpc-1", "eip-a", "elastic_ip")]
    for address in false:
        cloud.read(ATTACKER, f"ip address add {address}/32 dev eth0")
    try:
        for address in (own, *false):
            cloud.on(ATTACKER, ["python3", "-c", SAY, address, WAN_ADDRESS, str(WAN_PORT)])
    finally:
        for address in false:
            cloud.read(ATTACKER, f"ip address delete {address}/32 dev eth0")
    assert [address for address in (own, *false) if cloud.heard(f"said as {address}", ["wan"])] == [own]


def test_a_network_is_shared_and_recalled(fabric: Fabric) -> None:
    def share(intent: Intent) -> None:
        intent["weft_vpcs"][1]["networks"][0]["shared_with"] = ["admin"]
        nics = [{"network": "admin1/vpc-2/vpc-2-1"}]
        intent["weft_instances"].append({"name": "guest-1", "tenant": "admin", "host": "hv2", "nics": nics})

    def recall(intent: Intent) -> None:
        del intent["weft_vpcs"][1]["networks"][0]["shared_with"]

    fabric.change(share)
    cloud = fabric.apply()
    asked = cloud.ask("guest-1", [tcp(cloud.address(ATTACKER)), tcp(cloud.address("vpc-port-test-1"), seconds=1.0)])
    assert list(map(who, asked)) == ["other-1 admin1", "nobody"]
    assert fabric.run().changed == 0

    fabric.change(recall)
    refused = fabric.try_run()
    assert refused.status != 0 and refused.changed == 0
    assert "weft_instances[8].nics[0].network" in refused.output and "WEFT-T1-foreign" in refused.output
    assert cloud.ping("guest-1", cloud.address(ATTACKER), count=3) == 64
    fabric.restore()
    fabric.apply()
    assert "guest-1" not in cloud.in_router("vpc-2", "cat /etc/weft/dnsmasq.leases")
