"""End a run by SIGKILL: after a step of its own, or at any moment, on the controller or on a host."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import time
from pathlib import Path

from checks import play
from checks.fabric import Fabric, Run

#: Where the controller's part and the hosts' part pass a point; see the two modules called faultpoints.
CONTROLLER_POINTS = ("ledger", "plan", "applied")
HOST_POINTS = ("manifest", "swap", "activate", "unlink")
VARIABLE = "WEFT_TEST_KILL_AT"


def killed_at(fabric: Fabric, point: str, number: int, *options: str) -> Run:
    """A run that ends itself right after the n-th passage of a point; one that never gets there just succeeds."""
    return fabric.try_run(*options, env={VARIABLE: f"{point}:{number}"})


def was_killed(run: Run) -> bool:
    """Whether SIGKILL ended a part of the run: a module on a host (its shell says 137), or a worker of Ansible's."""
    return run.status != 0 and bool(re.search(r'"rc": (137|-9)\b|found in a dead state', run.output))


def killed_within(fabric: Fabric, chance: random.Random, seconds: float, *options: str) -> str:
    """A run of which something is killed after a random time; says what. The run has ended when this returns."""
    delay, where = chance.uniform(0.3, seconds), chance.choice(["controller", "controller", "gw1", "hv1", "hv2"])
    process = play.start(fabric.lab, "site", fabric.inventory, fabric.state, *options)
    time.sleep(delay)
    if where == "controller":
        victims = [process.pid, *descendants(process.pid)]
    else:
        victims = modules(fabric, where)
    for victim in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.communicate()
    hit = "" if victims else ", where nothing of it ran at that moment"
    return f"{where} after {delay:.2f} s{hit}: status {process.returncode}"


def descendants(pid: int) -> list[int]:
    """All processes below one, also those that made a session of their own."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def modules(fabric: Fabric, node: str) -> list[int]:
    """The module processes of a run on a node, as this computer numbers them."""
    leader = int((fabric.lab.paths.node(node) / "leader").read_text().split()[0])
    namespace = os.readlink(f"/proc/{leader}/ns/pid")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                argv = (entry / "cmdline").read_bytes().split(b"\0")
                same = os.readlink(entry / "ns" / "pid") == namespace
                if same and b"python" in argv[0] and not argv[1].endswith((b"instance.py", b"line_server.py")):
                    found.append(int(entry.name))
    return found
