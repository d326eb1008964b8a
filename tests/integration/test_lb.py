"""The load balancer: listeners of all kinds, and what is refused (rows B1-B6)."""

from __future__ import annotations

import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from checks.cloud import SILENCE, Cloud, tcp
from checks.fabric import Fabric, Intent
from checks.web import PORT, PROXIED_PORT, Web, get, names, silent

from lab.shell import patient

pytestmark = pytest.mark.packets

ONE, TWO, THREE = (f"vpc-port-test-{number}" for number in (1, 2, 3))
OUTSIDE, STRANGER = "10.0.0.1", "10.9.9.9"
CHECK = {"type": "http", "uri": "/health", "interval": 1, "timeout": 1, "rise": 2, "fall": 2}
BEHIND: dict[str, Any] = {"backends": [ONE, TWO, THREE], "backend_port": PORT, "health_check": CHECK}


def listener(name: str, port: int, protocol: str = "http", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": protocol, **BEHIND, **more}


LISTENERS = [
    listener(
        "front", 80,
        backends=[{"instance": ONE, "weight": 3}, TWO],
        rules=[
            {"path_prefix": "/api", "group": "third"},
            {"host": "*.img.example.net", "path_prefix": "/", "group": "third"},
        ],
        backend_groups=[{"name": "third", **BEHIND, "backends": [THREE]}],
    ),
    {"name": "redirect", "port": 81, "protocol": "http", "redirect_to_https": 8443},
    listener("by-source", 82, "tcp", stickiness={"type": "source_ip"}),
    listener("by-cookie", 83, stickiness={"type": "cookie"}),
    listener("by-application", 84, stickiness={"type": "application_cookie", "cookie": "APP"}),
    listener("least", 85, algorithm="leastconn"),
    listener("hashed", 86, "tcp", algorithm="source"),
    listener("denied", 87, denied_cidrs=[OUTSIDE, "192.0.2.0/24"]),
    listener("allowed", 88, allowed_cidrs=["192.0.2.0/24", f"{OUTSIDE}/32"]),
    listener("proxy-1", 89, "tcp", backend_port=PROXIED_PORT, proxy_protocol="v1"),
    listener("proxy-2", 90, backend_port=PROXIED_PORT, proxy_protocol="v2"),
    listener("narrow", 91, "tcp", max_connections=1, timeouts={"client": 1, "server": 1}),
]  # fmt: skip


def with_balancers(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    vpc["virtual_ips"].append({"name": "vip-site", "network": "L3-public"})
    vpc["load_balancers"] += [
        {"name": "site", "virtual_ip": "vip-site", "listeners": LISTENERS},
        {"name": "inner", "network": "vpc-1-2", "listeners": [listener("web", 80)]},
    ]


@pytest.fixture
def balanced(fabric: Fabric) -> Iterator[Cloud]:
    """The walkthrough with the balancers above, and HTTP servers in three instances; `wan` has a second address."""
    fabric.change(with_balancers)
    fabric.run()
    cloud = fabric.cloud
    cloud.read("wan", f"ip address replace {STRANGER}/8 dev eth1")
    with ExitStack() as stack:
        for name in (ONE, TWO, THREE):
            stack.enter_context(Web(cloud, name))
        yield cloud
    cloud.read("wan", f"ip address del {STRANGER}/8 dev eth1")


def test_listeners(fabric: Fabric, balanced: Cloud) -> None:
    cloud = balanced
    site, inner = cloud.public("vpc-1", "vip-site", "virtual_ip"), str(cloud.recorded("admin/vpc-1/inner:balancer_ip"))
    url = f"http://{site}"
    _awake(cloud, f"{url}:85/")

    # Weights: three of four.
    shares = Counter(names(cloud, "wan", f"{url}/", 16))
    assert shares == {ONE: 12, TWO: 4}

    # Rules by path and by host; a path is not a prefix of letters, a domain is not its own host.
    assert get(cloud, "wan", f"{url}/api").name == get(cloud, "wan", f"{url}/api/x").name == THREE
    assert get(cloud, "wan", f"{url}/", "-H", "Host: a.IMG.example.net:80").name == THREE
    for other in (f"{url}/apiary", f"{url}/x/api"):
        assert get(cloud, "wan", other).name in (ONE, TWO)
    assert get(cloud, "wan", f"{url}/", "-H", "Host: img.example.net").name in (ONE, TWO)

    # The backend is told who asked, and sees the router.
    said = get(cloud, "wan", f"{url}/").said
    assert said["headers"]["x-forwarded-for"] == OUTSIDE and said["peer"] == cloud.gateway("vpc-1-1")

    moved = get(cloud, "wan", f"{url}:81/a/b?c=d")
    assert (moved.status, moved.headers["location"]) == (301, f"https://{site}:8443/a/b?c=d")

    # Stickiness of three kinds; without it the same requests go round.
    assert len(set(names(cloud, "wan", f"{url}:85/", 6))) == 3
    assert len(set(names(cloud, "wan", f"{url}:82/", 6))) == 1
    assert len(set(names(cloud, "wan", f"{url}:86/", 6))) == 1
    first = get(cloud, "wan", f"{url}:83/")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("WEFT=") and first.name not in cookie
    assert set(names(cloud, "wan", f"{url}:83/", 6, "-H", f"Cookie: {cookie}")) == {first.name}
    session = get(cloud, "wan", f"{url}:84/session")
    application = session.headers["set-cookie"]
    assert set(names(cloud, "wan", f"{url}:84/", 6, "-H", f"Cookie: {application}")) == {session.name}
    assert len(set(names(cloud, "wan", f"{url}:84/", 6, "-H", "Cookie: APP=unknown"))) == 3

    # Sources.
    strange = ("--interface", STRANGER)
    assert get(cloud, "wan", f"{url}:87/").status == 0 and get(cloud, "wan", f"{url}:87/", *strange).status == 200
    assert get(cloud, "wan", f"{url}:88/").status == 200 and get(cloud, "wan", f"{url}:88/", *strange).status == 0

    # The PROXY protocol tells the client's address.
    assert get(cloud, "wan", f"{url}:89/", *strange).said["client"] == f"v1 {STRANGER}"
    assert get(cloud, "wan", f"{url}:90/").said["client"] == f"v2 {OUTSIDE}"

    # One connection at a time: a silent one keeps the next waiting until its time-out of a second.
    hold = "exec 3<>/dev/tcp/$0/91; echo held; read -t 5 line <&3"
    with cloud.lab.popen("wan", ["bash", "-c", hold, site], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        waited = float(cloud.read("wan", f"curl -s -o /dev/null -w '%{{time_total}}' {url}:91/"))
    assert 0.3 < waited < 4

    # The internal one answers its subnets, and nobody else, not even where a route leads there.
    for where in ("vpc-ins2", "vpc-ins1", ONE):
        assert get(cloud, where, f"http://{inner}/").status == 200
    cloud.read("wan", f"ip route replace {inner}/32 via 10.172.11.91")
    try:
        assert silent(cloud, "wan", [f"http://{inner}/"])
    finally:
        cloud.read("wan", f"ip route del {inner}/32")
    # Ports that no listener has are closed.
    assert cloud.ask("wan", [tcp(site, 92, seconds=SILENCE)]) == [None]

    # A change of the configuration forgets no client, and a second run does nothing.
    stays = names(cloud, "wan", f"{url}:82/", 1)

    def change(intent: Intent) -> None:
        balancers = intent["weft_vpcs"][0]["load_balancers"]
        balancers[2]["listeners"][0]["algorithm"] = "leastconn"
        del balancers[3]

    fabric.change(change)
    assert fabric.run().changed
    assert fabric.run().changed == 0
    assert set(names(cloud, "wan", f"{url}:82/", 6)) == set(stays)
    assert set(names(cloud, "wan", f"{url}:84/", 6, "-H", f"Cookie: {application}")) == {session.name}
    assert silent(cloud, "vpc-ins2", [f"http://{inner}/"])
    assert inner not in cloud.in_router("vpc-1", "ip address; ls -R /etc/systemd/network")


def _awake(cloud: Cloud, url: str) -> None:
    """The servers were started after the first checks: wait until all three are used."""
    deadline = time.monotonic() + patient(20.0)
    while set(names(cloud, "wan", url, 6)) != {ONE, TWO, THREE}:
        assert time.monotonic() < deadline
