"""Security groups: who reaches a port and whom it reaches, on its own host and from others (rows F1, F2, F7, F8), what
load balancers may without being asked (B1), and which live connections a change ends."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from checks.cloud import GUEST, SILENCE, WAN_ADDRESS, WAN_PORT, Cloud, Question, push, saw, tcp, udp, who
from checks.fabric import Fabric, Intent
from checks.parallel import each
from checks.streams import Background, Flows

from ansible_collections.weft.vpc.plugins.module_utils.deploy import flowtable, netlink
from ansible_collections.weft.vpc.plugins.module_utils.flows import ACCEPT, Flow
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse import GroupAnalysis
from lab import machine
from lab.shell import patient

pytestmark = [pytest.mark.packets, pytest.mark.kernel("nft_bridge_ct")]

TARGET, PEER = "vpc-port-test-1", "vpc-ins1"  # on hv1
FAR, QUIET = "vpc-port-test-2", "vpc-port-test-3"  # on hv2, in the same network
BEHIND = "vpc-ins2"  # on hv2, in another network
OTHER, TWIN = "other-1", "twin"  # another tenant's, on hv1, with the addresses of PEER and TARGET
HOLDERS = {"hv1", "hv2"}
LATER, MORE = 6, 0x2000  # of a fragment: 8-byte blocks before it, and the flag that others follow
UDP, ICMP = 17, 1
PATIENCE = patient(1.5)  # how long a flow waits for an answer until it is broken


def rule(direction: str, **about: object) -> Intent:
    return {"direction": direction, **about}


def with_groups(intent: Intent) -> None:
    intent["weft_address_groups"] = [{"name": "monitors", "tenant": "admin", "cidrs": ["192.168.20.182"]}]
    web = [
        rule("ingress", protocol="tcp", ports=8080, cidrs=["192.168.21.0/24"]),
        rule("ingress", protocol="icmp", icmp_type=8, address_group="monitors"),
        rule("ingress", protocol="tcp", ports=23, security_group="clients"),
        rule("ingress", protocol="udp", ports="6000-6001"),
    ]
    quiet = [rule("egress", protocol="tcp", ports=8080, cidrs=["192.168.21.0/24"])]
    intent["weft_security_groups"] = [
        {"name": "web", "tenant": "admin", "description": "What serves", "rules": web},
        {"name": "clients", "tenant": "admin"},
        {"name": "quiet", "tenant": "admin", "rules": quiet},
        {"name": "closed", "tenant": "admin1"},
    ]
    members = {TARGET: "web", PEER: "clients", FAR: "clients", QUIET: "quiet"}
    for instance in intent["weft_instances"]:
        if instance["name"] in members:
            instance["nics"][0]["security_groups"] = [members[instance["name"]]]
        if instance["name"] == PEER:
            # What it sends is limited, so that its port is on a bridge of its own.
            instance["nics"][0]["qos"] = {"egress": "100M"}
    twin = {"network": "vpc-2-1", "ip": "192.168.20.154", "security_groups": ["closed"]}
    intent["weft_instances"].append({"name": TWIN, "tenant": "admin1", "host": "hv1", "nics": [twin]})


def with_less(intent: Intent) -> None:
    """Two rules fewer, one narrower, and one member fewer, which is on another host than those who admit it."""
    with_groups(intent)
    web = intent["weft_security_groups"][0]["rules"]
    web[3]["ports"] = 6000
    del web[0]
    for instance in intent["weft_instances"]:
        if instance["name"] == FAR:
            del instance["nics"][0]["security_groups"]


#: Who asks whom for what: those who answer, and those who must not.
OPEN, SHUT = True, False
Asked = dict[str, list[tuple[Question, str, bool]]]


def matrix(cloud: Cloud) -> Asked:
    target, peer, far, behind = (cloud.address(name) for name in (TARGET, PEER, FAR, BEHIND))
    listener, forward = cloud.public("vpc-1", "vip-lb", "virtual_ip"), cloud.public("vpc-1", "vip-pf", "virtual_ip")

    def no(ask: object, *where: object) -> tuple[Question, str, bool]:
        return (ask(*where, seconds=SILENCE), "", SHUT)  # type: ignore[operator]

    return {
        PEER: [
            (tcp(target, 23), TARGET, OPEN),
            (udp(target, 6001), TARGET, OPEN),
            no(tcp, target), no(udp, target, 6002), no(udp, target, 23), no(tcp, far, 23),
        ],
        FAR: [
            (tcp(target, 23), TARGET, OPEN),
            (udp(target, 6000), TARGET, OPEN),
            no(tcp, target), no(udp, target, 6002), no(tcp, peer, 23), no(udp, peer),
        ],
        QUIET: [
            (tcp(behind), BEHIND, OPEN),
            no(tcp, behind, 23), no(udp, behind), no(udp, target, 6000), no(tcp, WAN_ADDRESS, WAN_PORT),
        ],
        BEHIND: [
            (tcp(target), TARGET, OPEN),
            (udp(target, 6000), TARGET, OPEN),
            no(tcp, target, 23), no(tcp, far, 23), no(tcp, peer),
        ],
        TARGET: [
            (tcp(behind, 23), BEHIND, OPEN),
            (tcp(WAN_ADDRESS, WAN_PORT), "wan", OPEN),
            no(tcp, far), no(tcp, peer, 23),
        ],
        OTHER: [no(tcp, cloud.address(TWIN), 23), no(udp, cloud.address(TWIN), 6000)],
        # Groups see the forward's target and the caller's address, and let a load balancer reach its backends.
        "wan": [*((tcp(listener, line=str(number)), name, OPEN) for number, name in enumerate((TARGET, FAR, QUIET))),
                no(tcp, forward, 2222)],
    }  # fmt: skip


def check(cloud: Cloud) -> None:
    asked = matrix(cloud)
    answers = each(asked, lambda caller: cloud.ask(caller, [question for question, *_rest in asked[caller]]))
    seen, wanted = {}, {}
    for caller, cells in asked.items():
        for (question, answerer, is_open), answer in zip(cells, answers[caller], strict=True):
            seen[caller, question[:3]] = who(answer).partition(" ")[0] if caller != "wan" else bool(answer)
            wanted[caller, question[:3]] = (answerer if is_open else "nobody") if caller != "wan" else is_open
    assert seen == wanted
    served = {who(answer).partition(" ")[0] for answer in answers["wan"] if answer}
    assert served == {TARGET, FAR, QUIET}, "every backend of the load balancer"
    foretold = {
        (caller, question[:3]): told(cloud, caller, question)
        for caller in (PEER, FAR)
        for question, *_rest in asked[caller]
    }
    assert foretold == {cell: wanted[cell] != "nobody" for cell in foretold}, "what the plan foretells"
    print(f"\n{len(seen)} questions, answered as the groups say")


def told(cloud: Cloud, caller: str, question: Question) -> bool:
    """Whether the hosts of both ends let a question pass, as the plan says."""
    protocol, address, port, *_rest = question
    flow = Flow(protocol, cloud.address(caller), address, 40000, port)
    slices = [json.loads((cloud.state / ".weft" / "applied" / f"{host}.json").read_text()) for host in sorted(HOLDERS)]
    return all(GroupAnalysis(one).explain("wbr222", flow).verdict.action == ACCEPT for one in slices)


def packet(source: str, target: str, protocol: int, payload: bytes, fragment: int = 0, number: int = 1) -> str:
    """An IPv4 packet in hexadecimal; the kernel that sends it fills in the checksum."""
    ends = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), number, fragment, 64, protocol, 0)
    return (header + ends + payload).hex()


def pieces(source: str, target: str, port: int, token: str, number: int) -> list[str]:
    """A datagram in two fragments; the token is in the later one."""
    datagram = struct.pack("!HHHH", 5000, port, 96, 0) + token.encode().rjust(88, b".")
    first, rest = datagram[: LATER * 8], datagram[LATER * 8 :]
    return [
        packet(source, target, UDP, first, MORE, number),
        packet(source, target, UDP, rest, LATER, number),
    ]


def icmp(kind: int, token: str) -> bytes:
    body = struct.pack("!BBHHH", kind, 0, 0, 7, 1) + token.encode().rjust(48, b".")
    total = sum(struct.unpack(f"!{len(body) // 2}H", body))
    total = (total & 0xFFFF) + (total >> 16)
    return body[:2] + struct.pack("!H", ~(total + (total >> 16)) & 0xFFFF) + body[4:]


SEND = (
    "import socket, sys; out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW); "
    "[out.sendto(bytes.fromhex(one), (sys.argv[1], 0)) for one in sys.argv[2:]]"
)


def crafted(cloud: Cloud, sender: str) -> dict[str, tuple[bool, list[str]]]:
    """By name: whether what a sender makes by hand may reach the target, and the packets."""
    own, target = cloud.address(sender), cloud.address(TARGET)
    flags = struct.pack("!HHIIBBHHH", 5000, 8080, 1, 1, 5 << 4, 0x10, 1024, 0, 0)
    return {
        "echo": (sender == FAR, [packet(own, target, ICMP, icmp(8, "[echo]"))]),
        "timestamp": (False, [packet(own, target, ICMP, icmp(13, "[timestamp]"))]),
        "unreachable": (False, [packet(own, target, ICMP, icmp(3, "[unreachable]"))]),
        "fragments": (True, pieces(own, target, 6000, "[fragments]", 11)),
        "fragments-refused": (False, pieces(own, target, 6002, "[fragments-refused]", 12)),
        "later-alone": (False, pieces(own, target, 6000, "[later-alone]", 13)[1:]),
        "mid-stream": (False, [packet(own, target, 6, flags + b"[mid-stream]")]),
        "other-protocol": (False, [packet(own, target, 47, b"[other-protocol]".rjust(40, b"."))]),
    }  # fmt: skip


def check_crafted(cloud: Cloud) -> None:
    tried = {sender: crafted(cloud, sender) for sender in (FAR, PEER)}
    tokens = [f"[{name}]" for name in tried[FAR]]
    hear = ["python3", "-c", (GUEST / "frames.py").read_text(), "hear", *tokens]
    for sender, packets in tried.items():
        with Background(cloud, TARGET, hear) as ear:
            flat = [one for _passes, each_ in packets.values() for one in each_]
            done = cloud.on(sender, ["python3", "-c", SEND, cloud.address(TARGET), *flat])
            assert done.returncode == 0, done.stderr
            # What has passed arrives within milliseconds, what is sent last has followed all others by then.
            time.sleep(patient(0.5))
        assert set(json.loads(ear.report)) == {f"[{name}]" for name, (passes, _one) in packets.items() if passes}


ASK_FROM_PORT = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("", 5555))
link.settimeout(float(sys.argv[3]))
link.sendto(b"hello\\n", (sys.argv[1], int(sys.argv[2])))
try:
    print(link.recv(200).decode())
except TimeoutError:
    print("nobody")
"""


