"""The lab as Python sees it: what the command line, the demo and the tests are made of."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import host, image, instances, machine, mirror, netns, router_images, topology
from lab.errors import LabError
from lab.paths import BASE, ROOT, Paths
from lab.shell import locked, run, say, step, write_whole
from lab.topology import Node, Topology

Completed = subprocess.CompletedProcess[str]
DEFAULT_ID = "weft"
ROUTER_UNIT = "weft-router"
# A router's init is the only child of its systemd-nspawn.
ENTER_ROUTER = """
nspawn=$(systemctl show --property=MainPID --value "$1"); shift
exec nsenter --all --root --wd --target="$(tr -d ' ' <"/proc/$nspawn/task/$nspawn/children")" -- "$@"
"""


@dataclass
class Instance:
    """A guest on a hypervisor, as the lab runs it."""

    lab: Lab
    host: str
    tenant: str
    name: str

    @property
    def key(self) -> str:
        return f"{self.tenant}.{self.name}"

    def argv(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.key, *command]

    def exec(self, command: Sequence[str], input: str | None = None, timeout: float | None = None) -> Completed:
        return self.lab.exec(self.host, self.argv(command), input=input, timeout=timeout)

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        return self.lab.popen(self.host, self.argv(command), **options)

    def leases(self) -> dict[str, dict[str, str]]:
        """What the DHCP client was told, per device; empty where no server answered yet."""
        done = self.lab.exec(self.host, [*instances.TOOL, "leases", self.key])
        return dict(json.loads(done.stdout or "{}"))

    def lines(self) -> list[str]:
        """What the line servers received, oldest first."""
        done = self.lab.exec(self.host, ["cat", f"/run/lab/instances/{self.key}/lines.log"])
        return done.stdout.splitlines()


@dataclass
class NodeStatus:
    """How a node is: `state` is systemd's word, or "down"; `addresses` are LINK=ADDRESS/LENGTH."""

    name: str
    role: str
    pid: int
    state: str
    addresses: list[str]
    instances: list[dict[str, Any]]


