"""Steps 6 to 9 and 12: between instances and the public network."""

from __future__ import annotations

import csv
import shutil
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import yaml

from checks.cloud import SILENCE, WAN_ADDRESS, WAN_PORT, Cloud, saw, tcp, who
from checks.failure import CheckFailedError, expect
from checks.play import play
from lab.shell import patient

FIRST = "vpc-1"
STATISTICS = '$s = IO::Socket::UNIX->new("/run/haproxy/admin.sock"); print $s "show stat\\n"; print <$s>'


def source_nat(cloud: Cloud) -> str:
    """6: without an EIP, an instance shows the router's public address."""
    answer = cloud.ask("vpc-ins2", [tcp(WAN_ADDRESS, WAN_PORT)])[0]
    expected = str(cloud.vpc(FIRST)["router"]["public_ip"])
    expect("address of vpc-ins2 as the server saw it", saw(answer), expected)
    return f"server saw {expected}"


def port_forwards(cloud: Cloud) -> str:
    """7: a line to each forwarded port reaches exactly the right instance."""
    forwards = cloud.vpc(FIRST)["port_forwards"]
    tokens = {one["name"]: f"line-{uuid.uuid4().hex[:8]}" for one in forwards}
    questions = [
        tcp(cloud.public(FIRST, one["virtual_ip"], "virtual_ip"), one["port"], tokens[one["name"]]) for one in forwards
    ]
    closed = tcp(questions[0][1], max(one["port"] for one in forwards) + 1, seconds=SILENCE)
    *answers, none = cloud.ask("wan", [*questions, closed])
    expect(
        "who answered at each port",
        dict(zip([one["port"] for one in forwards], map(who, answers), strict=True)),
        {one["port"]: f"{one['target']} {cloud.tenant_of(one['target'])}" for one in forwards},
    )
    expect(
        "who received each line",
        {one["port"]: cloud.heard(tokens[one["name"]], cloud.wanted_instances) for one in forwards},
        {one["port"]: [one["target"]] for one in forwards},
    )
    if none is not None and not none.startswith("!"):
        raise CheckFailedError(f"port {closed[2]}, which is not forwarded, answered: {none}")
    return ", ".join(f"{one['port']} → {one['target']}" for one in forwards) + f"; {closed[2]} is closed"


def load_balancer(cloud: Cloud) -> str:
    """8: as many connections as backends, one at each."""
    return _round_robin(cloud, "web", "vip-lb")


def _round_robin(cloud: Cloud, balancer: str, virtual_ip: str) -> str:
    wanted = next(one for one in cloud.vpc(FIRST)["load_balancers"] if one["name"] == balancer)
    (listener,) = wanted["listeners"]
    address = cloud.public(FIRST, virtual_ip, "virtual_ip")
    _await_backends(cloud, address, listener, f"{balancer}.{listener['name']}")
    answers = [cloud.ask("wan", [tcp(address, listener["port"])])[0] for _backend in listener["backends"]]
    expect(
        f"who answered {len(answers)} connections to {address}:{listener['port']}",
        sorted(map(who, answers)),
        sorted(f"{name} {cloud.tenant_of(name)}" for name in listener["backends"]),
    )
    order = ", ".join(who(answer).split()[0] for answer in answers)
    return f"{len(answers)} connections to {address}:{listener['port']} reached {order}"


def _await_backends(cloud: Cloud, address: str, listener: dict[str, Any], proxy: str) -> None:
    """Wait until each backend has passed a check, for the first one alone may still take it out, and has answered."""
    health = {"interval": 5, "timeout": 2, "rise": 2} | listener.get("health_check", {})
    deadline = time.monotonic() + patient((health["interval"] + health["timeout"]) * (health["rise"] + 1))
    wanted = set(listener["backends"])
    while missing := wanted - _well(cloud, proxy):
        _give_up(deadline, f"the checks of {proxy} do not pass for {', '.join(sorted(missing))}")
        time.sleep(0.2)
    missing = wanted
    while missing := missing - {who(cloud.ask("wan", [tcp(address, listener["port"])])[0]).split()[0]}:
        _give_up(deadline, f"{address}:{listener['port']} never used {', '.join(sorted(missing))}")