def from_port(cloud: Cloud, caller: str, target: str, seconds: float) -> str:
    """Who answers a datagram that a caller sends from port 5555."""
    done = cloud.on(caller, ["python3", "-c", ASK_FROM_PORT, cloud.address(target), "6000", str(seconds)])
    return who(done.stdout.strip())


def check_tenants_apart(cloud: Cloud) -> None:
    """A connection of one tenant's admits nothing of another's with the same addresses and ports, on the same host."""
    assert cloud.address(OTHER) == cloud.address(PEER) and cloud.address(TWIN) == cloud.address(TARGET)
    assert from_port(cloud, PEER, TARGET, patient(4.0)) == f"{TARGET} admin"
    assert from_port(cloud, OTHER, TWIN, SILENCE) == "nobody"


def check_names(cloud: Cloud) -> None:
    """DHCP and DNS stay open to who may send next to nothing."""
    assert cloud.guests[QUIET].leases()["eth0"]
    found = cloud.read(QUIET, f"dig +short +time=5 vpc-ins2.cloud.internal @{cloud.gateway('vpc-1-1')}").split()
    assert found == [cloud.address(BEHIND)]


def tracked_zones(cloud: Cloud, host: str) -> set[int]:
    with netlink.open_netfilter(machine.leader(cloud.lab.paths, host)) as link:
        return {entry.zone for entry in flowtable.entries(link)}


