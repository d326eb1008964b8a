"""The load balancer under load: no request is lost while backends come and go (row B7)."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from checks.fabric import Fabric, Intent
from checks.web import PORT, Load, Web, await_backends, doomed, names

pytestmark = [pytest.mark.packets, pytest.mark.quiet]

ONE, TWO, THREE = (f"vpc-port-test-{number}" for number in (1, 2, 3))
KEPT, FRESH = 24, 8
CHECK = {"type": "http", "uri": "/health", "interval": 1, "timeout": 1, "rise": 2, "fall": 3}


def under_load(intent: Intent) -> None:
    """One listener on three backends, two of them in use."""
    intent["weft_vpcs"][0]["load_balancers"][0]["listeners"] = [
        {
            "name": "busy",
            "port": 80,
            "protocol": "http",
            "backends": [ONE, TWO],
            "backend_port": PORT,
            "health_check": CHECK,
        }
    ]


def use(backends: list[Any], intent: Intent) -> None:
    intent["weft_vpcs"][0]["load_balancers"][0]["listeners"][0]["backends"] = backends


def test_no_request_is_lost_while_backends_come_and_go(fabric: Fabric) -> None:
    """Added, drained, removed, reloaded, killed: what fails are the open requests of the backend that is killed."""
    fabric.change(under_load)
    fabric.run()
    cloud = fabric.cloud
    site = cloud.public("vpc-1", "vip-lb", "virtual_ip")
    with Web(cloud, ONE), Web(cloud, TWO), doomed(cloud, THREE) as kill:
        await_backends(cloud, f"http://{site}/", {ONE, TWO})
        with Load(cloud, "wan", site, 80, KEPT, FRESH) as load:
            for backends in ([ONE, TWO, THREE], [ONE, {"instance": TWO, "drain": True}, THREE], [ONE, THREE]):
                fabric.change(partial(use, backends))
                assert fabric.run().changed
            cloud.in_router("vpc-1", "systemctl reload haproxy")
            load.mark()
            kill()
            await_backends(cloud, f"http://{site}/", {ONE})
            load.mark()
            assert set(names(cloud, "wan", f"http://{site}/", 6)) == {ONE}
    told = load.told()
    print(f"\n{told['requests'] / told['seconds']:.0f} requests/s: {told}")
    killed, noticed = told["marks"]
    assert told["by"].keys() == {ONE, TWO, THREE} and told["late"].keys() == {ONE}
    # What the killed backend had open fails, then and at no other time.
    assert all(killed <= when <= noticed for when, _what in told["failed"]) and told["failures"] <= KEPT + FRESH
    assert told["requests"] / told["seconds"] > 300
