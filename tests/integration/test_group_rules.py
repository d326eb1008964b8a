"""The rules of security groups on one host, without a lab: bridges, instances on them, and others behind their tunnels.

The rules are those that the plan renders for the host; what a run does to live connections is done by what hosts use.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from checks.cloud import GUEST
from checks.namespaces import add, batch, change_rules, inside, load_rules, remove, rules, run

from ansible_collections.weft.vpc.plugins.plugin_utils.analyse import GroupAnalysis
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough
from lab.shell import patient

pytestmark = [pytest.mark.packets, pytest.mark.kernel("nft_bridge_ct")]

PREFIX = f"weft-groups-{os.getpid()}"
HOST, TARGET, PEER, FAR = (f"{PREFIX}-{name}" for name in ("host", "target", "peer", "far"))
OTHER, BEYOND = (f"{PREFIX}-{name}" for name in ("other", "beyond"))  # another tenant's
INSTANCES = {TARGET: "vpc-port-test-1", PEER: "vpc-ins1", OTHER: "other-1"}
TUNNELS = {FAR: TARGET, BEYOND: OTHER}  # who is behind the tunnel of whose network
ADDRESSES = {
    TARGET: "192.168.20.154", PEER: "192.168.20.2", FAR: "192.168.20.182",
    OTHER: "192.168.20.2", BEYOND: "192.168.20.182",
}  # fmt: skip
ROUTER = "192.168.20.1"  # behind the tunnel, too
SILENCE = patient(0.4)
MOST, CROWDED, FLOOD_SECONDS = 100, 300, 2.0
STARTED = ExitStack()
TENANTS = ("admin", "admin1")

SERVER = """
import selectors, socket, sys, threading, time
def lines(link):
    with link:
        for line in link.makefile("rb"):
            link.sendall(line)
            while line == b"push\\n":
                time.sleep(0.05)
                link.sendall(line)
def tcp(port):
    with socket.create_server(("", port)) as listener:
        while True:
            threading.Thread(target=lines, args=(listener.accept()[0],), daemon=True).start()
def udp(port):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    link.bind(("", port))
    while True:
        data, peer = link.recvfrom(9000)
        link.sendto(data[:9], peer)
for port in map(int, sys.argv[1:]):
    for serve in (tcp, udp):
        threading.Thread(target=serve, args=(port,), daemon=True).start()
time.sleep(0.5)
print("ready", flush=True)
time.sleep(1e6)
"""
#: One connection; each line from stdin is a question: `ask` sends a line and says whether it came back, `hear` says
#: whether something comes within a second that was not there before.
CLIENT = """
import socket, sys
kind, address, port, seconds, own = sys.argv[1:]
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
link.settimeout(float(seconds))
if own:
    link.bind((own, 0))
try:
    link.connect((address, int(port)))
    open_ = True
except OSError:
    open_ = False
print("ready", flush=True)
for word in sys.stdin:
    answer = False
    try:
        if open_ and word == "hear\\n":
            link.settimeout(0.01)
            try:
                while link.recv(1 << 16):
                    pass
            except TimeoutError:
                link.settimeout(float(seconds))
            answer = bool(link.recv(9))
        elif open_:
            link.send(word.encode().ljust(3000 if word == "long\\n" else 1, b"."))
            answer = bool(link.recv(9))
    except OSError:
        pass
    print(int(answer), flush=True)
"""
#: So many connections at once, of which it says how many are open after a while; they are held until stdin ends.
CROWD = """
import select, socket, sys, time
kind, address, port, count, seconds = sys.argv[1:]
poll, opened, until = select.poll(), set(), time.monotonic() + float(seconds)
links = {}
for number in range(int(count)):
    link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
    link.setblocking(False)
    link.connect_ex((address, int(port)))
    if kind == "udp":
        link.send(b".")
    links[link.fileno()] = link
    poll.register(link, select.POLLIN if kind == "udp" else select.POLLOUT)
while time.monotonic() < until:
    for number, event in poll.poll(100):
        poll.unregister(number)
        opened |= set() if event & select.POLLERR else {number}
print(len(opened), flush=True)
while not select.select([sys.stdin], [], [], 0.2)[0]:
    for link in links.values() if kind == "udp" else ():
        try:
            link.send(b".")
        except OSError:
            pass
"""
PING = """
import socket, struct, sys
address, size, seconds = sys.argv[1:]
link = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
link.settimeout(float(seconds))
# The checksum of zeros but for the type: what 8 << 8 lacks.
link.sendto(struct.pack("!BBHHH", 8, 0, 0xFFFF - 0x0800, 0, 0) + bytes(int(size)), (address, 0))
try:
    print(int(link.recv(1 << 16)[20] == 0))
except TimeoutError:
    print(0)
