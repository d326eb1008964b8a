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


def killed_within(fabric: Fabric, chance: random.Random, seconds: float) -> str | None:
    """A run of which a part is killed at a random moment: the controller, or what runs on a host then.

    Says what was killed; None if the run had ended before. The run has ended when this returns.
    """
    delay = chance.uniform(0.3, seconds)
    process = play.start(fabric.lab, "site", fabric.inventory, fabric.state)
    time.sleep(delay)
    parts = {"controller": [process.pid, *descendants(process.pid)]} if process.poll() is None else {}
    parts |= {node: found for node in ("gw1", "hv1", "hv2") if (found := modules(fabric, node))}
    where = chance.choice(sorted(parts)) if parts else None
    for victim in parts.get(where or "", ()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
    process.communicate()
    return f"{where} after {delay:.2f} s: status {process.returncode}" if where and process.returncode else None


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
    """The module processes of a run on a node, as this computer numbers them.

    Its other Python programs, which are there all the time, are files of /usr/local/lib; Ansible's come by a pipe.
    """
    leader = int((fabric.lab.paths.node(node) / "leader").read_text().split()[0])
    namespace = os.readlink(f"/proc/{leader}/ns/pid")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                argv = (entry / "cmdline").read_bytes().split(b"\0")
                same = os.readlink(entry / "ns" / "pid") == namespace
                if same and b"python" in argv[0] and not any(word.startswith(b"/usr/local/lib/") for word in argv):
                    found.append(int(entry.name))
    return found
