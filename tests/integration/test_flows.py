"""Who reaches whom by which address, and as whose it comes: every cell, by packets, and as the plan foretells it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from checks.cloud import LINE_PORT, SILENCE, WAN_ADDRESS, WAN_PORT, Cloud, Question, saw, tcp, udp, who
from checks.fabric import Fabric, Intent
from checks.instances import ROW
from checks.parallel import each

from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse import RouterAnalysis

pytestmark = pytest.mark.packets

#: With an EIP and without, in three subnets; each is caller and target.
WITH_EIP = {"vpc-ins1": "eip-a", "vpc-ins3": "eip-c"}
WITHOUT_EIP = ("vpc-port-test-1", "vpc-ins2")
TARGETS = (*WITH_EIP, *WITHOUT_EIP)
#: Public clients: the upstream, and an instance of another VPC, whose router translates it.
OUTSIDE = ("wan", "other-1")
FORWARD, LISTENER = 3000, 4000
REFUSED, SILENT = "!Connection refused", "nobody"

SOME = ["10.0.0.1/32", "192.168.22.0/24", "192.168.22.0/25"]
FORWARDS = [
    {"name": "range", "protocol": "tcp", "port": f"{ROW[0]}-{ROW[-1]}", "target": "vpc-ins2"},
    {"name": "shifted", "protocol": "udp", "port": "7000-7002", "target": "vpc-ins2", "target_port": "6000-6002"},
    {"name": "some-tcp", "protocol": "tcp", "port": 7100, "target": "vpc-ins2", "target_port": 8080},
    {"name": "some-udp", "protocol": "udp", "port": f"{ROW[0]}-{ROW[-1]}", "target": "vpc-ins2"},
]  # fmt: skip


def publish(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    vpc["elastic_ips"].append({"name": "eip-c", "network": "L3-public", "target": "vpc-ins3"})
    for number, target in enumerate(TARGETS):
        common = {"name": f"to-{target}", "protocol": "tcp"}
        forward = {**common, "port": FORWARD + number, "target": target, "target_port": LINE_PORT}
        vpc["port_forwards"].append({**forward, "virtual_ip": "vip-pf"})
        listener = {**common, "port": LISTENER + number, "backends": [target], "backend_port": LINE_PORT}
        datagrams = {**listener, "name": f"udp-to-{target}", "protocol": "udp", "health_check": {"type": "icmp"}}
        vpc["load_balancers"][1]["listeners"] += [listener, datagrams]
    some = {**datagrams, "name": "some", "port": LISTENER + len(TARGETS), "allowed_cidrs": SOME}
    vpc["load_balancers"][1]["listeners"].append(some)
    for wanted in FORWARDS:
        allowed = {"allowed_cidrs": SOME} if str(wanted["name"]).startswith("some") else {}
        vpc["port_forwards"].append({**wanted, **allowed, "virtual_ip": "vip-pf"})


@pytest.fixture(scope="module")
def cloud(applied: Fabric) -> Iterator[Cloud]:
    """The walkthrough with everything published that the cells ask for."""
    applied.change(publish)
    yield applied.apply()
    applied.restore()
    applied.apply()


@dataclass(frozen=True)
class Cell:
    """Who asks what, who should answer, and the address that it should see."""

    caller: str
    service: str
    question: Question
    answerer: str
    seen: str


def gateway(cloud: Cloud, instance: str) -> str:
    return cloud.gateway(cloud.network_of(instance)["name"])


def vip(cloud: Cloud) -> str:
    return cloud.public("vpc-1", "vip-pf", "virtual_ip")


def public_address(cloud: Cloud, caller: str) -> str:
    """As whom the world sees a caller."""
    if caller == "wan":
        return WAN_ADDRESS
    if caller == "other-1":
        return str(cloud.recorded("admin1/vpc-2:public_ip"))
    if caller in WITH_EIP:
        return cloud.public("vpc-1", WITH_EIP[caller], "elastic_ip")
    exits_by_vip = cloud.network_of(caller)["name"] == "vpc-1-3"
    return vip(cloud) if exits_by_vip else str(cloud.vpc("vpc-1")["router"]["public_ip"])


def shown(cloud: Cloud, caller: str, target: str, called: str) -> str:
    """Which address a target sees of who called a public one: the caller's own public one; else, in the target's own
    subnet, that which was called, and in another the caller's own."""
    if caller in OUTSIDE or caller in WITH_EIP:
        return public_address(cloud, caller)
    return called if gateway(cloud, caller) == gateway(cloud, target) else cloud.address(caller)