"""
CLEAN = """
import json, sys
from ansible_collections.weft.vpc.plugins.module_utils.deploy import grouptable
from ansible_collections.weft.vpc.plugins.module_utils.groups import Groups
grouptable.clean(*(Groups(json.loads(one)) for one in sys.argv[1:]))
"""


def intent(rules: list[dict[str, Any]], far: list[str], closed: bool = False) -> dict[str, Any]:
    variables, hosts = walkthrough()
    variables["weft_security_groups"] = [
        {"name": "web", "tenant": "admin", "rules": rules},
        {"name": "clients", "tenant": "admin"},
        {"name": "quiet", "tenant": "admin", "rules": [{"direction": "egress", "protocol": "tcp", "ports": 23}]},
    ]
    members = {"vpc-port-test-1": ["web"], "vpc-ins1": ["clients", "quiet"] if closed else ["clients"]}
    for instance in variables["weft_instances"]:
        groups = {**members, "vpc-port-test-2": far}.get(instance["name"], [])
        instance["nics"][0]["security_groups"] = groups
        if instance["name"] == "vpc-ins1":
            instance["nics"][0]["qos"] = {"egress": "100M"}
    return slices_of(variables, hosts)["hv1"]


RULES: list[dict[str, Any]] = [
    {"direction": "ingress", "protocol": "tcp", "ports": 23, "security_group": "clients"},
    {"direction": "ingress", "protocol": "udp", "ports": "6000-6001", "cidrs": ["192.168.20.0/24"]},
    {"direction": "ingress", "protocol": "icmp", "icmp_type": 8, "cidrs": [ADDRESSES[FAR]]},
    {"direction": "ingress", "protocol": "tcp", "ports": 80},
]


class Host:
    """The host's namespace, and what its rules are made of."""

    def __init__(self, slice_: dict[str, Any]) -> None:
        self.slice = slice_
        self.load()

    @property
    def groups(self) -> str:
        return json.dumps(GroupAnalysis(self.slice).config.raw)

    def load(self) -> None:
        load_rules(HOST, rules(self.slice))

    def change(self, slice_: dict[str, Any]) -> None:
        """What a run does: new rules, then the end of what they do not admit."""
        before, old = self.groups, rules(self.slice)
        self.slice = slice_
        change_rules(HOST, old, rules(slice_))
        run(*inside(HOST, sys.executable, "-c", CLEAN, before, self.groups))


class Connection:
    """A connection that is asked now and then."""

    def __init__(self, where: str, kind: str, port: int, address: str = "", own: str = "") -> None:
        words = [kind, address or ADDRESSES[TARGET], str(port), str(SILENCE), own]
        command = inside(where, sys.executable, "-c", CLIENT, *words)
        self.process = STARTED.enter_context(
            subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        )
        assert self.process.stdout and self.process.stdout.readline() == "ready\n"

    def told(self, word: str = "ask") -> bool:
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline() == "1\n"

    def end(self) -> None:
        self.process.communicate()


@contextmanager
def crowd(where: str, target: str, kind: str, port: int) -> Iterator[int]:
    """How many of a crowd of connections are open, and stay so meanwhile."""
    words = [kind, ADDRESSES[target], str(port), str(CROWDED), str(2 * SILENCE)]
    command = inside(where, sys.executable, "-c", CROWD, *words)
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield int(process.stdout.readline())


def port(slice_: dict[str, Any], namespace: str) -> dict[str, Any]:
    return next(one for one in slice_["ports"] if one["instance"] == INSTANCES[namespace])


def build(slice_: dict[str, Any]) -> None:
    ports = {namespace: port(slice_, namespace) for namespace in INSTANCES}
    limit, network = ports[PEER]["egress"], ports[PEER]["bridge"]
    plugs = [(name, one["device"], (one["egress"] or one)["bridge"], one["mac"]) for name, one in ports.items()]
    segments = {one["bridge"]: one for one in slice_["segments"]}
    for namespace, neighbour in TUNNELS.items():
        bridge = ports[neighbour]["bridge"]
        # With a MAC of the plan: what goes to one that nobody has is limited.
        plugs.append((namespace, segments[bridge]["vxlan"], bridge, segments[bridge]["far_macs"][0]))
    bridges = sorted({bridge for _namespace, _device, bridge, _mac in plugs})
    commands = [f"link add {bridge} type bridge" for bridge in bridges]
    commands += [f"link add {limit['inner']} type veth peer name {limit['outer']}"]
    commands += [f"link set {limit['inner']} master {limit['bridge']} up"]
    commands += [f"link set {limit['outer']} master {network} up"]
    for namespace, device, bridge, _mac in plugs:
        commands += [
            f"link add {device} type veth peer eth0 netns {namespace}",
            f"link set {device} master {bridge} up",
        ]
    commands += [f"link set {bridge} up" for bridge in bridges]
    add(HOST, *ADDRESSES)
    batch(HOST, commands)
    for namespace, _device, _bridge, mac in plugs:
        lines = [f"link set eth0 address {mac}"]
        lines += [f"address add {ADDRESSES[namespace]}/24 dev eth0", "link set eth0 mtu 1450 up"]
        lines += [f"address add {ROUTER}/24 dev eth0"] if namespace == FAR else []
        batch(namespace, lines)


