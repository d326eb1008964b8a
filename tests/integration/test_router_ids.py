"""Every router has user ids of its own on its node, whatever they are on disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from checks import steps
from checks.cloud import Cloud
from checks.fabric import Fabric

pytestmark = pytest.mark.packets
#: Of files on disk, and of routers that have none of their own.
SHARED = 1879113728
ROUTERS = {"vpc-1": "vpc-1.admin", "vpc-2": "vpc-2.admin1"}
ROOTS = "/var/lib/weft/routers"


def base_of(cloud: Cloud, vpc: str) -> int:
    """The first user id of a running router."""
    inside, outside, count = cloud.in_router(vpc, "cat /proc/self/uid_map").split()
    assert (inside, count) == ("0", "65536")
    return int(outside)


def recorded(cloud: Cloud, vpc: str) -> int:
    return SHARED + 65536 * int(cloud.recorded(f"{ROUTERS[vpc].partition('.')[2]}/{vpc}:ids"))


def started(cloud: Cloud) -> str:
    return cloud.read("gw1", "systemctl show -P ActiveEnterTimestampMonotonic weft-router@vpc-1.admin")


def test_no_two_routers_are_the_same_user(fabric: Fabric) -> None:
    cloud = fabric.cloud
    bases = {vpc: base_of(cloud, vpc) for vpc in ROUTERS}
    assert bases == {vpc: recorded(cloud, vpc) for vpc in ROUTERS}
    assert len({SHARED, *bases.values()}) == 3
    for vpc, machine in ROUTERS.items():
        seen = cloud.read("gw1", f"cd {ROOTS}/{machine}; stat -c %u root root/etc/hostname upper/etc/hostname").split()
        assert seen == [str(bases[vpc]), str(bases[vpc]), str(SHARED)]
    for vpc, verdict in (("vpc-1", "refused"), ("vpc-2", "read")):
        other = f"setpriv --reuid={bases[vpc]} --clear-groups cat {ROOTS}/vpc-2.admin1/root/etc/shadow"
        assert cloud.read("gw1", f"{other} >/dev/null 2>&1 && echo read || echo refused") == f"{verdict}\n"
    assert (
        cloud.read("gw1", "ls /run/weft/layers/* 2>/dev/null; grep -c /run/weft/layers /proc/self/mountinfo || :")
        == "2\n"
    )


@pytest.fixture
def planted(fabric: Fabric) -> Iterator[Cloud]:
    """A file of a user of the router's, which is to stay that."""
    cloud = fabric.cloud
    cloud.in_router("vpc-1", "echo kept >/var/planted; chown dnsmasq:nogroup /var/planted; chmod 4640 /var/planted")
    yield cloud
    cloud.in_router("vpc-1", "rm /var/planted")


def whose(cloud: Cloud) -> str:
    return cloud.in_router("vpc-1", "stat -c '%U %G %a' /var/planted; cat /var/planted")


def test_a_router_of_before_moves_when_its_root_is_mounted_anew(fabric: Fabric, planted: Cloud) -> None:
    cloud, before = planted, whose(planted)
    cloud.read("gw1", "rm /etc/weft/routers/vpc-1.admin.ids; /usr/local/lib/weft/router-remount vpc-1.admin")
    # As an earlier release has mounted it.
    cloud.read("gw1", "rm /run/weft/roots/vpc-1.admin")
    assert base_of(cloud, "vpc-1") == SHARED and whose(cloud) == before
    running = started(cloud)
    assert fabric.run().changed == 1
    assert started(cloud) == running and base_of(cloud, "vpc-1") == SHARED
    cloud.read("gw1", "/usr/local/lib/weft/router-remount vpc-1.admin")
    assert base_of(cloud, "vpc-1") == recorded(cloud, "vpc-1") and whose(cloud) == before
    assert steps.failures(cloud, [5, 7, 8, 11]) == []
    assert fabric.run().changed == 0


def test_a_router_shares_its_ids_where_there_are_no_such_mounts(fabric: Fabric, planted: Cloud) -> None:
    cloud, before = planted, whose(planted)
    # No kernel has that call.
    cloud.read("gw1", "sed -i 's/ = 428, 429, 442/ = 428, 429, 9442/' /usr/local/lib/weft/router-root.py")
    cloud.read("gw1", "/usr/local/lib/weft/router-remount vpc-1.admin")
    assert base_of(cloud, "vpc-1") == SHARED and whose(cloud) == before
    done = fabric.run()
    assert "vpc-1.admin has no user ids of its own" in " ".join(done.output.split()), done.output[-3000:]
    cloud.read("gw1", "/usr/local/lib/weft/router-remount vpc-1.admin")
    assert base_of(cloud, "vpc-1") == recorded(cloud, "vpc-1") and whose(cloud) == before
    assert steps.failures(cloud, [5, 7, 8, 11]) == []
