"""Listeners of udp: who gets which flow, and what becomes of flows when backends die, come and go (rows B1-B7)."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import pytest
from checks.cloud import LINE_PORT, Cloud, saw, tcp, udp, who
from checks.fabric import Fabric, Intent, drop
from checks.leftovers import ledger, tokens, traces
from checks.streams import Datagrams

from lab.shell import patient

pytestmark = pytest.mark.packets

ONE, TWO, THREE = (f"vpc-port-test-{number}" for number in (1, 2, 3))
ALL = {ONE, TWO, THREE}
OUTSIDE, STRANGER = "10.0.0.1", "10.9.9.9"
TIMES = {"interval": 1, "timeout": 1, "rise": 2, "fall": 2}
ASKED = {"type": "udp", "send": "well?", "expect": "hex:20736177", **TIMES}
CONNECTED, PINGED = {"type": "tcp", **TIMES}, {"type": "icmp", **TIMES}
SERVICE = "weft-lb-udp.service"
REFUSED = "!Connection refused"
Seen = TypeVar("Seen")


def listener(name: str, port: int, check: dict[str, Any] = ASKED, **more: Any) -> dict[str, Any]:
    behind = {"backends": [ONE, TWO, THREE], "backend_port": LINE_PORT, "health_check": check}
    return {"name": name, "port": port, "protocol": "udp", **behind, **more}


WEIGHTED = [{"instance": ONE, "weight": 3}, TWO]
LISTENERS = [
    # The same port of another protocol is another listener.
    listener("weighted", 53, backends=WEIGHTED),
    {
        "name": "tcp",
        "port": 53,
        "backends": [THREE],
        "backend_port": LINE_PORT,
        "health_check": {"interval": 1, "port": 23},
    },
    listener("hashed", 54, algorithm="source"),
    listener("even", 55, PINGED, qos={"ingress": "10M", "egress": "10M"}),
    listener(
        "denied", 56, {**CONNECTED, "port": LINE_PORT}, denied_cidrs=[STRANGER, "192.0.2.0/24", "192.168.20.0/24"]
    ),
    listener("allowed", 57, {**CONNECTED, "port": 23}, allowed_cidrs=[f"{OUTSIDE}/32", "192.168.21.0/24"]),
]


def with_listeners(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    vpc["virtual_ips"].append({"name": "vip-udp", "network": "L3-public"})
    vpc["load_balancers"] += [
        {"name": "names", "virtual_ip": "vip-udp", "listeners": LISTENERS},
        {"name": "inner", "network": "vpc-1-2", "listeners": [listener("names", 53)]},
    ]


def edited(name: str, **more: Any) -> Callable[[Intent], None]:
    """A change of one listener's keys."""

    def edit(intent: Intent) -> None:
        (balancer,) = (one for one in intent["weft_vpcs"][0]["load_balancers"] if one["name"] == "names")
        (found,) = (one for one in balancer["listeners"] if one["name"] == name)
        found |= more

    return edit


@pytest.fixture
def balanced(fabric: Fabric) -> Iterator[tuple[Cloud, str]]:
    """The walkthrough with the listeners above, and their public address; `wan` has a second address."""
    fabric.change(with_listeners)
    fabric.run_as_foretold()
    cloud = fabric.cloud
    cloud.read("wan", f"ip address replace {STRANGER}/8 dev eth1")
    yield cloud, cloud.public("vpc-1", "vip-udp", "virtual_ip")
    cloud.read("wan", f"ip address del {STRANGER}/8 dev eth1")


def answers(cloud: Cloud, where: str, address: str, port: int, flows: int) -> Counter[str]:
    """Who answers new flows."""
    return Counter(who(one).partition(" ")[0] for one in cloud.ask(where, [udp(address, port)] * flows))


def await_answers(cloud: Cloud, address: str, port: int, expected: set[str], where: str = "wan") -> None:
    """Wait until exactly these backends answer."""
    settled(lambda: ALL & answers(cloud, where, address, port, 12).keys(), lambda found: found == expected)


def settled(look: Callable[[], Seen], right: Callable[[Seen], bool]) -> Seen:
    """What there is to see, once it is right: each listener has checks of its own."""
    deadline = time.monotonic() + patient(20)
    while not right(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.2)
    return seen


