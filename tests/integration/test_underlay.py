"""Who may bring frames into a segment by the underlay: the hosts it shares segments with, and nobody else (row T1)."""

from __future__ import annotations

import pytest
from checks.cloud import Cloud
from checks.fabric import Fabric, Intent
from checks.frames import IPV4, datagram, frame, heard, send_datagrams, vxlan

pytestmark = pytest.mark.packets

FORGED = "02:00:00:00:0d:e9"
INSTANCE = "vpc-ins1"  # on hv1
VTEP, MANAGEMENT = "172.20.0.11", "192.168.250.11"  # of hv1
UNKNOWN = "172.20.0.99"
#: By name: from where, from which address, and to which of hv1's.
TUNNELS = {
    "peer": ("gw1", "172.20.0.21", VTEP),
    "peer-elsewhere": ("gw1", "172.20.0.21", MANAGEMENT),
    "no-peer": ("gw2", "172.20.0.22", VTEP),
    "unknown": ("gw2", UNKNOWN, VTEP),
    "world": ("wan", "192.168.250.31", MANAGEMENT),
}
EXTRA = {
    "name": "vpc-3", "tenant": "admin", "router": {"offering": "small", "nodes": ["gw2"]},
    "networks": [{"name": "vpc-3-1", "pool": "vxlan-pool", "cidr": "192.168.30.0/24"}],
}  # fmt: skip


def arriving(cloud: Cloud) -> set[str]:
    """Which tunnels bring a frame to the instance."""

    def send() -> None:
        for name, (where, source, target) in TUNNELS.items():
            inner = frame(FORGED, IPV4, datagram("192.168.20.77"), name)
            send_datagrams(cloud, where, source, target, [vxlan(222, inner)])

    return heard(cloud, TUNNELS, (INSTANCE,), send)[INSTANCE]


def neighbour_on_gw2(intent: Intent) -> None:
    intent["weft_vpcs"].append(EXTRA)
    nics = [{"network": "vpc-3-1"}]
    intent["weft_instances"].append({"name": "vpc-ins5", "tenant": "admin", "host": "hv1", "nics": nics})


def test_only_peers_bring_frames_into_a_segment(fabric: Fabric) -> None:
    cloud = fabric.cloud
    cloud.read("gw2", f"ip address add {UNKNOWN}/24 dev eth2")
    try:
        assert arriving(cloud) == {"peer"}
        # Without the rules all of them do: the next run finds that they are gone.
        cloud.read("hv1", "systemctl stop weft-nftables; nft delete table inet weft")
        assert arriving(cloud) == TUNNELS.keys()
        assert fabric.run().changed > 0
        assert arriving(cloud) == {"peer"}

        # From the host's start on, before any run.
        cloud.lab.reboot("hv1")
        fabric.await_leases()
        assert arriving(cloud) == {"peer"}

        # A peer that comes and goes is an element.
        fabric.change(neighbour_on_gw2)
        added = fabric.run("-v").did()["hv1"]["actions"]
        assert "change nftables elements" in added and "load nftables rules" not in added
        assert arriving(cloud) == {"peer", "no-peer"}
        fabric.restore()
        fabric.run("-e", "weft_max_removal_percent=100")
        assert arriving(cloud) == {"peer"}
        assert fabric.run().changed == 0
    finally:
        cloud.read("gw2", f"ip address delete {UNKNOWN}/24 dev eth2")
