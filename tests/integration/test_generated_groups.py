"""Security groups drawn at random, judged by a model that shares no code with what is tested, and by packets (row F1).

A world is groups, rules, and where instances are and what groups they are in; every pair and port drawn in it is tried.
`WEFT_WORLDS` says how many worlds. Two hosts have the rules that the plan renders for them, without a lab: that a run
brings such rules to hosts is what test_security_group.py shows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

import pytest
from checks.fabric import Intent
from checks.namespaces import add, batch, change_rules, inside, load_rules, remove, rules, run
from checks.parallel import each
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough
from lab.shell import patient

pytestmark = [pytest.mark.packets, pytest.mark.kernel("nft_bridge_ct")]

WORLDS, PROBES = int(os.environ.get("WEFT_WORLDS", "10")), 50
ANSWER, SILENCE = patient(2.0), patient(0.3)
TENANT, GROUPS, LISTS = "admin", ("red", "green", "blue"), ("office", "all")
INSTANCES = ("vpc-ins1", "vpc-ins2", "vpc-ins3", "vpc-port-test-1", "vpc-port-test-2", "vpc-port-test-3")
HOSTS = ("hv1", "hv2")
PREFIX = f"weft-worlds-{os.getpid()}"
#: Where the hosts' tunnels end; it routes between subnets as the router does.
MIDDLE = f"{PREFIX}-middle"
SPACES = {name: f"{PREFIX}-{name}" for name in (*HOSTS, *INSTANCES)}
#: What instances serve, by TCP and by UDP.
PORTS = (8080, 6000, 6001, 6002)
RANGES: tuple[int | str, ...] = (8080, 6000, "6000-6001", "6001-6002", "1-65535")
ECHO = 8
#: A subnet of the walkthrough, two of its parts, and an instance whose address the inventory gives.
CIDRS = ("192.168.20.0/24", "192.168.20.128/25", "192.168.20.0/25", "192.168.20.154/32", "192.168.0.0/16")

#: An instance: it answers whoever asks on its ports with its name. Each line from stdin is what to ask others at once:
#: protocol, address, port, and seconds to wait; who answered is printed.
GUEST = """
import json, socket, struct, sys, threading
from concurrent.futures import ThreadPoolExecutor
name, ports = sys.argv[1].encode(), list(map(int, sys.argv[2:]))
def serve_tcp(listener):
    while True:
        link = listener.accept()[0]
        with link:
            link.send(name)
def serve_udp(link):
    while True:
        link.sendto(name, link.recvfrom(99)[1])
for port in ports:
    threading.Thread(target=serve_tcp, args=(socket.create_server(("", port), backlog=99),), daemon=True).start()
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", port))
    threading.Thread(target=serve_udp, args=(datagrams,), daemon=True).start()
def ping(link, address):
    # The checksum of zeros but for the type: what 8 << 8 lacks.
    link.sendto(struct.pack("!BBHHH", 8, 0, 0xFFFF - 0x0800, 0, 0), (address, 0))
    while True:
        packet, peer = link.recvfrom(99)
        if peer[0] == address and packet[20] == 0:
            return address
def ask(one):
    protocol, address, port, seconds = one
    kind = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM, "icmp": socket.SOCK_RAW}[protocol]
    with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP if protocol == "icmp" else 0) as link:
        link.settimeout(seconds)
        try:
            if protocol == "icmp":
                return ping(link, address)
            link.connect((address, port))
            link.send(b"who")
            return link.recv(99).decode()
        except OSError:
            return None
print("ready", flush=True)
for line in sys.stdin:
    with ThreadPoolExecutor(99) as pool:
        print(json.dumps(list(pool.map(ask, json.loads(line)))), flush=True)
