"""A router whose root plants in its tree what it would have the node do: the node does nothing of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checks import steps
from checks.cloud import Cloud
from checks.fabric import Fabric

pytestmark = pytest.mark.packets
MACHINE = "vpc-1.admin"
#: Would be there if a program of the node had been started, or a file of the node been read.
RAN, MINE = "/run/weft-planted-ran", "/run/weft-planted-mine"
BAIT = "qdisc replace dev lo root handle 77: pfifo"


def public_link(cloud: Cloud) -> tuple[str, str]:
    """The unit of the router's public link, and the link's name inside."""
    found = cloud.read("gw1", f"grep -H ' up {MACHINE} public ' /etc/systemd/system/weft-link-*.service").splitlines()
    unit, command = found[0].split(":", 1)
    return unit.rsplit("/", 1)[1], command.split()[5]


def plant(cloud: Cloud, link: str) -> None:
    lines = f"netns add planted dev {link} x\\nnetns exec planted /usr/bin/touch {RAN} dev {link} x\\n"
    cloud.read("gw1", f"echo '{BAIT}' >{MINE}")
    cloud.in_router("vpc-1", f"printf '{lines}' >/etc/weft/addresses.d/planted")
    cloud.in_router("vpc-1", f"ln -s {MINE} /etc/weft/addresses.d/planted-link; ln -sf {MINE} /etc/weft/qos.d/{link}")


@pytest.fixture
def planted(fabric: Fabric) -> Iterator[Cloud]:
    """A router with lines and symbolic links that were meant for the node's root; none of it is left afterwards."""
    cloud = fabric.cloud
    _unit, link = public_link(cloud)
    cloud.in_router("vpc-1", "mkdir -p /etc/weft/qos.d")
    assert not cloud.in_router("vpc-1", f"ls /etc/weft/qos.d/{link} 2>/dev/null || :")
    plant(cloud, link)
    yield cloud
    cloud.in_router("vpc-1", f"rm -f /etc/weft/addresses.d/planted* /etc/weft/qos.d/{link}; rm -f {RAN}")
    cloud.in_router("vpc-1", "rmdir --ignore-fail-on-non-empty /etc/weft/qos.d; ip netns delete planted || :")
    cloud.read("gw1", f"rm -f {RAN} {MINE}; ip netns delete planted 2>/dev/null || :")


@pytest.mark.parametrize(
    "restart",
    [
        "systemctl restart {unit}",
        "systemctl restart weft-router@{machine}",
        "/usr/local/lib/weft/router-remount {machine}",
    ],
)
def test_what_a_router_plants_does_nothing_on_its_node(fabric: Fabric, planted: Cloud, restart: str) -> None:
    unit, _link = public_link(planted)
    planted.read("gw1", restart.format(unit=unit, machine=MACHINE))
    planted.read("gw1", f"systemctl start {unit} && systemctl is-active {unit}")
    assert planted.read("gw1", f"ls {RAN} /run/netns/planted 2>/dev/null || :") == ""
    assert " 77: " not in planted.in_router("vpc-1", "tc qdisc show dev lo")
    assert steps.failures(planted, [5, 7, 8, 11]) == []


def test_a_router_that_does_not_answer_keeps_nothing_waiting(fabric: Fabric) -> None:
    cloud = fabric.cloud
    unit, _link = public_link(cloud)
    other = cloud.read("gw1", "systemctl show -P ActiveEnterTimestamp weft-router@vpc-2.admin1")
    cloud.in_router(
        "vpc-1",
        "mv /usr/sbin/ip /usr/sbin/ip.kept; printf '#!/bin/sh\\nsleep 1000\\n' >/usr/sbin/ip; chmod 755 /usr/sbin/ip",
    )
    try:
        done = cloud.on("gw1", ["systemctl", "restart", unit], seconds=50)
        assert done.returncode != 0
    finally:
        cloud.in_router("vpc-1", "mv /usr/sbin/ip.kept /usr/sbin/ip")
    cloud.read("gw1", f"systemctl restart {unit}")
    assert cloud.read("gw1", "systemctl show -P ActiveEnterTimestamp weft-router@vpc-2.admin1") == other
    assert steps.failures(cloud, [5, 7, 8, 11]) == []