@pytest.fixture
def host() -> Iterator[Host]:
    slice_ = intent(RULES, ["clients"])
    servers = []
    try:
        build(slice_)
        for namespace in ADDRESSES:
            command = inside(namespace, sys.executable, "-c", SERVER, "23", "80", "8080", "6000", "6001")
            servers.append(STARTED.enter_context(subprocess.Popen(command, text=True, stdout=subprocess.PIPE)))
            assert servers[-1].stdout and servers[-1].stdout.readline() == "ready\n"
        yield Host(slice_)
    finally:
        for server in servers:
            server.kill()
        # Clients end with their standard input.
        STARTED.close()
        remove(HOST, *ADDRESSES)


def ping(where: str, size: int = 56) -> bool:
    return run(*inside(where, sys.executable, "-c", PING, ADDRESSES[TARGET], str(size), str(SILENCE))) == "1\n"


def reached(where: str) -> dict[str, bool]:
    """Which services of the target answer."""
    asked = {f"{kind} {number}": Connection(where, kind, number) for kind, number in (
        ("tcp", 23), ("tcp", 80), ("tcp", 8080), ("udp", 6000), ("udp", 6001), ("udp", 23))}  # fmt: skip
    return {name: one.told() for name, one in asked.items()} | {"ping": ping(where)}


OPEN = {
    "tcp 23": True, "tcp 80": True, "tcp 8080": False, "udp 6000": True, "udp 6001": True, "udp 23": False,
}  # fmt: skip


def test_rules_and_live_connections(host: Host) -> None:
    assert reached(FAR) == {**OPEN, "ping": True}
    assert reached(PEER) == {**OPEN, "ping": False}
    # The load balancer's router reaches its backend's port, and so does nobody else from that network.
    assert Connection(FAR, "tcp", 8080, own=ROUTER).told()
    assert Connection(TARGET, "tcp", 23, ADDRESSES[FAR]).told(), "what goes out is free"
    assert not Connection(FAR, "tcp", 23, ADDRESSES[PEER]).told(), "members do not reach each other"
    # Fragments are judged as a whole.
    assert Connection(FAR, "udp", 6000).told("long") and not Connection(FAR, "udp", 23).told("long")
    assert ping(FAR, 3000) and not ping(PEER, 3000)

    live = {
        "member": Connection(PEER, "tcp", 23), "left": Connection(FAR, "tcp", 23),
        "removed": Connection(FAR, "tcp", 80), "pushed": Connection(FAR, "tcp", 80),
        "kept": Connection(FAR, "udp", 6000), "narrowed": Connection(FAR, "udp", 6001),
        "opened": Connection(TARGET, "tcp", 80, ADDRESSES[FAR]),
    }  # fmt: skip
    assert all(one.told("push" if name == "pushed" else "ask") for name, one in live.items())
    assert live["pushed"].told("hear"), "it comes by itself"
    host.load()
    assert all(one.told("hear" if name == "pushed" else "ask") for name, one in live.items()), "only loaded anew"

    fewer = [RULES[0], {**RULES[1], "ports": 6000}, RULES[2]]
    host.change(intent(fewer, []))
    told = {name: one.told() for name, one in live.items() if name != "pushed"}
    told["pushed"] = live["pushed"].told("hear")
    assert {name for name, lives in told.items() if lives} == {"member", "kept", "opened"}
    time.sleep(SILENCE)
    assert not live["pushed"].told("hear"), "its server does not open it again"
    assert not Connection(FAR, "tcp", 80).told() and not Connection(FAR, "tcp", 23).told()

    host.change(intent(RULES, ["clients"]))
    assert reached(FAR) == {**OPEN, "ping": True}

    # One egress rule makes a whitelist, on a port of a bridge of its own, too.
    assert Connection(PEER, "udp", 6000, ADDRESSES[FAR]).told()
    outwards = Connection(PEER, "tcp", 80, ADDRESSES[FAR])
    assert outwards.told()
    host.change(intent(RULES, ["clients"], closed=True))
    assert not outwards.told()
    assert not Connection(PEER, "udp", 6000, ADDRESSES[FAR]).told()
    assert Connection(PEER, "tcp", 23).told() and Connection(PEER, "tcp", 23, ADDRESSES[FAR]).told()


