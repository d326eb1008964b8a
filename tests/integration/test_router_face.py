"""What a router itself answers: scanned with nmap from its subnets, from another tenant and from outside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import pytest
from checks.cloud import GUEST, LINE_PORT, Cloud, udp, who
from checks.fabric import Fabric, Intent

pytestmark = pytest.mark.packets

# What is silent keeps a scanner waiting: these do not wait long.
TCP = "nmap -n -Pn -sS -p- --min-rate 10000 --max-retries 1 -oG -"
UDP = "nmap -n -Pn -sU --top-ports 60 --min-rate 100 --max-retries 1 -oG -"
PROTOCOLS = "nmap -n -Pn -sO --min-rate 100 --max-retries 1 -oG -"
_PORT = re.compile(r"(\d+)/(open|closed|unfiltered)/(tcp|udp|)")
OWN = "10.172.11.91"
MANAGEMENT = {
    "name": "operators", "interface": "eth3", "clusters": ["router_nodes"], "cidr": "198.51.100.0/24",
    "ip_ranges": [{"start": "198.51.100.20", "end": "198.51.100.40"}], "services": ["management"],
}  # fmt: skip


def managed(intent: Intent) -> None:
    """A management link, and a NIC that may send whatever it likes."""
    intent["weft_provider_networks"].append(MANAGEMENT)
    intent["weft_router_offerings"][0]["management_network"] = "operators"
    (guest,) = (one for one in intent["weft_instances"] if one["name"] == "vpc-ins3")
    guest["nics"][0]["port_security"] = False


def scan(cloud: Cloud, scanner: str, how: str, targets: Iterable[str]) -> dict[str, set[str]]:
    """Which ports of each target answered in any way, even by saying that nobody is there."""
    told = cloud.on(scanner, ["sh", "-c", f"{how} {' '.join(targets)}"], seconds=300)
    assert told.returncode == 0, told.stderr
    found = {}
    for line in told.stdout.splitlines():
        if match := re.match(r"Host: (\S+) .*(?:Ports|Protocols): ([^\t]*)", line):
            found[match[1]] = {"/".join(filter(None, port)) for port in _PORT.findall(match[2])}
    return {target: found.get(target, set()) for target in targets}


def pretend(cloud: Cloud, sender: str, source: str, target: str, port: int, line: str) -> None:
    script = (GUEST / "impostor.py").read_text()
    done = cloud.on(sender, ["python3", "-c", script, source, target, str(port), line])
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def cloud(applied: Fabric) -> Iterator[Cloud]:
    applied.change(managed)
    yield applied.apply()
    applied.restore()
    applied.apply("-e", "weft_max_removal_percent=100")


@pytest.mark.parametrize("outsider", ["wan", "other-1"])
def test_outsiders_find_what_is_published_and_nothing_else(cloud: Cloud, outsider: str) -> None:
    shared, balancer = (cloud.public("vpc-1", name, "virtual_ip") for name in ("vip-pf", "vip-lb"))
    ports = {f"{port}/open/tcp" for port in (2222, 2223, 2224, 8081)}
    published = {OWN: set(), balancer: {"8080/open/tcp"}, shared: ports}
    assert scan(cloud, outsider, TCP, published) == published
    assert scan(cloud, outsider, UDP, published) == {address: set() for address in published}
    assert scan(cloud, outsider, PROTOCOLS, [OWN]) == {OWN: set()}
    assert [cloud.ping(outsider, address) for address in published] == [None] * 3


def test_subnets_have_dns_dhcp_and_ping(cloud: Cloud) -> None:
    gateway, other = cloud.gateway("vpc-1-1"), cloud.gateway("vpc-1-2")
    operators = str(cloud.recorded("admin/vpc-1:management_ip"))
    found = {gateway: {"53/open/tcp"}, operators: set(), OWN: set()}
    assert scan(cloud, "vpc-ins1", TCP, found) == found
    assert scan(cloud, "vpc-ins1", UDP, [gateway, OWN]) == {gateway: {"53/open/udp", "67/open/udp"}, OWN: set()}
    pinged = {address: cloud.ping("vpc-ins1", address) is not None for address in (gateway, other, OWN, operators)}
    assert pinged == {gateway: True, other: True, OWN: True, operators: False}


def test_operators_have_the_statistics(cloud: Cloud) -> None:
    operators = str(cloud.recorded("admin/vpc-1:management_ip"))
    assert scan(cloud, "wan", TCP, [operators]) == {operators: {"8404/open/tcp"}}
    assert scan(cloud, "wan", UDP, [operators]) == {operators: set()}
    assert cloud.ping("wan", operators) is None


def test_nobody_is_taken_for_somebody_else(cloud: Cloud) -> None:
    """An address of a subnet comes from that subnet, or it is nobody's."""
    elastic, neighbour = cloud.public("vpc-1", "eip-a", "elastic_ip"), cloud.address("vpc-ins2")
    own, target = cloud.address("vpc-ins3"), cloud.address("vpc-ins1")
    pretend(cloud, "wan", neighbour, elastic, LINE_PORT, "from outside as inside")
    pretend(cloud, "wan", "203.0.114.9", elastic, LINE_PORT, "from outside as outside")
    pretend(cloud, "vpc-ins3", neighbour, target, LINE_PORT, "from inside as neighbour")
    pretend(cloud, "vpc-ins3", own, target, LINE_PORT, "from inside as itself")
    assert who(cloud.ask("vpc-ins3", [udp(target, line="the last one")])[0]) == "vpc-ins1 admin"
    asked = ("outside as inside", "outside as outside", "inside as neighbour", "inside as itself", "the last one")
    heard = {line for line in asked if cloud.heard(line, ["vpc-ins1"])}
    assert heard == {"outside as outside", "inside as itself", "the last one"}


def test_nobody_is_served_in_the_name_of_a_stranger(cloud: Cloud) -> None:
    """Else the router's DNS answered to whom a guest names. What it does not take leaves no tracked connection."""
    own, stranger, gateway = cloud.address("vpc-ins3"), "203.0.113.77", cloud.gateway("vpc-1-3")
    for source in (own, stranger):
        pretend(cloud, "vpc-ins3", source, gateway, 53, "a question")
    tracked = cloud.in_router("vpc-1", f"conntrack -L -p udp --orig-dst {gateway} --dport 53 2>/dev/null")
    assert f"src={own} " in tracked and f"src={stranger} " not in tracked