"""


class Probe(NamedTuple):
    """One line from an instance to another one, or one echo request."""

    source: str
    target: str
    protocol: str
    port: int


@dataclass(frozen=True)
class World:
    """Random keys of the inventory, and what is tried with them."""

    groups: list[dict[str, Any]]
    lists: list[dict[str, Any]]
    hosts: dict[str, str]
    members: dict[str, list[str]]
    probes: list[Probe]

    def edit(self, intent: Intent) -> None:
        intent["weft_security_groups"], intent["weft_address_groups"] = self.groups, self.lists
        for one in intent["weft_instances"]:
            if one["name"] in self.hosts:
                one["host"] = self.hosts[one["name"]]
                one["nics"][0]["security_groups"] = self.members[one["name"]]


def some(values: tuple[str, ...], least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), unique=True, min_size=least)


PEERS = st.one_of(
    st.just({}),
    st.builds(lambda one: {"cidrs": one}, some(CIDRS, 1)),
    st.builds(lambda one: {"address_group": one}, st.sampled_from(LISTS)),
    st.builds(lambda one: {"security_group": one}, st.sampled_from(GROUPS)),
)
SERVICES = st.one_of(
    st.sampled_from([{"protocol": "any"}, {"protocol": "tcp"}, {"protocol": "udp"}, {"protocol": "icmp"}]),
    st.builds(lambda one: {"protocol": "icmp", "icmp_type": one}, st.sampled_from([ECHO, 13])),
    st.builds(
        lambda protocol, ports: {"protocol": protocol, "ports": ports},
        st.sampled_from(["tcp", "udp"]),
        st.sampled_from(RANGES),
    ),
)
RULES = st.builds(
    lambda direction, service, peer: {"direction": direction, **service, **peer},
    st.sampled_from(["ingress", "ingress", "egress"]),
    SERVICES,
    PEERS,
)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    services = st.one_of(st.tuples(st.sampled_from(["tcp", "udp"]), st.sampled_from(PORTS)), st.just(("icmp", 0)))
    probe = st.builds(
        lambda source, target, service: Probe(source, target, *service),
        st.sampled_from(INSTANCES),
        st.sampled_from(INSTANCES),
        services,
    ).filter(lambda one: one.source != one.target)
    rules = st.lists(RULES, max_size=4)
    return World(
        groups=[{"name": name, "tenant": TENANT, "rules": draw(rules)} for name in GROUPS],
        lists=[{"name": name, "tenant": TENANT, "cidrs": draw(some(CIDRS))} for name in LISTS],
        hosts={name: draw(st.sampled_from(HOSTS)) for name in INSTANCES},
        members={name: draw(some(GROUPS)) for name in INSTANCES},
        probes=draw(st.lists(probe, min_size=PROBES, max_size=PROBES, unique=True)),
    )


class Model:
    """What the documentation says of security groups, and nothing else."""

    def __init__(self, world: World, addresses: dict[str, str]) -> None:
        self.world, self.addresses = world, addresses
        self.rules = {one["name"]: one["rules"] for one in world.groups}
        self.lists = {one["name"]: one["cidrs"] for one in world.lists}

    def admits(self, probe: Probe) -> bool:
        """Whether the sender's groups let it out and the receiver's let it in."""
        return self._out(probe) and self._in(probe)

    def _out(self, probe: Probe) -> bool:
        whitelist = self._of(probe.source, "egress")
        return not whitelist or any(self._matches(rule, probe, probe.target) for rule in whitelist)

    def _in(self, probe: Probe) -> bool:
        if not self.world.members[probe.target]:
            return True
        return any(self._matches(rule, probe, probe.source) for rule in self._of(probe.target, "ingress"))

    def _of(self, name: str, direction: str) -> list[dict[str, Any]]:
        rules = [rule for group in self.world.members[name] for rule in self.rules[group]]
        return [rule for rule in rules if rule["direction"] == direction]

    def _matches(self, rule: dict[str, Any], probe: Probe, peer: str) -> bool:
        if rule["protocol"] not in ("any", probe.protocol):
            return False
        if probe.protocol == "icmp":
            return rule.get("icmp_type", ECHO) == ECHO and self._is_peer(rule, peer)
        first, _dash, last = str(rule.get("ports", "1-65535")).partition("-")
        return int(first) <= probe.port <= int(last or first) and self._is_peer(rule, peer)

    def _is_peer(self, rule: dict[str, Any], peer: str) -> bool:
        if "security_group" in rule:
            return rule["security_group"] in self.world.members[peer]
        if "address_group" in rule:
            cidrs = self.lists[rule["address_group"]]
        else:
            cidrs = rule.get("cidrs", ["0.0.0.0/0"])
        return any(ip_address(self.addresses[peer]) in ip_network(cidr) for cidr in cidrs)


class Hosts:
    """Two hosts, and the instances that run on them."""

    def __init__(self) -> None:
        self.plugs: list[tuple[str, str]] = []
        self.rules: dict[str, dict[str, str]] = {}
        self.bridges: set[str] = set()
        self.guests: dict[str, subprocess.Popen[str]] = {}

    def start(self) -> None:
        add(MIDDLE, *SPACES.values())
        run(*inside(MIDDLE, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
        for name in INSTANCES:
            command = inside(SPACES[name], sys.executable, "-c", GUEST, name, *map(str, PORTS))
            self.guests[name] = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for process in self.guests.values():
            assert process.stdout and process.stdout.readline() == "ready\n"

    def close(self) -> None:
        for process in self.guests.values():
            with process:
                process.kill()
        remove(MIDDLE, *SPACES.values())

    def place(self, slices: dict[str, dict[str, Any]]) -> dict[str, str]:
        """Make the hosts anew, as they are planned; the addresses of the instances."""
        for namespace, device in self.plugs:
            batch(namespace, [f"link delete {device}"])
        self.plugs.clear()
        addresses = {}
        for host in HOSTS:
            remove(SPACES[host])
            add(SPACES[host])
            ports = [one for one in slices[host]["ports"] if one["instance"] in INSTANCES]
            subnets = {port["bridge"]: ip_network(f"{port['ip']}/24", strict=False) for port in ports}
            for bridge, subnet in subnets.items():
                self._bridge(host, bridge, f"{subnet[1]}/24")
            for port in ports:
                self._port(host, port, str(subnets[port["bridge"]][1]))
                addresses[port["instance"]] = port["ip"]
            # As a run makes them of the last world's.
            wanted = rules(slices[host])
            before = self.rules.setdefault(host, wanted)
            load_rules(SPACES[host], before)
            change_rules(SPACES[host], before, wanted)
            self.rules[host] = wanted
        return addresses

    def _bridge(self, host: str, bridge: str, gateway: str) -> None:
        """A segment on a host, joined to the same on the other one, and to the router."""
        if bridge not in self.bridges:
            # It floods what it has no place for: instances move.
            make = [f"link add {bridge} type bridge ageing_time 0", f"address add {gateway} dev {bridge}"]
            batch(MIDDLE, [*make, f"link set {bridge} up"])
            self.bridges.add(bridge)
        tunnel = f"{host}-{bridge}"
        batch(
            SPACES[host],
            [
                f"link add {bridge} type bridge",
                f"link set {bridge} up",
                f"link add tunnel-{bridge} type veth peer name {tunnel} netns {MIDDLE}",
                f"link set tunnel-{bridge} master {bridge} up",
            ],
        )
        batch(MIDDLE, [f"link set {tunnel} master {bridge} up"])
        self.plugs.append((MIDDLE, tunnel))

    def _port(self, host: str, port: dict[str, Any], gateway: str) -> None:
        guest, device = SPACES[port["instance"]], port["device"]
        plug = f"link add {device} type veth peer name eth0 address {port['mac']} netns {guest}"
        batch(SPACES[host], [plug, f"link set {device} master {port['bridge']} up"])
        batch(
            guest,
            [f"address add {port['ip']}/24 dev eth0", "link set eth0 up", f"route add default via {gateway} dev eth0"],
        )
        self.plugs.append((guest, "eth0"))

    def ask(self, name: str, questions: list[tuple[str, str, int, float]]) -> list[str | None]:
        """Who answered to each of an instance's questions."""
        guest = self.guests[name]
        assert guest.stdin and guest.stdout
        guest.stdin.write(f"{json.dumps(questions)}\n")
        guest.stdin.flush()
        answers: list[str | None] = json.loads(guest.stdout.readline())
        return answers


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    hosts = Hosts()
    try:
        hosts.start()
        yield hosts
    finally:
        hosts.close()


def passes(hosts: Hosts, addresses: dict[str, str], expected: dict[Probe, bool]) -> dict[Probe, bool]:
    """Whether each probe was answered by whom it was for; all of an asker's at once."""
    asked: dict[str, list[Probe]] = defaultdict(list)
    for probe in expected:
        asked[probe.source].append(probe)

    def ask(source: str) -> list[str | None]:
        return hosts.ask(
            source,
            [
                (one.protocol, addresses[one.target], one.port, ANSWER if expected[one] else SILENCE)
                for one in asked[source]
            ],
        )

    answers = each(list(asked), ask)
    return {
        probe: who in (probe.target, addresses[probe.target])
        for source, probes in asked.items()
        for probe, who in zip(probes, answers[source], strict=True)
    }


@given(world=worlds())
@settings(
    max_examples=WORLDS,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_packets_agree_with_the_model(hosts: Hosts, world: World) -> None:
    variables, facts = walkthrough()
    world.edit(variables)
    addresses = hosts.place(slices_of(variables, facts))
    model = Model(world, addresses)
    expected = {probe: model.admits(probe) for probe in world.probes}
    note(f"{sum(expected.values())} of {len(expected)} are to pass")
    assert passes(hosts, addresses, expected) == expected
