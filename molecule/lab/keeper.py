"""Keeps one node running: starts nspawn, plugs its cards in, and starts it again when the node reboots.

Run as `python -m lab.keeper MACHINE` by `machine.start`; ends when the node powers off.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from lab import machine, mirror, netns, pids, router_images, topology
from lab.cgroups import Cgroup
from lab.errors import LabError
from lab.paths import Paths
from lab.shell import patient, write_whole
from lab.topology import Node, Topology

# With --keep-unit nspawn leaves the restart of a rebooting machine to whoever started it, by this exit status.
REBOOT = 133
# How often a keeper looks whether its lab is still there.
LOOK_SECONDS = 5.0


def find_leader(nspawn: int) -> int:
    """The pid of the machine's init: the child of nspawn that is pid 1 in its own namespace, once it is systemd."""
    for child in Path(f"/proc/{nspawn}/task/{nspawn}/children").read_text().split():
        status = Path(f"/proc/{child}/status").read_text()
        numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]
        if numbers[-1] == "1" and len(numbers) > 1 and Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
            return int(child)
    return 0


def once(paths: Paths, shape: Topology, node: Node) -> int:
    """Run the machine until it ends; returns nspawn's exit status."""
    record = paths.node(node.name) / "leader"
    netns.detach(paths, node)
    # nsenter replaces itself by nspawn (no pid namespace is entered), so this is nspawn's pid.
    call = machine.command(paths, node, mirror.place(shape.suite), router_images.bootstraps(shape.suite))
    nspawn = subprocess.Popen(call, stdin=subprocess.DEVNULL)
    netns.attach(paths, shape, node)
    while nspawn.poll() is None:
        try:
            leader = find_leader(nspawn.pid)
        except OSError:  # a child that ended while it was looked at
            leader = 0
        if leader:
            write_whole(record, f"{leader} {pids.birth(leader)}\n")
            break
        time.sleep(0.02)
    status = end_of(nspawn, paths)
    record.unlink(missing_ok=True)
    return status


def end_of(nspawn: subprocess.Popen[bytes], paths: Paths) -> int:
    """Wait for the end of nspawn, and make it come when the lab's state is gone: nobody could take such a node down."""
    while True:
        try:
            return nspawn.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            if not paths.topology.exists():
                nspawn.kill()


def clear(paths: Paths, name: str) -> None:
    """Leave nothing of a node of a lab whose state, or whole checkout, was removed."""
    group = Cgroup(paths.machine(name))
    deadline = time.monotonic() + patient(10)
    while pids.of(group.name) - {os.getpid()} and time.monotonic() < deadline:
        time.sleep(0.05)
    machine.erase(paths.node(name))
    netns.delete(paths)
    group.leave()
    group.remove()


def main(called: str) -> int:
    paths, name = Paths.of_machine(called)
    shape = topology.load(paths.topology)
    node = shape.node(name)
    again = paths.node(name) / "again"
    again.unlink(missing_ok=True)
    Cgroup(called).enter()
    while True:
        status = once(paths, shape, node)
        print(f"lab: the machine ended with status {status}", flush=True)
        if not paths.topology.exists():
            clear(paths, name)
            return 1
        if status != REBOOT and not again.exists():
            return 0 if status == 0 else 1
        again.unlink(missing_ok=True)


if __name__ == "__main__":
    try:
        raise SystemExit(main(sys.argv[1]))
    except LabError as error:
        raise SystemExit(f"lab: {error}") from None
