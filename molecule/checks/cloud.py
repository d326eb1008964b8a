"""The cloud under test: what its inventory asks for, what the ledger gave, and the machines of the lab.

What checks expect comes from the intent and from what is recorded for users to read, never from the planner's code.
"""

from __future__ import annotations

import ipaddress
import json
import shlex
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from checks.failure import CheckFailedError
from lab.api import Completed, Instance, Lab
from lab.shell import patient

GUEST = Path(__file__).resolve().parent / "guest"
#: How long a probe waits for an answer that should come, and for one that should not.
ANSWER, SILENCE = patient(4.0), patient(1.0)
#: Where the line server of the outside world listens.
WAN_ADDRESS, WAN_PORT = "10.0.0.1", 8080
LINE_PORT = 8080

Question = tuple[str, str, int, str, float]


def tcp(address: str, port: int = LINE_PORT, line: str = "hello", seconds: float = ANSWER) -> Question:
    return ("tcp", address, port, line, seconds)


def udp(address: str, port: int = LINE_PORT, line: str = "hello", seconds: float = ANSWER) -> Question:
    return ("udp", address, port, line, seconds)


def push(address: str, port: int = LINE_PORT) -> Question:
    """For a flow whose answerer sends by itself."""
    return ("push", address, port, "push", ANSWER)


class Cloud:
    """One deployed fabric in one lab; `inventory` and `state` are directories."""

    def __init__(self, lab: Lab, inventory: Path, state: Path) -> None:
        self.lab, self.inventory, self.state = lab, inventory, state
        self.intent: dict[str, Any] = {}
        for path in sorted((inventory / "group_vars" / "all").glob("*.yml")):
            self.intent |= yaml.safe_load(path.read_text())

    # -- what is wanted -----------------------------------------------------------------------------------------

    def vpc(self, name: str) -> dict[str, Any]:
        return next(dict(one) for one in self.intent["weft_vpcs"] if one["name"] == name)

    @cached_property
    def networks(self) -> dict[str, dict[str, Any]]:
        """Networks by name, each with its `vpc` and `tenant`."""
        return {
            network["name"]: {**network, "vpc": vpc["name"], "tenant": vpc["tenant"]}
            for vpc in self.intent["weft_vpcs"]
            for network in vpc["networks"]
        }

    @cached_property
    def wanted_instances(self) -> dict[str, dict[str, Any]]:
        """Instances by name: their names are unique in the walkthrough."""
        return {one["name"]: one for one in self.intent["weft_instances"]}

    def network_of(self, instance: str) -> dict[str, Any]:
        return self.networks[self.wanted_instances[instance]["nics"][0]["network"]]

    def tenant_of(self, instance: str) -> str:
        return str(self.wanted_instances[instance]["tenant"])

    def of_tenant(self, tenant: str) -> list[str]:
        return [name for name in self.wanted_instances if self.tenant_of(name) == tenant]

    def gateway(self, network: str) -> str:
        wanted = self.networks[network]
        return str(wanted.get("gateway") or ipaddress.ip_network(wanted["cidr"])[1])

    def recorded(self, key: str) -> Any:
        """A value of the ledger, by the path of what has it."""
        ledger = json.loads((self.state / "weft-ledger.json").read_text())
        if key not in ledger["entries"]:
            raise CheckFailedError(f"the ledger has no entry {key}")
        return ledger["entries"][key]["value"]

    def address(self, instance: str) -> str:
        return str(self.recorded(f"{self.tenant_of(instance)}/{instance}/0:ip"))

    def public(self, vpc: str, name: str, kind: str) -> str:
        """A virtual or elastic IP of a VPC: `kind` is virtual_ip or elastic_ip."""
        return str(self.recorded(f"{self.vpc(vpc)['tenant']}/{vpc}/{name}:{kind}"))

    # -- what runs ----------------------------------------------------------------------------------------------

    @cached_property
    def guests(self) -> dict[str, Instance]:
        found = {one.name: one for one in self.lab.instances()}
        missing = self.wanted_instances.keys() - found.keys()
        if missing:
            raise CheckFailedError(f"these instances do not run: {', '.join(sorted(missing))}")
        return found

    def on(self, where: str, command: Sequence[str], input: str | None = None, seconds: float = 60) -> Completed:
        """Run a command in an instance or a node."""
        if where in self.wanted_instances:
            return self.guests[where].exec(command, input=input, timeout=patient(seconds))
        return self.lab.exec(where, command, input=input, timeout=patient(seconds))

    def read(self, where: str, command: str, input: str | None = None) -> str:
        """Run a command that must succeed; returns its stdout."""
        done = self.on(where, ["sh", "-c", command], input)
        if done.returncode:
            words = " ".join((done.stderr or done.stdout).split())[-300:]
            raise CheckFailedError(f"'{command}' failed on {where} with status {done.returncode}: {words}")
        return done.stdout

    def in_router(self, vpc: str, command: str) -> str:
        """Run a command in a VPC's router, as whoever looks after its node would; returns its stdout."""
        node, prefix = self.lab.router(f"{vpc}.{self.vpc(vpc)['tenant']}")
        return self.read(node, shlex.join([*prefix, "sh", "-c", command]))

    def ask(self, where: str, questions: Sequence[Question]) -> list[str | None]:
        """Send lines from an instance or a node, all at once; see guest/ask.py for the answers."""
        script = (GUEST / "ask.py").read_text()
        done = self.on(where, ["python3", "-c", script], input=json.dumps(questions))
        if done.returncode:
            raise CheckFailedError(f"no lines could be sent from {where}: {' '.join(done.stderr.split())[-300:]}")
        return list(json.loads(done.stdout))

    def ask_from(self, where: str, own: str, *places: str) -> list[str]:
        """Which address of the asker each place (ADDRESS:PORT) saw, when it asks from one of its own addresses."""
        script = (GUEST / "ask_from.py").read_text()
        return list(map(saw, self.on(where, ["python3", "-c", script, own, *places]).stdout.splitlines()))

    def ping(self, where: str, target: str, size: int = 56, count: int = 1) -> int | None:
        """The TTL that the answer arrived with; None when none came. Packets must not be fragmented."""
        done = self.on(where, ["ping", "-n", "-M", "do", "-c", str(count), "-W", "2", "-s", str(size), target])
        return next((int(word[4:]) for word in done.stdout.split() if word.startswith("ttl=")), None)

    def heard(self, token: str, where: Iterable[str]) -> list[str]:
        """Which of these instances, or `wan`, logged a line that holds the token."""
        logs = {name: f"/run/lab/instances/{self.guests[name].key}/lines.log" for name in where if name != "wan"}
        places = {name: (self.guests[name].host, path) for name, path in logs.items()}
        if "wan" in where:
            places["wan"] = ("wan", "/var/log/lab-lines.log")
        found = {}
        for name, (node, path) in places.items():
            found[name] = self.lab.exec(node, ["grep", "-c", "-F", token, path]).stdout.strip() not in ("", "0")
        return sorted(name for name, yes in found.items() if yes)


def who(answer: str | None) -> str:
    """Who answered a line: "NAME TENANT", or the error, or "nobody"."""
    return "nobody" if answer is None else answer.partition(" saw ")[0]


def saw(answer: str | None) -> str:
    """Which address of the asker the answerer saw, or what happened instead."""
    return answer.partition(" saw ")[2].partition(":")[0] if answer and " saw " in answer else who(answer)