def from_sources(cloud: Cloud, address: str, port: int, sources: list[str]) -> dict[str, str]:
    """Who answers each of these addresses of the outside world."""
    script = (
        "import socket, sys\n"
        "for source in sys.argv[3:]:\n"
        "    flow = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "    flow.settimeout(4); flow.bind((source, 0)); flow.connect((sys.argv[1], int(sys.argv[2])))\n"
        "    try: flow.send(b'hello\\n'); print(flow.recv(2048).decode().split()[0])\n"
        "    except OSError as error: print(error.__class__.__name__)\n"
    )
    done = cloud.on("wan", ["python3", "-c", script, address, str(port), *sources])
    return dict(zip(sources, done.stdout.split(), strict=True))


@contextmanager
def dead(cloud: Cloud, name: str, verdict: str = "drop") -> Iterator[None]:
    """An instance that hears nothing, or refuses everything."""
    port = f"meta l4proto {{ tcp, udp }} th dport {LINE_PORT}"
    rules = f"type filter hook input priority 0; {port} {verdict}; ip protocol icmp {verdict};"
    cloud.read(name, f"nft 'table ip dead {{ chain c {{ {rules} }}; }}'")
    try:
        yield
    finally:
        cloud.read(name, "nft delete table ip dead")


def packets_in_classes(cloud: Cloud) -> list[int]:
    """How many packets the only traffic class of each direction had."""
    command = "for device in $(ls /sys/class/net); do tc -s class show dev $device; done"
    shown = cloud.read("gw1", command) + cloud.in_router("vpc-1", command)
    return [int(one) for one in re.findall(r"Sent \d+ bytes (\d+) pkt", shown)]


def process_of(cloud: Cloud) -> str:
    return cloud.in_router("vpc-1", f"systemctl show -P MainPID {SERVICE}").strip()


def test_who_gets_a_flow(balanced: tuple[Cloud, str]) -> None:
    cloud, site = balanced
    inner = str(cloud.recorded("admin/vpc-1/inner:balancer_ip"))

    # By weight, and in turn: exact over every round.
    assert answers(cloud, "wan", site, 53, 16) == {ONE: 12, TWO: 4}
    assert answers(cloud, "wan", site, 55, 30) == {ONE: 10, TWO: 10, THREE: 10}
    # What is sent both ways is in the listener's class of bandwidth, and nothing else is.
    assert packets_in_classes(cloud) == [30, 30]
    # TCP on that port is HAProxy's.
    assert who(cloud.ask("wan", [tcp(site, 53)])[0]).startswith(THREE)

    # By source: each address its own backend, and all have some.
    sources = [f"10.9.8.{number}" for number in range(1, 41)]
    cloud.read("wan", "\n".join(f"ip address add {one}/32 dev eth1" for one in sources))
    try:
        first = from_sources(cloud, site, 54, sources)
        assert set(first.values()) == ALL and min(Counter(first.values()).values()) > 5
        assert from_sources(cloud, site, 54, sources) == first
        # A dead backend's clients move, and no others.
        with dead(cloud, TWO):
            await_answers(cloud, site, 55, {ONE, THREE})
            await_answers(cloud, site, 56, {ONE, THREE})
            await_answers(cloud, inner, 53, {ONE, THREE}, "vpc-ins2")
            # What decides is what the check asks, and nothing else.
            assert answers(cloud, "wan", site, 57, 6) == {ONE: 2, THREE: 2, "nobody": 2}
            moved = settled(lambda: from_sources(cloud, site, 54, sources), lambda one: TWO not in one.values())
            assert {one for one in sources if moved[one] != first[one]} == {one for one in sources if first[one] == TWO}
        # Each listener finds it back.
        await_answers(cloud, inner, 53, ALL, "vpc-ins2")
        for port in (55, 56, 57):
            await_answers(cloud, site, port, ALL)
        settled(lambda: from_sources(cloud, site, 54, sources), lambda one: one == first)
    finally:
        cloud.read("wan", "\n".join(f"ip address del {one}/32 dev eth1" for one in sources))

    # Backends see who asks, or the elastic IP of who has one; in their own subnet, the address that was asked.
    assert saw(cloud.ask("wan", [udp(site, 55)])[0]) == OUTSIDE
    for where in ("vpc-ins2", "vpc-ins3", ONE, TWO, THREE):
        assert set(answers(cloud, where, site, 55, 6)) == ALL
        assert {saw(one) for one in cloud.ask(where, [udp(site, 55)] * 3)} == {
            cloud.address(where) if where.startswith("vpc-ins") else site
        }
    assert saw(cloud.ask("vpc-ins1", [udp(site, 55)])[0]) == cloud.public("vpc-1", "eip-a", "elastic_ip")

    # Lists of sources: who may not, learns it at once.
    assert from_sources(cloud, site, 56, [STRANGER])[STRANGER] == "ConnectionRefusedError"
    assert from_sources(cloud, site, 57, [STRANGER])[STRANGER] == "ConnectionRefusedError"
    assert cloud.ask(ONE, [udp(site, 56), udp(site, 57)]) == [REFUSED, REFUSED]
    for port in (56, 57):
        assert set(answers(cloud, "wan", site, port, 6)) == set(answers(cloud, "vpc-ins2", site, port, 6)) == ALL

    # The internal one answers its subnets, and nobody else, not even where a route leads there.
    for where in ("vpc-ins2", "vpc-ins1", ONE):
        assert set(answers(cloud, where, inner, 53, 6)) == ALL
    cloud.read("wan", f"ip route replace {inner}/32 via 10.172.11.91")
    try:
        assert cloud.ask("wan", [udp(inner, 53, seconds=1)]) == [None]
    finally:
        cloud.read("wan", f"ip route del {inner}/32")
    # The router's own DNS is where it was, and nowhere else.
    assert "vpc-ins1" in cloud.read(
        "vpc-ins2", f"dig +short +time=2 -x {cloud.address('vpc-ins1')} @{cloud.gateway('vpc-1-2')}"
    )


