"""Changes of rules on live hosts and routers, without a lab: what becomes of tables, and that no datagram is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from checks.fabric import Intent
from checks.namespaces import add, batch, change_rules, inside, load_rules, remove, rules, run

from ansible_collections.weft.vpc.plugins.module_utils.deploy.rulesets import conversion
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

pytestmark = pytest.mark.packets

PREFIX = f"weft-changes-{os.getpid()}"
HOST, ASKER, ANSWERER = (f"{PREFIX}-{name}" for name in ("host", "asker", "answerer"))
INSTANCES = {ASKER: "vpc-ins1", ANSWERER: "vpc-port-test-1"}
MANY, LOADS = 200, 100

#: Until stdin ends.
ECHO = """
import select, socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.bind(("", 7))
print("ready", flush=True)
while sys.stdin not in select.select([link, sys.stdin], [], [])[0]:
    link.sendto(*link.recvfrom(9))
"""
#: Datagrams as fast as they come back, until stdin ends; says how many were sent, and how many never came back.
ASK = """
import select, socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.settimeout(1)
link.connect((sys.argv[1], 7))
sent = lost = 0
while not select.select([sys.stdin], [], [], 0)[0]:
    link.send(b"%d" % sent)
    sent += 1
    try:
        while int(link.recv(9)) != sent - 1:
            pass
    except TimeoutError:
        lost += 1
print(sent, lost)
"""


def plain(intent: Intent) -> None:
    """The walkthrough."""


def with_less(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    for kind in ("load_balancers", "port_forwards", "elastic_ips", "routes"):
        del vpc[kind]


def with_more(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    backend = {"backends": ["vpc-port-test-1"], "backend_port": 8080, "health_check": {"type": "icmp"}}
    listener = {"name": "dns", "protocol": "udp", "port": 53, **backend}
    vpc["load_balancers"].append({"name": "udp", "virtual_ip": "vip-lb", "listeners": [listener]})
    vpc["elastic_ips"][0]["firewall"] = [{"name": "web", "protocol": "tcp", "ports": 80}]
    vpc["network_acls"] = [{"name": "web", "rules": [{"number": 1, "direction": "ingress", "action": "deny"}]}]
    vpc["networks"][0]["acl"] = "web"
    for instance in intent["weft_instances"]:
        instance["nics"][0]["qos"] = {"egress": "100M", "ingress": "50M"}


def with_limits(most: int) -> Callable[[Intent], None]:
    def edit(intent: Intent) -> None:
        intent["weft_fabric"]["broadcasts"] = most
        intent["weft_router_offerings"][0]["connections"] = most

    return edit


SCOPES = {"hv1": "host", "gw1": "router:vpc-1.admin"}
EDITS = [plain, with_less, with_more]


def slices(edit: Callable[[Intent], None]) -> dict[str, dict[str, Any]]:
    variables, hosts = walkthrough()
    edit(variables)
    return slices_of(variables, hosts)


def listed(namespace: str) -> list[str]:
    """The live tables: chains with their rules in order, sets and what is in them; no handles and counts."""
    known = json.loads(run(*inside(namespace, "nft", "--json", "list", "ruleset")))["nftables"]
    chains: dict[tuple[str, str], list[Any]] = {}
    for one in known:
        if "rule" in one:
            chains.setdefault((one["rule"]["family"], one["rule"]["chain"]), []).append(one["rule"]["expr"])
    kinds = ("table", "chain", "set", "map", "counter")
    others = [one for one in known if any(kind in one for kind in kinds)]
    for one in others:
        for about in one.values():
            about["elem"] = sorted(map(json.dumps, about.get("elem", [])))
    lines = [json.dumps(one, sort_keys=True) for one in others] + [json.dumps([*one]) for one in chains.items()]
    return sorted(_without_numbers(line) for line in lines)


def _without_numbers(line: str) -> str:
    def bare(one: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in one.items() if key not in ("handle", "packets", "bytes")}

    return json.dumps(json.loads(line, object_hook=bare), sort_keys=True)


@pytest.fixture
def host() -> Iterator[str]:
    try:
        add(HOST, *INSTANCES)
        yield HOST
    finally:
        remove(HOST, *INSTANCES)


@pytest.mark.parametrize(("name", "scope"), SCOPES.items())
def test_changed_tables_are_what_new_ones_would_be(host: str, name: str, scope: str) -> None:
    versions = [rules(slices(edit)[name], scope) for edit in EDITS]
    for before in versions:
        for after in versions:
            load_rules(host, after)
            wanted = listed(host)
            load_rules(host, before)
            assert conversion(before, after) is not None
            change_rules(host, before, after)
            assert listed(host) == wanted
    assert len(wanted) > 20


@pytest.mark.parametrize(("name", "scope"), SCOPES.items())
def test_a_limit_that_live_elements_have_brings_new_tables(name: str, scope: str) -> None:
    before, after = (rules(slices(with_limits(most))[name], scope) for most in (500, 600))
    assert conversion(before, after) is None


def with_many(intent: Intent) -> None:
    """So many ports that whoever makes the tables anew is not done at once."""
    nic = {"network": "vpc-1-1"}
    more = [{"name": f"more-{number}", "tenant": "admin", "host": "hv1", "nics": [nic]} for number in range(MANY)]
    intent["weft_instances"] += more


def build(slice_: dict[str, Any]) -> dict[str, str]:
    """Two instances of one network on the host; their addresses."""
    ports = {
        space: next(one for one in slice_["ports"] if one["instance"] == name) for space, name in INSTANCES.items()
    }
    bridge = ports[ASKER]["bridge"]
    batch(HOST, [f"link add {bridge} type bridge", f"link set {bridge} up"])
    for namespace, port in ports.items():
        device = port["device"]
        batch(HOST, [
            f"link add {device} type veth peer eth0 netns {namespace}", f"link set {device} master {bridge} up"
        ])  # fmt: skip
        batch(namespace, [
            f"link set eth0 address {port['mac']}", f"address add {port['ip']}/24 dev eth0", "link set eth0 up"
        ])  # fmt: skip
    return {namespace: port["ip"] for namespace, port in ports.items()}


def test_a_change_of_structure_loses_no_datagram(host: str) -> None:
    slice_ = slices(with_many)["hv1"]
    address = build(slice_)[ANSWERER]
    more = rules(slice_)
    less = {path: text for path, text in more.items() if "09-broadcasts" not in path}
    load_rules(host, more)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(inside(ANSWERER, sys.executable, "-c", ECHO), **pipes) as echo:
        assert echo.stdout.readline() == "ready\n"
        with subprocess.Popen(inside(ASKER, sys.executable, "-c", ASK, address), **pipes) as asker:
            for _load in range(LOADS):
                change_rules(host, more, less)
                change_rules(host, less, more)
            sent, lost = map(int, asker.communicate("stop\n")[0].split())
    assert sent > 10 * LOADS
    assert lost == 0