def broken(flows: Flows) -> dict[str, bool]:
    return {name: report["broken"] is not None for name, report in flows.tell().items()}


@pytest.fixture
def fabric(applied: Fabric) -> Iterator[Fabric]:
    """The walkthrough's fabric; what the groups made of it is gone in the end."""
    yield applied
    applied.restore()
    cloud = applied.apply("-e", "weft_max_removal_percent=100")
    for host in HOLDERS:
        left = cloud.read(host, "nft list table bridge weft; ls /etc/weft /etc/weft/nftables.d /etc/sysctl.d")
        assert "group" not in left and "connections" not in left
        assert tracked_zones(cloud, host) <= {0}
    assert who(cloud.ask(BEHIND, [tcp(cloud.address(PEER), 23)])[0]) == f"{PEER} admin"


def test_security_groups(fabric: Fabric) -> None:
    cloud = fabric.cloud
    target = cloud.address(TARGET)
    outside = Flows(cloud, TARGET, {"out": tcp(WAN_ADDRESS, WAN_PORT)}, PATIENCE)
    inwards = Flows(cloud, BEHIND, {"admitted": tcp(target)}, PATIENCE)
    with outside, inwards:
        # The first load finds connections that nobody tracked: they go on if the groups admit them.
        fabric.change(with_groups)
        cloud = fabric.apply()
        time.sleep(1.2 * PATIENCE)
        assert (broken(outside), broken(inwards)) == ({"out": False}, {"admitted": False})
    check(cloud)
    check_crafted(cloud)
    check_tenants_apart(cloud)
    check_names(cloud)
    assert fabric.run().changed == 0
    with Flows(cloud, FAR, {"member": tcp(target, 23)}, PATIENCE) as member:
        for host in HOLDERS:
            cloud.read(host, "systemctl restart weft-nftables")
        time.sleep(1.2 * PATIENCE)
        assert broken(member) == {"member": False}, "the rules were only loaded anew"
    _a_change_ends_what_only_it_admitted(fabric)

    # From the host's start on, before any run.
    cloud.lab.reboot("hv1")
    fabric.await_leases()
    check(cloud)


