"""Guests on the hypervisors: the controller's half. `guest/instance.py` is the half that runs on a hypervisor."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from lab.errors import LabError

if TYPE_CHECKING:
    from lab.api import Lab

TOOL = ["/usr/bin/python3", "/usr/local/lib/lab/instance.py"]
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


def on_host(lab: Lab, node: str, *command: str, stdin: str = "") -> str:
    done = lab.exec(node, [*TOOL, *command], input=stdin)
    if done.returncode != 0:
        raise LabError(f"The instances of '{node}' could not be handled: {' '.join(done.stderr.split())[-500:]}")
    return done.stdout


def check(wanted: list[dict[str, Any]], hosts: list[str]) -> None:
    """Refuse what could not be started, with the reason."""
    seen: set[tuple[str, str]] = set()
    for one in wanted:
        key = (str(one.get("tenant", "")), str(one.get("name", "")))
        where = f"The instance '{key[0]}/{key[1]}'"
        if not all(NAME.fullmatch(part) for part in key) or "." in key[0]:
            raise LabError(f"{where} has a tenant or a name that cannot be a file name.")
        if key in seen:
            raise LabError(f"{where} is listed twice.")
        seen.add(key)
        if one.get("host") not in hosts:
            raise LabError(f"{where} is on '{one.get('host')}'; the lab's hypervisors are {', '.join(hosts)}.")
        for nic in one.get("nics", []):
            if not 0 < len(nic.get("device", "")) <= 15 or not MAC.fullmatch(nic.get("mac", "").lower()):
                raise LabError(f"{where} has a card without a device name of 1 to 15 characters or a MAC: {nic}.")


def apply(lab: Lab, wanted: list[dict[str, Any]], wait: float = 0.0) -> dict[str, list[str]]:
    """Make the instances of every hypervisor exactly these: start new, remove gone, leave unchanged ones alone.

    With `wait`, return only when every card has a lease, or fail after that many seconds.
    Returns what was `started`, `removed` and `kept`, as "tenant/name".
    """
    hosts = [node.name for node in lab.topology.with_role("hypervisor")]
    check(wanted, hosts)
    total: dict[str, list[str]] = {"started": [], "removed": [], "kept": []}

    def one_host(name: str) -> dict[str, list[str]]:
        mine = [one for one in wanted if one["host"] == name]
        return dict(json.loads(on_host(lab, name, "apply", str(wait), stdin=json.dumps(mine))))

    with ThreadPoolExecutor(max(1, len(hosts))) as pool:
        for result in pool.map(one_host, hosts):
            for what, keys in result.items():
                total[what] += [key.replace(".", "/", 1) for key in keys]
    return total
