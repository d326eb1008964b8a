"""One tenant does as much as it can of something; the others do not notice, and neither do its own neighbours (F9)."""

from __future__ import annotations

import json
import time

import pytest
from checks.cloud import GUEST, WAN_ADDRESS, Cloud, tcp, who
from checks.fabric import Fabric, Intent
from checks.streams import Background, Ping

pytestmark = [pytest.mark.packets, pytest.mark.quiet]

NOISY, ITS_NEIGHBOUR, FAR = "vpc-port-test-1", "vpc-ins1", "vpc-port-test-2"  # on hv1, hv1 and hv2
OTHER, OTHERS = "other-1", "other-2"  # of the other tenant, on hv1 and hv2
SECONDS, LIMIT, MOST = 3.0, 300, 150
#: What of a steady flow arrives.
COUNT = """
table inet steady {
    counter arrived { }
    chain in {
        type filter hook prerouting priority raw; policy accept;
        udp dport 9 counter name arrived
    }
}
"""


class Flood(Background):
    """See guest/flood.py."""

    def __init__(self, cloud: Cloud, where: str, *what: str) -> None:
        super().__init__(cloud, where, ["python3", "-c", (GUEST / "flood.py").read_text(), *what])

    @property
    def sent(self) -> int:
        return int(self.report)


def received(cloud: Cloud, name: str) -> int:
    return int(cloud.read(name, "cat /sys/class/net/eth0/statistics/rx_packets"))


def quiet_limits(intent: Intent) -> None:
    intent["weft_fabric"]["broadcasts"] = LIMIT
    intent["weft_router_offerings"][0]["connections"] = MOST


def test_broadcasts_are_limited_by_port(fabric: Fabric) -> None:
    fabric.change(quiet_limits)
    fabric.run()
    cloud = fabric.cloud
    for kind in (["broadcasts"], ["strays", cloud.address(NOISY)]):
        _everybody_hears_little(cloud, *kind)
    # An hour's worth of ARP is not held against it.
    assert cloud.ping(NOISY, cloud.address("vpc-ins3"), count=3) == 63
    assert fabric.run().changed == 0


def _everybody_hears_little(cloud: Cloud, *kind: str) -> None:
    before = {name: received(cloud, name) for name in (ITS_NEIGHBOUR, FAR)}
    begun = time.monotonic()
    with (
        Ping(cloud, OTHER, cloud.address(OTHERS)) as apart,
        Ping(cloud, ITS_NEIGHBOUR, cloud.address(FAR)) as beside,
        Flood(cloud, NOISY, *kind) as flood,
    ):
        time.sleep(SECONDS)
    # A second's worth at once, then so many a second.
    most = LIMIT * (time.monotonic() - begun + 1)
    pings = beside.counts()
    assert flood.sent > 10 * most
    heard = {name: received(cloud, name) - count for name, count in before.items()}
    assert max(heard.values()) < most + 2 * pings[0], heard
    assert sum(heard.values()) > LIMIT + 2 * pings[0], "so much passes"
    for sent, answered in (apart.counts(), pings):
        assert sent > 100 and sent == answered


def test_invented_macs_are_nobodys(fabric: Fabric) -> None:
    cloud = fabric.cloud
    tables = {host: cloud.read(host, "bridge fdb show | wc -l") for host in ("hv1", "hv2", "gw1")}
    with Ping(cloud, OTHER, cloud.address(OTHERS)) as apart, Flood(cloud, NOISY, "macs") as flood:
        time.sleep(SECONDS)
    assert flood.sent > 1000
    assert {host: cloud.read(host, "bridge fdb show | wc -l") for host in tables} == tables
    sent, answered = apart.counts()
    assert sent > 100 and sent == answered


def tracked(cloud: Cloud, vpc: str, source: str) -> int:
    return len(cloud.in_router(vpc, f"conntrack -L -s {source} 2>/dev/null").splitlines())


def forget(cloud: Cloud) -> None:
    """End all connections of a router: `conntrack -D` gives up in the middle of them when one ends by itself."""
    cloud.in_router("vpc-1", "conntrack -F 2>/dev/null")


def test_connections_are_limited_by_address(fabric: Fabric) -> None:
    cloud, address = fabric.cloud, fabric.cloud.address(NOISY)

    def flood() -> int:
        forget(cloud)
        with Flood(cloud, NOISY, "connections", WAN_ADDRESS) as noise:
            time.sleep(SECONDS)
            now = tracked(cloud, "vpc-1", address)
            # Each router has a table of its own, and others have what they want of this one.
            assert tracked(cloud, "vpc-2", address) == 0
            for guest in (OTHER, ITS_NEIGHBOUR):
                assert who(cloud.ask(guest, [tcp(WAN_ADDRESS)])[0]).startswith("wan")
        assert noise.sent > 10 * MOST
        return now

    assert flood() > 10 * MOST
    fabric.change(quiet_limits)
    fabric.run()
    cloud.read("wan", "nft -f -", COUNT)
    with Flood(cloud, NOISY, "steady", WAN_ADDRESS) as steady:
        assert flood() <= MOST
    arrived = json.loads(cloud.read("wan", "nft --json list counter inet steady arrived"))["nftables"][1]["counter"]
    cloud.read("wan", "nft delete table inet steady")
    assert steady.sent > 100 and arrived["packets"] >= steady.sent - 1, "what is open goes on, if nobody ever answers"
    assert who(cloud.ask(NOISY, [tcp(cloud.address("vpc-ins2"))])[0]) == "nobody", "it has all that it may"
    forget(cloud)
    assert who(cloud.ask(NOISY, [tcp(WAN_ADDRESS)])[0]).startswith("wan")
    assert fabric.run().changed == 0
    fabric.restore()
    fabric.run()
    assert "connections" not in cloud.in_router("vpc-1", "nft list table inet weft")