ENDED = {"narrowed", "left", "removed", "pushed"}


def _streams(cloud: Cloud) -> Iterator[Flows]:
    """Every kind of connection, from both hosts and through the router; of `push` the target sends by itself."""
    target = cloud.address(TARGET)
    yield Flows(cloud, PEER, {"member": tcp(target, 23), "narrowed": udp(target, 6001)}, PATIENCE)
    yield Flows(cloud, FAR, {"left": tcp(target, 23), "kept": udp(target, 6000)}, PATIENCE)
    yield Flows(cloud, BEHIND, {"removed": tcp(target), "pushed": push(target)}, PATIENCE)
    yield Flows(cloud, TARGET, {"opened": tcp(cloud.address(BEHIND))}, PATIENCE)


def _a_change_ends_what_only_it_admitted(fabric: Fabric) -> None:
    cloud = fabric.cloud
    with ExitStack() as stack:
        streams = [stack.enter_context(one) for one in _streams(cloud)]
        fabric.restore()
        fabric.change(with_less)
        done = fabric.run("-v").did()
        # Who is pushed to may have much to read still.
        deadline, ended = time.monotonic() + patient(10.0), set[str]()
        while not ended >= ENDED and time.monotonic() < deadline:
            time.sleep(PATIENCE / 2)
            ended = {name for one in streams for name, gone in broken(one).items() if gone}
    assert ended == ENDED
    files = {path.rpartition("/")[2] for path in done["hv1"]["files"]}
    assert files == {"20-security_group.elements", "groups.json"}, "no rules were loaded anew"
    questions = [tcp(cloud.address(TARGET), port, seconds=SILENCE) for port in (8080, 23)]
    assert [who(one) for one in cloud.ask(BEHIND, questions)] == ["nobody"] * 2
    assert who(cloud.ask(FAR, questions[1:])[0]) == "nobody"

    fabric.restore()
    fabric.change(with_groups)
    fabric.run()
    assert saw(cloud.ask(BEHIND, [tcp(cloud.address(TARGET))])[0]) == cloud.address(BEHIND)
    assert saw(cloud.ask(FAR, [tcp(cloud.address(TARGET), 23)])[0]) == cloud.address(FAR)
