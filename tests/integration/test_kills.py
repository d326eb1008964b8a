"""A run killed at any point: the next one converges, and everything works.

Every second trial takes back what the one before added, so that additions and removals are both interrupted, and no
trial needs a new lab. By default a sample of points and moments is tried; WEFT_KILLS=all tries every single point.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterable
from itertools import count

import pytest
from checks import steps
from checks.fabric import Fabric, Intent, drop
from checks.kills import CONTROLLER_POINTS, HOST_POINTS, killed_at, killed_within, was_killed

pytestmark = pytest.mark.packets
#: What is checked after each kill: between hosts and subnets, port forwards, elastic IPs. All twelve at the end.
QUICK = (4, 7, 12)
ALL = os.environ.get("WEFT_KILLS") == "all"
RANDOM_KILLS = 10 if ALL else 4
COLD_APPLIES = 2 if ALL else 1


def grow(intent: Intent) -> None:
    """Something of each kind: segment, router link, port, DHCP, route, EIP, forward, listener; one of them goes."""
    vpc = intent["weft_vpcs"][0]
    vpc["networks"].append({"name": "vpc-1-4", "pool": "vxlan-pool", "cidr": "192.168.23.0/24"})
    vpc["elastic_ips"].append({"name": "eip-c", "network": "L3-public", "target": "vpc-ins3"})
    forward = {"name": "more", "virtual_ip": "vip-pf", "protocol": "tcp", "port": 2225, "target": "vpc-ins1"}
    drop(vpc["port_forwards"], "vpc-port2")
    vpc["port_forwards"].append({**forward, "target_port": 23})
    vpc["load_balancers"][1]["listeners"][0]["backends"].append("vpc-port-test-1")
    vpc["routes"].append({"destination": "203.0.114.0/24", "type": "blackhole"})
    new = {"name": "vpc-ins4", "tenant": "admin", "host": "hv1", "nics": [{"network": "vpc-1-4"}]}
    intent["weft_instances"].append(new)


class Seesaw:
    """The fabric, going back and forth between the walkthrough and a bigger one."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric, self.grown = fabric, False

    def tip(self) -> None:
        """Want the other one; nothing is applied yet."""
        self.fabric.restore()
        if not self.grown:
            self.fabric.change(grow)
        self.grown = not self.grown

    def recover(self, what: str) -> None:
        """The next run converges, and what is looked at quickly works."""
        cloud = self.fabric.apply()
        assert steps.failures(cloud, QUICK) == [], what

    def settle(self) -> None:
        """Back to the walkthrough, nothing left to do, and all twelve steps pass."""
        self.fabric.restore()
        self.fabric.apply()
        assert self.fabric.run().changed == 0
        assert steps.failures(self.fabric.cloud) == []


def numbers() -> Iterable[int]:
    """Which passages of a point to kill at."""
    return count(1) if ALL else (1, 4)


@pytest.mark.parametrize("point", HOST_POINTS)
def test_killed_on_the_hosts_right_after(fabric: Fabric, point: str) -> None:
    seesaw, kills, begin = Seesaw(fabric), 0, time.monotonic()
    for number in numbers():
        survived = 0
        for _direction in range(2):
            seesaw.tip()
            done = killed_at(fabric, point, number)
            assert was_killed(done) or done.status == 0, done.output[-3000:]
            survived += done.status == 0
            kills += done.status != 0
            seesaw.recover(f"killed after {point} {number}, {'growing' if seesaw.grown else 'shrinking'}")
        if survived == 2:
            break
    print(f"\n{kills} kills after {point}, up to the {number}th, in {time.monotonic() - begin:.0f} s")
    assert kills >= 2
    seesaw.settle()


@pytest.mark.parametrize("point", CONTROLLER_POINTS)
def test_killed_on_the_controller_right_after(fabric: Fabric, point: str) -> None:
    seesaw = Seesaw(fabric)
    for direction in ("growing", "shrinking"):
        seesaw.tip()
        # Each host's part of an action runs in a process of its own, which passes a point once.
        done = killed_at(fabric, point, 1)
        assert was_killed(done), done.output[-3000:]
        seesaw.recover(f"killed after {point}, {direction}")
    seesaw.settle()


def kill_at_random(fabric: Fabric, seconds: float, tip: Callable[[], None]) -> None:
    seed = int(os.environ.get("WEFT_SEED") or random.SystemRandom().randrange(10**6))
    print(f"\nWEFT_SEED={seed} repeats these moments")
    chance, seesaw = random.Random(seed), Seesaw(fabric)
    kills = 0
    for _run in range(3 * RANDOM_KILLS):
        tip()
        what = killed_within(fabric, chance, seconds)
        print(f"  {what or 'the run had ended'}", flush=True)
        seesaw.recover(str(what))
        kills += what is not None
        if kills == RANDOM_KILLS:
            break
    assert kills == RANDOM_KILLS
    seesaw.settle()


def test_killed_at_random_moments_of_a_change(fabric: Fabric) -> None:
    seesaw = Seesaw(fabric)
    seesaw.tip()
    begin = time.monotonic()
    fabric.run()
    kill_at_random(fabric, time.monotonic() - begin, seesaw.tip)


def test_killed_at_random_moments_of_a_first_apply(fabric: Fabric) -> None:
    """Some of them while the router image is built, which takes longer than all the rest."""
    images, kept = "/var/lib/weft/images", "/var/lib/weft/kept-by-test"
    left = iter([True] * COLD_APPLIES)

    def start_over(cold: bool) -> None:
        if not cold:
            fabric.cloud.read("gw1", f"mkdir {kept} && mv {images}/debian-12-* {kept}")
        fabric.run("-e", "confirm=shanghai", playbook="destroy")
        if not cold:
            fabric.cloud.read("gw1", f"mv {kept}/* {images} && rmdir {kept}")

    start_over(cold=False)
    begin = time.monotonic()
    fabric.run()
    seconds = time.monotonic() - begin
    kill_at_random(fabric, seconds, lambda: start_over(cold=next(left, False)))