def test_health(fabric: Fabric, balanced: tuple[Cloud, str]) -> None:
    cloud, site = balanced
    process = process_of(cloud)
    with ExitStack() as stack:
        flows = [stack.enter_context(Datagrams(cloud, "wan", site, 53)) for _number in range(8)]
        assert sorted(one.tell()["who"][0] for one in flows) == [ONE] * 6 + [TWO] * 2

        # Silent: its flows move within the time of its failures, and it gets nothing new; the others lose nothing.
        with dead(cloud, TWO):
            await_answers(cloud, site, 53, {ONE})
            token = "to-the-living"
            assert {who(one).split()[0] for one in cloud.ask("wan", [udp(site, 53, token)] * 20)} == {ONE}
            assert cloud.heard(token, [ONE, TWO]) == [ONE]
            told = [one.tell() for one in flows]
            moved = [one["who"] for one in told if one["lost"]]
            # Of the dead one's last answers a flow has told already, or it has not.
            assert len(moved) == 2 and all(who in ([ONE], [TWO, ONE]) for who in moved), moved
            # A check that began before and two that fail are three seconds; a line waits 0.3 s for its answer.
            assert max(one["lost"] for one in told) <= patient(3 + 1) / 0.3
            assert all(one["who"] == [ONE] and not one["refused"] for one in told if not one["lost"])

            # Whatever is deployed meanwhile, with all rules loaded anew, revives nobody; nor does a restart.
            fabric.change(
                lambda intent: intent["weft_vpcs"][0]["load_balancers"].append(
                    {"name": "more", "virtual_ip": "vip-udp", "listeners": [listener("more", 60, PINGED)]}
                )
            )
            assert fabric.run().changed
            assert answers(cloud, "wan", site, 53, 8) == {ONE: 8}
            assert process_of(cloud) != process
            cloud.in_router("vpc-1", f"systemctl restart {SERVICE}")
            assert answers(cloud, "wan", site, 53, 8) == {ONE: 8}
            assert not any(one["lost"] or one["refused"] for one in (flow.tell() for flow in flows))
            assert fabric.run().changed == 0

            # Killed, it comes back, and knows what it knew.
            process = process_of(cloud)
            cloud.in_router("vpc-1", f"systemctl kill --signal=KILL {SERVICE}")
            deadline = time.monotonic() + patient(10)
            while process_of(cloud) in ("0", process):
                assert time.monotonic() < deadline
                time.sleep(0.1)
            assert answers(cloud, "wan", site, 53, 8) == {ONE: 8}
            # All rules gone with all else: loaded as at boot, they are as they were.
            cloud.in_router("vpc-1", "systemctl restart weft-nftables")
            assert answers(cloud, "wan", site, 53, 8) == {ONE: 8}

            # Nobody left: a refusal, also for flows that there were.
            with dead(cloud, ONE, "reject"):
                await_answers(cloud, site, 53, set())
                # The kernel tells one address about once a second; others have asked for this one.
                assert from_sources(cloud, site, 53, [STRANGER]) == {STRANGER: "ConnectionRefusedError"}
                # Inside the VPC, too, where the router's own DNS answers on that port.
                assert cloud.ask("vpc-ins2", [udp(site, 53)]) == [REFUSED]
                assert who(cloud.ask("wan", [tcp(site, 53)])[0]).startswith(THREE)
                for flow in flows:
                    flow.tell()
                assert not any(flow.tell()["answers"] for flow in flows)
            await_answers(cloud, site, 53, {ONE})
        await_answers(cloud, site, 53, {ONE, TWO})
        assert answers(cloud, "wan", site, 53, 16) == {ONE: 12, TWO: 4}
        for flow in flows:
            flow.tell()
        # The return of one cuts nobody.
        assert [flow.tell()["who"] for flow in flows] == [[ONE]] * 8

    # A router that restarts needs no run, and remembers who was not well.
    with dead(cloud, TWO):
        await_answers(cloud, site, 53, {ONE})
        cloud.read("gw1", "systemctl restart weft-router@vpc-1.admin")
        await_answers(cloud, site, 53, {ONE})
    await_answers(cloud, site, 53, {ONE, TWO})
    assert fabric.run().changed == 0


