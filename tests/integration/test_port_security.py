"""What an instance may send: as itself, and not as its neighbours, its router or somebody else's (row F3)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import pytest
from checks.cloud import Cloud
from checks.fabric import Fabric, Intent
from checks.frames import ARP, IPV4, IPV6, OTHER, VLAN, arp, datagram, frame, heard, send

pytestmark = pytest.mark.packets

FORGED = "02:00:00:00:be:ef"
ATTACKER, BESIDE, FAR = "vpc-port-test-1", "vpc-ins1", "vpc-port-test-2"  # BESIDE is on ATTACKER's host
OWN, NEIGHBOUR, GATEWAY, SECOND = "192.168.20.154", "192.168.20.236", "192.168.20.1", "192.168.20.99"
PAIR, BEYOND = "10.66.0.9", "10.67.0.9"
#: What passes only because the intent says so.
EXCEPTIONS = {"second-address", "pair-address", "arp-second", "arp-pair"}


def attempts(own: str) -> dict[str, tuple[bool, bytes]]:
    """By name: whether a frame may pass, and the frame. `own` is the sender's MAC."""
    tagged = struct.pack("!HH", 100, IPV4) + datagram(OWN)
    everyone = bytes.fromhex("ff02" + "00" * 13 + "01")
    advertisement = struct.pack("!IHBB", 6 << 28, 4 + 46, 58, 255) + bytes.fromhex("fe80" + "00" * 13 + "01") + everyone
    told: dict[str, tuple[bool, str, int, bytes]] = {
        "own-address": (True, own, IPV4, datagram(OWN)),
        "second-address": (True, own, IPV4, datagram(SECOND)),
        "pair-address": (True, own, IPV4, datagram(PAIR)),
        "dhcp-client": (True, own, IPV4, datagram("0.0.0.0", (68, 67))),
        "arp-own": (True, own, ARP, arp(own, OWN)),
        "arp-second": (True, own, ARP, arp(own, SECOND)),
        "arp-pair": (True, own, ARP, arp(own, PAIR)),
        "arp-probe": (True, own, ARP, arp(own, "0.0.0.0", 1, OWN)),
        "forged-mac": (False, FORGED, IPV4, datagram(OWN)),
        "neighbours-address": (False, own, IPV4, datagram(NEIGHBOUR)),
        "routers-address": (False, own, IPV4, datagram(GATEWAY)),
        "beyond-the-pair": (False, own, IPV4, datagram(BEYOND)),
        "no-address": (False, own, IPV4, datagram("0.0.0.0")),
        "dhcp-server": (False, own, IPV4, datagram(OWN, (67, 68))),
        "arp-neighbour": (False, own, ARP, arp(own, NEIGHBOUR)),
        "arp-gateway": (False, own, ARP, arp(own, GATEWAY)),
        "arp-gateway-request": (False, own, ARP, arp(own, GATEWAY, 1, GATEWAY)),
        "arp-nobody-answers": (False, own, ARP, arp(own, "0.0.0.0")),
        "arp-forged-within": (False, own, ARP, arp(FORGED, OWN)),
        "arp-forged-outside": (False, FORGED, ARP, arp(own, OWN)),
        "tagged": (False, own, VLAN, tagged),
        "router-advertisement": (False, own, IPV6, advertisement + bytes([134, 0, 0, 0])),
        "something-else": (False, own, OTHER, b""),
    }
    return {
        name: (passes, frame(sender, kind, payload, name)) for name, (passes, sender, kind, payload) in told.items()
    }


def told_by(cloud: Cloud, frames: dict[str, bytes], where: Iterable[str]) -> dict[str, set[str]]:
    """Which of the frames each instance hears that the attacker sends."""
    return heard(cloud, frames, where, lambda: send(cloud, ATTACKER, frames.values()))


def with_exceptions(intent: Intent) -> None:
    (attacker,) = (one for one in intent["weft_instances"] if one["name"] == ATTACKER)
    attacker["nics"][0]["secondary_ips"] = [{"name": "second", "ip": SECOND}]
    # The second holds its own address, too.
    attacker["nics"][0]["allowed_addresses"] = ["10.66.0.0/16", "192.168.20.152/30"]


def without_port_security(intent: Intent) -> None:
    (attacker,) = (one for one in intent["weft_instances"] if one["name"] == ATTACKER)
    attacker["nics"][0] = {"network": "vpc-1-1", "ip": OWN, "port_security": False}


def learned(cloud: Cloud) -> bool:
    return any(FORGED in cloud.read(host, "bridge fdb show") for host in ("hv1", "hv2"))


def test_instances_send_as_themselves(fabric: Fabric) -> None:
    fabric.change(with_exceptions)
    cloud = fabric.apply()
    own = cloud.read(ATTACKER, "cat /sys/class/net/eth0/address").strip()
    tried = attempts(own)
    frames = {name: one for name, (_passes, one) in tried.items()}
    wanted = {name for name, (passes, _one) in tried.items() if passes}
    assert fabric.run().changed == 0

    told = told_by(cloud, frames, (BESIDE, FAR))
    # A bridge answers ARP itself for what the plan knows, so that not every probe reaches the other host.
    assert told[BESIDE] == wanted
    assert told[FAR] <= wanted and {"own-address", "pair-address", "arp-pair"} <= told[FAR]
    assert not learned(cloud)

    # Another instance of the same network may not have what this one has.
    fabric.restore()
    cloud = fabric.apply()
    told = told_by(cloud, frames, (BESIDE, FAR))
    assert not EXCEPTIONS & told[BESIDE]
    assert "own-address" in told[BESIDE] & told[FAR]

    # From the host's start on, before any run.
    cloud.lab.reboot("hv1")
    fabric.await_leases()
    assert told_by(cloud, frames, (BESIDE,))[BESIDE] == wanted - EXCEPTIONS

    fabric.change(without_port_security)
    fabric.run()
    told = told_by(cloud, frames, (BESIDE,))
    assert told[BESIDE] == frames.keys(), "without port security everything passes"
    assert learned(cloud)
    fabric.restore()
    fabric.run()
    # Who heard them believes the forged answers until it asks again.
    for guest in (BESIDE, FAR, "vpc-port-test-3"):
        cloud.read(guest, "ip neighbour flush dev eth0")
    cloud.in_router("vpc-1", "ip neighbour flush to 192.168.20.0/24")
    assert told_by(cloud, frames, (BESIDE,))[BESIDE] == wanted - EXCEPTIONS
    assert fabric.run().changed == 0