def crowded(*more: str) -> dict[str, Any]:
    """Two tenants with few connections for each port, one of which is in no group but ``more``."""
    variables, hosts = walkthrough()
    variables["weft_fabric"]["connections"] = MOST
    rules = [rule for rule in RULES if rule["protocol"] == "udp" or rule.get("ports") == 80]
    variables["weft_security_groups"] = [{"name": "web", "tenant": tenant, "rules": rules} for tenant in TENANTS]
    variables["weft_security_groups"] += [{"name": name, "tenant": "admin"} for name in more]
    for instance in variables["weft_instances"]:
        if instance["name"] in (INSTANCES[TARGET], INSTANCES[OTHER]):
            instance["nics"][0]["security_groups"] = ["web"]
        if instance["name"] == INSTANCES[PEER]:
            instance["nics"][0]["security_groups"] = list(more)
            instance["nics"][0]["qos"] = {"egress": "100M"}
    return slices_of(variables, hosts)["hv1"]


def opens(where: str, target: str) -> bool:
    connection = Connection(where, "tcp", 80, ADDRESSES[target])
    told = connection.told()
    connection.end()
    return told


def await_open(where: str, target: str) -> None:
    deadline = time.monotonic() + patient(20)
    while not opens(where, target):
        assert time.monotonic() < deadline, "nothing can be opened after others ended"


def counted(host: Host) -> set[str]:
    """The ports of which the kernel counts connections."""
    listed = "".join(
        run(*inside(HOST, "nft", "list", "set", "bridge", "weft", f"connections_{one}"))
        for one in ("opened", "received")
    )
    return {one for one in INSTANCES if f'"{port(host.slice, one)["device"]}"' in listed}


@pytest.fixture
def busy(host: Host) -> Host:
    """The host of a crowd, which forgets soon who sends no datagrams any more."""
    host.change(crowded())
    seconds = int(patient(1)) + 1
    names = (f"net.netfilter.nf_conntrack_{one}" for one in ("udp_timeout", "udp_timeout_stream"))
    run(*inside(HOST, "sysctl", "-qw", *(f"{name}={seconds}" for name in names)))
    return host


#: Whose connections to whom are too many, and who else opens some meanwhile: the other way round, others, and another
#: tenant.
CROWDS = [
    (TARGET, FAR, "tcp", [(FAR, TARGET), (PEER, FAR), (PEER, TARGET), (OTHER, BEYOND), (BEYOND, OTHER)]),
    (PEER, FAR, "udp", [(FAR, PEER), (TARGET, FAR), (TARGET, PEER), (OTHER, BEYOND), (BEYOND, OTHER)]),
    (TARGET, PEER, "udp", [(FAR, PEER), (FAR, TARGET), (PEER, FAR), (OTHER, BEYOND)]),
    (FAR, TARGET, "udp", [(TARGET, FAR), (PEER, TARGET), (FAR, PEER), (BEYOND, OTHER)]),
    (FAR, PEER, "tcp", [(PEER, FAR), (TARGET, PEER), (FAR, TARGET), (BEYOND, OTHER)]),
]


def test_connections_are_limited_by_port(busy: Host) -> None:
    for opener, target, kind, others in CROWDS:
        # A load begins to count anew.
        busy.load()
        live = Connection(opener, "tcp", 80, ADDRESSES[target])
        assert live.told()
        with crowd(opener, target, kind, 80 if kind == "tcp" else 6000) as held:
            assert 0.9 * MOST < held < MOST, (opener, target, kind)
            assert not opens(opener, target)
            assert [pair for pair in others if not opens(*pair)] == []
            assert live.told(), "it goes on"
        await_open(opener, target)
        live.end()


def test_a_new_group_forgets_no_connections(busy: Host) -> None:
    with crowd(TARGET, FAR, "tcp", 80):
        assert not opens(TARGET, FAR)
        busy.change(crowded("clients"))
        assert not opens(TARGET, FAR), "it has all that it may"
        assert opens(OTHER, BEYOND)


def test_a_flood_of_connections_leaves_nothing_behind(busy: Host) -> None:
    command = inside(TARGET, sys.executable, "-c", (GUEST / "flood.py").read_text(), "connections", ADDRESSES[FAR])
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as flood:
        time.sleep(FLOOD_SECONDS)
        assert opens(PEER, FAR) and opens(OTHER, BEYOND) and opens(FAR, TARGET)
        assert int(flood.communicate("stop\n")[0].split()[-1]) > 10 * MOST
    await_open(TARGET, FAR)
    deadline = time.monotonic() + patient(20)
    while ports := counted(busy):
        assert time.monotonic() < deadline, f"{ports} are remembered without any connection"