class Lab:
    """One lab, by its id (`LAB_ID` or `weft` when none is given)."""

    def __init__(self, lab: str = "") -> None:
        self.paths = Paths(lab or os.environ.get("LAB_ID", "") or DEFAULT_ID)

    @property
    def id(self) -> str:
        return self.paths.lab

    @property
    def topology(self) -> Topology:
        """The topology the lab was brought up with."""
        if not self.paths.topology.exists():
            raise LabError(f"The lab '{self.id}' is down; 'bin/lab --lab {self.id} up' starts it.")
        return topology.load(self.paths.topology)

    # -- life ---------------------------------------------------------------------------------------------------

    def up(self, shape: str = "default", suite: str = "", fresh_images: bool = False) -> None:
        """Bring every node up. What runs already is left alone."""
        host.prepare()
        with locked(self.paths.lock):
            self._up(shape, suite, fresh_images)

    def _up(self, shape: str, suite: str, fresh_images: bool) -> None:
        wanted = topology.load(topology.find(shape), suite)
        known = machine.known(self.paths)
        if not self.paths.topology.exists():
            if known:
                self._down()  # what was killed before it had the rest of it down, or lost its state
        elif self.paths.topology.read_text() != wanted.text:
            if any(machine.leader(self.paths, name) for name in known):
                raise LabError(f"The lab '{self.id}' runs with another topology; take it down first.")
            self._down()
        images = self._images(wanted)
        self.paths.state.mkdir(parents=True, exist_ok=True)
        write_whole(self.paths.topology, wanted.text)
        self._ssh_key()
        netns.create(self.paths, wanted)
        with step(f"start {', '.join(wanted.nodes)}"):
            self._start(wanted, list(wanted.nodes.values()), images, fresh_images)

    def _images(self, shape: Topology) -> dict[str, Path]:
        """The trees the nodes start from and the archive they install from, built at the same time where missing."""
        names = sorted({node.image for node in shape.nodes.values()})
        with ThreadPoolExecutor(len(names) + 1) as pool:
            archive = pool.submit(mirror.ensure, shape.suite)
            trees = dict(zip(names, pool.map(lambda name: image.ensure(name, shape.suite), names), strict=True))
            archive.result()
        return trees

    def _start(self, shape: Topology, nodes: list[Node], images: dict[str, Path], fresh_images: bool) -> None:
        stopped = [node for node in nodes if not machine.leader(self.paths, node.name)]
        keep_router_images()
        for node in stopped:
            machine.stop(self.paths, node.name, hard=True)  # a keeper or nspawn that a crash left
            machine.clear(self.paths, node.name)
            machine.prepare(self.paths, shape, node, images[node.image], fresh_images)
            machine.start(self.paths, node)
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            states = dict(zip(nodes, pool.map(lambda node: machine.wait(self.paths, node.name), nodes), strict=True))
        for node, state in states.items():
            if state == "degraded":
                failed = self.exec(node.name, ["systemctl", "--failed", "--plain", "--no-legend"]).stdout.splitlines()
                say(f"{node.name} is up, but with failed units: {', '.join(line.split()[0] for line in failed)}")

    def _ssh_key(self) -> None:
        for key in (self.paths.ssh_key, self.paths.state / "ssh" / "host_ed25519"):
            public = key.with_suffix(".pub")
            if not public.exists():
                # The public half is written last.
                key.unlink(missing_ok=True)
                key.parent.mkdir(mode=0o700, exist_ok=True)
                run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"lab-{self.id}", "-f", str(key)])

    def down(self) -> None:
        """Remove machines, namespaces and mounts, also those of a crashed lab; then its state."""
        with locked(self.paths.lock):
            self._down()

    def _down(self) -> None:
        names = machine.known(self.paths)
        with step(f"take the lab '{self.id}' down"):
            with ThreadPoolExecutor(max(1, len(names))) as pool:
                list(pool.map(lambda name: machine.stop(self.paths, name), names))
            for name in names:
                machine.clear(self.paths, name)
            with contextlib.suppress(LabError):  # a topology that cannot be read
                self.keep_router_images()
            netns.delete(self.paths)
            # First of all: nodes whose disks are half gone must not be started again.
            self.paths.topology.unlink(missing_ok=True)
            machine.erase(self.paths.state)

    def keep_router_images(self) -> None:
        """Keep what its nodes have built for other labs."""
        if self.paths.topology.exists():
            for node in self.topology.with_role("router"):
                router_images.harvest(self.paths.node(node.name) / "weft" / "images", self.topology.suite)

    def reboot(self, name: str, hard: bool = False) -> float:
        """Restart a node, keeping its disk; returns the seconds until it was up again."""
        self.topology.node(name)
        pid = machine.leader(self.paths, name)
        if not pid:
            raise LabError(f"The node '{name}' is not running; 'bin/lab --lab {self.id} up' starts it.")
        start = time.monotonic()
        machine.reboot(self.paths, name, hard)
        deadline = start + machine.BOOT_TIMEOUT
        while machine.leader(self.paths, name) in (0, pid):
            if time.monotonic() > deadline:
                raise LabError(f"The node '{name}' did not come back within {machine.BOOT_TIMEOUT:.0f} s.")
            time.sleep(0.05)
        machine.wait(self.paths, name)
        return time.monotonic() - start

    def running(self) -> bool:
        return self.paths.topology.exists() and all(machine.leader(self.paths, name) for name in self.topology.nodes)

    def status(self) -> list[NodeStatus]:
        nodes = list(self.topology.nodes.values())
        with ThreadPoolExecutor(max(1, len(nodes))) as pool:
            return list(pool.map(self._node_status, nodes))

    def _node_status(self, node: Node) -> NodeStatus:
        row = NodeStatus(node.name, node.role, machine.leader(self.paths, node.name), "down", [], [])
        if row.pid:
            row.state = self.exec(node.name, ["systemctl", "is-system-running"]).stdout.strip()
            links = json.loads(self.exec(node.name, ["ip", "-json", "-4", "address", "show"]).stdout or "[]")
            row.addresses = [
                f"{link['ifname']}={address['local']}/{address['prefixlen']}"
                for link in links
                for address in link["addr_info"]
                if address["scope"] == "global"
            ]
            if node.role == "hypervisor":
                row.instances = json.loads(instances.on_host(self, node.name, "list"))
        return row

    # -- commands -----------------------------------------------------------------------------------------------

    def argv(self, name: str, command: Sequence[str]) -> list[str]:
        """The call that runs a command in a node."""
        return [*machine.inside(self.paths, name), *command]

    def exec(
        self, name: str, command: Sequence[str], input: str | None = None, timeout: float | None = None
    ) -> Completed:
        """Run a command in a node. A failure is in `returncode`; a timeout raises `subprocess.TimeoutExpired`."""
        return subprocess.run(
            self.argv(name, command), input=input, timeout=timeout, env=machine.environment(),
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip

    def popen(self, name: str, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in a node; killing the process also ends the command."""
        return subprocess.Popen(self.argv(name, command), env=machine.environment(), **options)

    def controller(self, command: Sequence[str], **options: Any) -> Completed:
        """Run a command on the controller's side, inside the lab's network."""
        env = self.controller_env(options.pop("env", {}))
        return subprocess.run([*netns.inside(self.paths), *command], env=env, check=False, **options)

    def controller_env(self, settings: Mapping[str, str]) -> dict[str, str]:
        """This process's environment with some settings, and what Ansible needs to find the lab."""
        plugins = str(ROOT / "molecule" / "lab" / "connection_plugins")
        mine = os.environ.get("ANSIBLE_CONNECTION_PLUGINS", "")
        return {
            **os.environ,
            **settings,
            "LAB_ID": self.id,
            "LAB_NETNS": str(self.paths.netns),
            "LAB_SSH_KEY": str(self.paths.ssh_key),
            "ANSIBLE_CONNECTION_PLUGINS": plugins if plugins in mine or not mine else f"{plugins}:{mine}",
        }

    # -- instances ----------------------------------------------------------------------------------------------

    def instances(self) -> list[Instance]:
        return [
            Instance(self, node.name, wanted["tenant"], wanted["name"])
            for node in self.topology.with_role("hypervisor")
            for wanted in json.loads(instances.on_host(self, node.name, "list"))
        ]

    def instance(self, name: str) -> Instance:
        """An instance by its name, or by tenant/name where two tenants use the same."""
        found = [one for one in self.instances() if name in (one.name, f"{one.tenant}/{one.name}")]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(f"{one.tenant}/{one.name}" for one in found)
            raise LabError(f"The instance name '{name}' is not unique; say which one: {names}.")
        raise LabError(f"The lab '{self.id}' has no node and no instance '{name}'.")

    # -- machines inside nodes ----------------------------------------------------------------------------------

    def router(self, name: str) -> tuple[str, list[str]]:
        """The node of a VPC router and the prefix that runs a command inside it; by its machine's name or its VPC's."""
        found = []
        for node in self.topology.with_role("router"):
            units = self.exec(node.name, ["systemctl", "list-units", "--plain", "--no-legend", f"{ROUTER_UNIT}@*"])
            machines = [line.split()[0].removeprefix(f"{ROUTER_UNIT}@") for line in units.stdout.splitlines()]
            names = [machine.removesuffix(".service") for machine in machines]
            found += [(node.name, one) for one in names if name in (one, one.partition(".")[0])]
        if not found:
            raise LabError(f"The lab '{self.id}' has no node, no instance and no router '{name}'.")
        if len(found) > 1:
            names = [one for _node, one in found]
            raise LabError(f"The router name '{name}' is not unique; say which one: {', '.join(names)}.")
        ((node_name, machine_name),) = found
        return node_name, ["sh", "-c", ENTER_ROUTER, "sh", f"{ROUTER_UNIT}@{machine_name}.service"]

    def apply_instances(self, wanted: list[dict[str, Any]], wait: float = 0.0) -> dict[str, list[str]]:
        """Make the instances of the lab exactly these; see `instances.apply`."""
        return instances.apply(self, wanted, wait)


def keep_router_images() -> None:
    """Keep what all labs have built: one that is up may have what another is about to build."""
    for file in BASE.glob("*/topology.yml"):
        # One that is going down just now keeps its own.
        with contextlib.suppress(LabError, OSError):
            Lab(file.parent.name).keep_router_images()