def cells(cloud: Cloud) -> Iterator[Cell]:
    """Everybody asks everybody, itself included, by EIP, forward and load balancer; inside also by private address."""
    for caller in (*TARGETS, *OUTSIDE):
        for number, target in enumerate(TARGETS):
            seen = shown(cloud, caller, target, vip(cloud))
            yield Cell(caller, "forward", tcp(vip(cloud), FORWARD + number), target, seen)
            yield Cell(caller, "listener", tcp(vip(cloud), LISTENER + number), target, gateway(cloud, target))
            yield Cell(caller, "listener of udp", udp(vip(cloud), LISTENER + number), target, seen)
            if target in WITH_EIP:
                elastic = cloud.public("vpc-1", WITH_EIP[target], "elastic_ip")
                seen = shown(cloud, caller, target, elastic)
                for ask in (tcp, udp):
                    yield Cell(caller, f"EIP {ask.__name__}", ask(elastic), target, seen)
            if caller not in OUTSIDE and caller != target:
                yield Cell(caller, "east-west", tcp(cloud.address(target)), target, cloud.address(caller))
        if caller != "wan":
            outwards = tcp(WAN_ADDRESS, WAN_PORT)
            yield Cell(caller, "outwards", outwards, "wan", public_address(cloud, caller))


def ask_all(cloud: Cloud, questions: dict[str, list[Question]]) -> dict[str, list[str | None]]:
    """Every caller's answers to all its questions."""
    return each(questions, lambda caller: cloud.ask(caller, questions[caller]))


def test_every_cell_of_the_matrix(cloud: Cloud) -> None:
    wanted: dict[str, list[Cell]] = {}
    for cell in cells(cloud):
        wanted.setdefault(cell.caller, []).append(cell)
    answers = ask_all(cloud, {caller: [cell.question for cell in found] for caller, found in wanted.items()})
    seen, expected = {}, {}
    for caller, found in wanted.items():
        for cell, answer in zip(found, answers[caller], strict=True):
            name = (caller, cell.service, cell.answerer)
            seen[name] = (who(answer), saw(answer))
            tenant = "" if cell.answerer == "wan" else f" {cloud.tenant_of(cell.answerer)}"
            expected[name] = (cell.answerer + tenant, cell.seen)
    assert seen == expected
    print(f"\n{len(seen)} cells of the matrix")


def test_port_forwards_take_their_ports_and_allowed_sources_alone(cloud: Cloud) -> None:
    address, middle = vip(cloud), ROW[1]
    tcp_open = [tcp(address, port) for port in ROW]
    udp_shifted = [udp(address, port) for port in (7000, 7001, 7002)]
    beside = [ask(address, port, seconds=SILENCE) for ask, port in (
        (tcp, ROW[0] - 1), (tcp, ROW[-1] + 1), (udp, 6999), (udp, 7003), (tcp, 7001), (udp, 7100),
    )]  # fmt: skip
    some = [tcp(address, 7100), *(udp(address, port) for port in ROW)]
    questions = [*tcp_open, *udp_shifted, *beside, *some]
    callers = ("wan", "vpc-ins3", "other-1", "vpc-ins1")
    answers = ask_all(cloud, dict.fromkeys(callers, questions))
    taken = ["vpc-ins2 admin"]
    for caller in callers:
        last = taken * 4 if caller in ("wan", "vpc-ins3") else [REFUSED] * 4
        assert list(map(who, answers[caller])) == taken * 6 + [SILENT] * 6 + last, caller
    elements = cloud.in_router("vpc-1", "cat /etc/weft/nftables.d/30-port_forward.elements")
    assert sum("port_forward_ranges" in line for line in elements.splitlines()) == 2, "one element per range"
    assert sum(f". udp . {port} :" in elements for port in (7000, 7001, 7002)) == 3, "and one per shifted port"
    reset = cloud.read("other-1", f"python3 -c '{PEEK}' {address} {middle}")
    assert reset.split() == ["tcp", "reset", "udp", "3", "3", address], "RST for TCP, port unreachable for UDP"


