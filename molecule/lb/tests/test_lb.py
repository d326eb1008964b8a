"""Load balancers, by packets: as declared, while backends come and go, and after they have gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from checks import leftovers
from checks.cloud import SILENCE, WAN_ADDRESS, Cloud, tcp, who
from checks.fabric import Fabric, Intent, drop
from checks.web import SITE, Load, Web, await_backends, get, names, shown_certificate, silent

ONE, TWO, THREE = "one", "two", "three"
BUSY = 8090
STRANGER = "198.51.100.1"  # wan, in the management network


@pytest.fixture
def cloud(fabric: Fabric) -> Iterator[Cloud]:
    """The cloud with web servers in its backends, which the checks of all listeners have seen."""
    cloud = fabric.cloud
    site = vip(cloud)
    with ExitStack() as stack:
        for name in (ONE, TWO, THREE):
            stack.enter_context(Web(cloud, name))
        both = {ONE, TWO}
        seen = {f"http://{site}:{BUSY}/": both, f"https://{site}/": both, f"https://{site}/api": {THREE}}
        for url, wanted in seen.items():
            await_backends(cloud, url, wanted)
        yield cloud


def vip(cloud: Cloud) -> str:
    return cloud.public("shop", "vip", "virtual_ip")


def inner(cloud: Cloud) -> str:
    return str(cloud.recorded("blue/shop/inner:balancer_ip"))


def test_listeners_of_all_protocols(cloud: Cloud) -> None:
    site = vip(cloud)
    lines = [cloud.ask("wan", [tcp(site)])[0] for _time in range(6)]
    assert Counter(map(who, lines)) == {f"{name} blue": 2 for name in (ONE, TWO, THREE)}
    assert Counter(names(cloud, "wan", f"http://{site}:{BUSY}/", 8)) == {ONE: 6, TWO: 2}, "by weight"
    moved = get(cloud, "wan", f"http://{site}/a?b=c")
    assert (moved.status, moved.headers["location"]) == (301, f"https://{site}/a?b=c")

    assert shown_certificate(cloud, site, SITE) == SITE
    first = get(cloud, "wan", f"https://{site}/")
    assert first.said["headers"]["x-forwarded-for"] == WAN_ADDRESS and first.said["peer"] == cloud.gateway("front")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert set(names(cloud, "wan", f"https://{site}/", 4, "-H", f"Cookie: {cookie}")) == {first.name}
    assert get(cloud, "wan", f"https://{site}/api/x").name == THREE
    assert get(cloud, "wan", f"https://{site}/", "--tls-max", "1.1").status == 0

    sticky = [who(cloud.ask("wan", [tcp(site, 8091)])[0]) for _time in range(4)]
    assert len(set(sticky)) == 1 and sticky[0].endswith(" blue")
    assert cloud.ask_from("wan", STRANGER, f"{site}:8091") != [cloud.gateway("front")], "who is denied"
    assert who(cloud.ask("wan", [tcp(site, 8092, seconds=SILENCE)])[0]) == "nobody"


def test_the_internal_one_is_for_subnets_and_statistics_are_for_operators(cloud: Cloud) -> None:
    page = f"http://{cloud.recorded('blue/shop:management_ip')}:8404/"
    await_backends(cloud, f"http://{inner(cloud)}/", {ONE, TWO}, where="client")
    assert 'haproxy_server_status{proxy="site.busy"' in get(cloud, "wan", f"{page}metrics").body
    assert silent(cloud, "client", [page, f"http://{vip(cloud)}:8404/"])
    own = str(cloud.recorded("blue/shop:public_ip"))
    cloud.read("wan", f"ip route replace {inner(cloud)}/32 via {own}")
    try:
        assert silent(cloud, "wan", [f"http://{inner(cloud)}/", f"http://{own}:8404/"])
    finally:
        cloud.read("wan", f"ip route del {inner(cloud)}/32")


def test_keys_are_for_root_alone(fabric: Fabric) -> None:
    key = fabric.state / "certificates" / f"{SITE}.key"
    assert key.stat().st_mode & 0o777 == 0o600
    secret = key.read_text().splitlines()[1]
    shown = fabric.cloud.in_router(
        "shop", "stat -c '%a %U' /etc/haproxy/certificates; ls -ld /etc/haproxy/certificates/*"
    )
    assert "-rw------- 1 root root" in shown, shown
    kept = [path for path in fabric.state.rglob("*") if path.is_file() and "certificates" not in path.parts]
    assert [path for path in kept if secret in path.read_text(errors="replace")] == []


def test_a_sick_backend_gets_nothing_until_it_is_well(cloud: Cloud) -> None:
    busy = f"http://{vip(cloud)}:{BUSY}/"
    cloud.read(TWO, f"touch /run/web-{TWO}.sick")
    try:
        await_backends(cloud, busy, {ONE})
        await_backends(cloud, f"http://{inner(cloud)}/", {ONE}, where="client")
    finally:
        cloud.read(TWO, f"rm /run/web-{TWO}.sick")
    await_backends(cloud, busy, {ONE, TWO})


def exchange(intent: Intent) -> None:
    """One backend comes, one is drained, a balancer goes."""
    site, _inner = intent["weft_vpcs"][0]["load_balancers"]
    busy = next(one for one in site["listeners"] if one["name"] == "busy")
    busy["backends"] = [ONE, {"instance": TWO, "drain": True}, THREE]
    drop(intent["weft_vpcs"][0]["load_balancers"], "inner")


def test_backends_come_and_go_as_foretold_and_no_request_is_lost(fabric: Fabric, cloud: Cloud) -> None:
    site, gone = vip(cloud), inner(cloud)
    fabric.change(exchange)
    with Load(cloud, "wan", site, BUSY, 8, 4) as load:
        assert fabric.run_as_foretold().did().keys() == {"gw1"}
        await_backends(cloud, f"http://{site}:{BUSY}/", {ONE, THREE})
        load.mark()
    told = load.told()
    assert told["failures"] == 0 and told["by"].keys() == {ONE, TWO, THREE}, told
    assert silent(cloud, "client", [f"http://{gone}/"])
    assert gone not in cloud.in_router("shop", "ip address; cat /etc/haproxy/haproxy.cfg")


def test_nothing_is_left_of_what_is_taken_out(fabric: Fabric) -> None:
    site = vip(fabric.cloud)
    fabric.empty()
    assert leftovers.left_of_fabric(fabric.lab) == []
    assert fabric.cloud.ping("wan", site) is None