def test_changes(fabric: Fabric, balanced: tuple[Cloud, str]) -> None:
    cloud, site = balanced
    before = ledger(cloud)
    with ExitStack() as stack:
        flows = [stack.enter_context(Datagrams(cloud, "wan", site, 55)) for _number in range(6)]
        first = [flow.tell()["who"][0] for flow in flows]
        assert Counter(first) == {ONE: 2, TWO: 2, THREE: 2}

        # Drained: nothing new, and what it has goes on.
        fabric.change(edited("even", backends=[{"instance": ONE, "drain": True}, TWO, THREE]))
        assert fabric.run().changed
        assert answers(cloud, "wan", site, 55, 12) == {TWO: 6, THREE: 6}
        assert [(flow.tell(), one)[0] | {"answers": 1} for flow, one in zip(flows, first, strict=True)] == [
            {"answers": 1, "lost": 0, "refused": 0, "who": [one]} for one in first
        ]

        # One that goes takes its flows with it, to the others; one that comes takes none.
        fabric.change(edited("even", backends=[ONE, TWO]))
        assert fabric.run().changed
        told = [flow.tell() for flow in flows]
        assert all(not one["refused"] and one["lost"] <= 1 for one in told)
        for one, report in zip(first, told, strict=True):
            assert (
                report["who"] == [one]
                if one != THREE
                else report["who"][0] == THREE and report["who"][-1] in (ONE, TWO)
            )
            assert one == THREE or not report["lost"]
        assert answers(cloud, "wan", site, 55, 12) == {ONE: 6, TWO: 6}
        fabric.change(edited("even", backends=[ONE, {"instance": TWO, "weight": 2}, THREE]))
        assert fabric.run().changed
        assert answers(cloud, "wan", site, 55, 12) == {ONE: 3, TWO: 6, THREE: 3}
        assert all(not one["refused"] and not one["lost"] for one in (flow.tell() for flow in flows))
        assert fabric.run().changed == 0

        # Without its listener a flow ends, others go on, and nothing answers any more.
        other = stack.enter_context(Datagrams(cloud, "wan", site, 53))

        def less(intent: Intent) -> None:
            (balancer,) = (one for one in intent["weft_vpcs"][0]["load_balancers"] if one["name"] == "names")
            drop(balancer["listeners"], "even")

        fabric.change(less)
        assert fabric.run().changed
        for flow in flows:
            flow.tell()
        assert all(not flow.tell()["answers"] for flow in flows)
        told_other = other.tell()
        assert told_other["answers"] and not told_other["lost"] and not told_other["refused"]

    # Nothing stays of the last one.
    fabric.change(lambda intent: [drop(intent["weft_vpcs"][0]["load_balancers"], name) for name in ("names", "inner")])
    fabric.change(lambda intent: drop(intent["weft_vpcs"][0]["virtual_ips"], "vip-udp"))
    assert fabric.run().changed
    assert fabric.run().changed == 0
    left = cloud.in_router(
        "vpc-1", "nft list ruleset; ls -R /etc/weft /etc/systemd/system /usr/local/lib/weft; systemctl list-units --all"
    )
    assert "lb_udp" not in left and "lb-udp" not in left
    assert traces(cloud, tokens(before, ledger(cloud))) == []