#: Prints how a refused TCP connection and a refused datagram were answered: ICMP would show in the error queue.
PEEK = """
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
IP_RECVERR, SO_EE = 11, 0
one = socket.socket()
one.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
error = one.connect_ex((address, 7100))
try:
    one.recvmsg(100, 1000, socket.MSG_ERRQUEUE)
    print("tcp icmp", error)
except BlockingIOError:
    print("tcp reset")
two = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
two.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
two.connect((address, port))
two.send(b"x")
time.sleep(0.3)
_data, extra, _flags, _peer = two.recvmsg(100, 1000, socket.MSG_ERRQUEUE)
(_level, _kind, value), = extra
print("udp", value[5], value[6], socket.inet_ntoa(value[20:24]))
""".replace("'", '"')


def analysis(cloud: Cloud) -> RouterAnalysis:
    """The router of vpc-1 as it was applied."""
    routers = json.loads((cloud.state / ".weft" / "applied" / "gw1.json").read_text())["routers"]
    return RouterAnalysis(next(one for one in routers if one["vpc"] == "vpc-1"))


def probes(cloud: Cloud) -> Iterator[tuple[str, Question]]:
    """What every caller tries: what is open, what is open for some, and what is not."""
    own = str(cloud.vpc("vpc-1")["router"]["public_ip"])
    elastic, lan = cloud.public("vpc-1", "eip-a", "elastic_ip"), cloud.gateway("vpc-1-1")
    for caller in (*TARGETS, *OUTSIDE):
        for ask, address, port in (
            (tcp, vip(cloud), FORWARD), (tcp, vip(cloud), LISTENER), (tcp, vip(cloud), 7100), (udp, vip(cloud), ROW[0]),
            (udp, vip(cloud), LISTENER), (udp, vip(cloud), LISTENER + len(TARGETS)),
            (udp, vip(cloud), 7001), (tcp, vip(cloud), 9), (udp, own, 9), (tcp, own, LINE_PORT), (tcp, elastic, 23),
            (udp, elastic, LINE_PORT), (tcp, "203.0.113.1", LINE_PORT), (tcp, lan, 22),
        ):  # fmt: skip
            if (caller == "wan" and address == "203.0.113.1") or (caller in OUTSIDE and address == lan):
                continue
            yield caller, ask(address, port, seconds=SILENCE)


def foretold(cloud: Cloud, router: RouterAnalysis, caller: str, question: Question) -> tuple[str, str]:
    """Who answers as whom, of what the plan says."""
    protocol, address, port, _line, _seconds = question
    inside = caller not in OUTSIDE
    source = cloud.address(caller) if inside else public_address(cloud, caller)
    answer = router.explain(Flow(protocol, source, address, 40000, port))
    verdict = answer.verdict
    if verdict.action != "accept":
        words = {"reject": REFUSED, "drop": SILENT}[verdict.action]
        return words, words
    owners = {cloud.address(name): f"{name} admin" for name in cloud.of_tenant("admin")}
    if verdict.local:
        (listener,) = (one for one in router.router["listeners"] if one["key"] == answer.rules[-1].key)
        (backend,) = listener["default"]["backends"]
        return owners[backend["address"]], gateway(cloud, backend["name"])
    return owners[verdict.translated.target or address], verdict.translated.source or source


def test_the_plan_foretells_what_packets_do(cloud: Cloud) -> None:
    router = analysis(cloud)
    questions: dict[str, list[Question]] = {}
    for caller, question in probes(cloud):
        if caller == "other-1" and question[1] == "203.0.113.1":
            continue
        questions.setdefault(caller, []).append(question)
    answers = ask_all(cloud, questions)
    compared = [
        (caller, question[:3], foretold(cloud, router, caller, question), (who(answer), saw(answer)))
        for caller, asked in questions.items()
        for question, answer in zip(asked, answers[caller], strict=True)
    ]
    assert [one for one in compared if one[2] != one[3]] == []
    print(f"\n{len(compared)} verdicts agree with packets")
    assert len(compared) > 50 and {one[2][0] for one in compared} > {REFUSED, SILENT}