def _well(cloud: Cloud, proxy: str) -> set[str]:
    """The backends that have passed a check since the balancer was started, by its statistics."""
    try:
        page = cloud.in_router(FIRST, f"perl -MIO::Socket::UNIX -e '{STATISTICS}'")
    except CheckFailedError:
        return set()  # it has not started yet
    rows = csv.DictReader(page.removeprefix("# ").splitlines())
    return {
        row["svname"]
        for row in rows
        if row["pxname"] == proxy and row["status"] == "UP" and row["check_status"].endswith("OK")
    }


def _give_up(deadline: float, reason: str) -> None:
    if time.monotonic() > deadline:
        raise CheckFailedError(reason)


def shared_address(cloud: Cloud) -> str:
    """9: a second listener and the SNAT of a subnet on the address that carries the forwards; a clash is refused."""
    address = cloud.public(FIRST, "vip-pf", "virtual_ip")
    balanced = _round_robin(cloud, "web-on-shared-vip", "vip-pf")
    answer = cloud.ask("vpc-ins3", [tcp(WAN_ADDRESS, WAN_PORT)])[0]
    expect("address of vpc-ins3 as the server saw it", saw(answer), address)
    forward = cloud.vpc(FIRST)["port_forwards"][0]
    answered = who(cloud.ask("wan", [tcp(address, forward["port"])])[0])
    expect(f"who answered at {address}:{forward['port']}", answered, f"{forward['target']} admin")
    refused = _clash(cloud)
    return f"{balanced}; server saw {address}; {forward['port']} is still forwarded; refused: {refused}"


def _clash(cloud: Cloud) -> str:
    """Ask for a forward of a port that a listener has, in a copy of the inventory; returns how it was refused."""
    with tempfile.TemporaryDirectory(prefix="clash-", dir=cloud.state) as directory:
        state = Path(directory)
        copy = state / "inventory"
        shutil.copytree(cloud.inventory, copy)
        shutil.copy(cloud.state / "weft-ledger.json", state)
        before = (state / "weft-ledger.json").read_bytes()
        if (done := play(cloud.lab, "plan", copy, state)).returncode:
            raise CheckFailedError(f"the unchanged inventory was refused, too: {done.stdout[-300:]}")
        forward = {"name": "clash", "virtual_ip": "vip-pf", "protocol": "tcp", "port": 8081, "target": "vpc-ins1"}
        _add_forward(copy, forward)
        done = play(cloud.lab, "plan", copy, state)
        where = f"port_forwards[{len(cloud.vpc(FIRST)['port_forwards'])}]"
        found = [line.strip() for line in done.stdout.splitlines() if where in line and "8081" in line]
        if done.returncode == 0 or not found:
            raise CheckFailedError(f"a second use of vip-pf:8081 was not refused: {done.stdout[-300:]}")
        if (state / "weft-ledger.json").read_bytes() != before:
            raise CheckFailedError("a refused plan has changed the ledger")
    return "a second use of tcp/8081"


def _add_forward(inventory: Path, forward: dict[str, object]) -> None:
    path = inventory / "group_vars" / "all" / "fabric.yml"
    intent = yaml.safe_load(path.read_text())
    next(one for one in intent["weft_vpcs"] if one["name"] == FIRST)["port_forwards"].append(forward)
    path.write_text(yaml.safe_dump(intent))


def elastic_ips(cloud: Cloud) -> str:
    """12: the instance answers on all its EIPs, and goes out with the one marked outbound."""
    wanted = cloud.vpc(FIRST)["elastic_ips"]
    addresses = {one["name"]: cloud.public(FIRST, one["name"], "elastic_ip") for one in wanted}
    answers = cloud.ask("wan", [tcp(address) for address in addresses.values()])
    expect(
        "who answered at each EIP",
        dict(zip(addresses.values(), map(who, answers), strict=True)),
        {addresses[one["name"]]: f"{one['target']} {cloud.tenant_of(one['target'])}" for one in wanted},
    )
    silent = [address for address in addresses.values() if cloud.ping("wan", address) is None]
    expect("EIPs that do not answer a ping", silent, [])
    (outbound,) = (one for one in wanted if one.get("outbound"))
    answer = cloud.ask(outbound["target"], [tcp(WAN_ADDRESS, WAN_PORT)])[0]
    expect(f"address of {outbound['target']} as the server saw it", saw(answer), addresses[outbound["name"]])
    return f"{outbound['target']} answered at {', '.join(addresses.values())}; server saw {addresses[outbound['name']]}"
