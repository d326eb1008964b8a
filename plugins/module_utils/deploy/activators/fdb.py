# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Flood lists, forwarding entries and neighbours of a segment.

networkd appends the [BridgeFDB] and [Neighbor] entries of a .network file when it configures the device, and never
takes one away. So the live entries are compared with the files and only the difference is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import (
    Activator,
    Batch,
    Effect,
    Step,
    Work,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.networkd import RELOADED, made, master
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope, wait_for

FLOOD = "00:00:00:00:00:00"
READY_SECONDS = 10.0
Pairs = set[tuple[str, str]]


def sections(text: str, name: str) -> list[dict[str, str]]:
    """All sections of that name in a networkd file; a name may occur many times."""
    found: list[dict[str, str]] = []
    inside = False
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            inside = line == f"[{name}]"
            if inside:
                found.append({})
        elif inside and "=" in line and line[0] not in "#;":
            key, _sign, value = line.partition("=")
            found[-1][key.strip()] = value.strip()
    return found


def forwarding(text: str) -> Pairs:
    """(MAC, VTEP) of every [BridgeFDB] section."""
    entries = sections(text, "BridgeFDB")
    return {(each["MACAddress"].lower(), each["Destination"]) for each in entries if "Destination" in each}


def neighbours(text: str) -> Pairs:
    """(address, MAC) of every [Neighbor] section."""
    return {(each["Address"], each["LinkLayerAddress"].lower()) for each in sections(text, "Neighbor")}


def _json(argv: list[str], scope: Scope) -> list[dict[str, Any]]:
    result = scope.attempt(argv)
    found: list[dict[str, Any]] = json.loads(result.out or "[]") if not result.status else []
    return found


def live_forwarding(device: str, scope: Scope) -> Pairs:
    """(MAC, VTEP) of the device's entries that were not learned."""
    return _static(_json(["bridge", "-json", "fdb", "show", "dev", device], scope))


def _static(entries: Iterable[dict[str, Any]]) -> Pairs:
    return {
        (each["mac"].lower(), each["dst"])
        for each in entries
        if "dst" in each and each.get("state") in ("permanent", "static", "noarp")
    }


def _bridged(entries: Iterable[dict[str, Any]]) -> set[str]:
    """MACs that are static in the bridge."""
    return {each["mac"].lower() for each in entries if "master" in each and each.get("state") == "static"}


def _stations(entries: Pairs) -> set[str]:
    """MACs of stations that cannot move."""
    return {mac for mac, _where in entries if mac != FLOOD}


def live_neighbours(device: str, scope: Scope) -> Pairs:
    """(address, MAC) of the device's permanent neighbours."""
    entries = _json(["ip", "-json", "neighbour", "show", "dev", device, "nud", "permanent"], scope)
    return {(each["dst"], each["lladdr"].lower()) for each in entries if "lladdr" in each}


class Fdb(Activator):
    """The static entries of a VXLAN device and the neighbours of its bridge, as the .network files have them."""

    kind = "fdb"
    rank = 1
    identity = ("device",)

    def effect(self, activation: Activation) -> Effect:
        # networkd appends the files' entries, and a device that it makes anew has none.
        return RELOADED

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        return set(activation.get("files", owned))

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        device, bridge, paths = step.activation["device"], step.activation.get("bridge"), sorted(step.files)
        old = _entries(batch.old_text(path) for path in paths)
        new = _entries(batch.text(path) for path in paths)
        doubtful = step.full or device in made(batch) or any(path in batch.unsure for path in paths)
        if old == new and not doubtful:
            return []
        return [
            Work(f"update the flood list and neighbours of {device}", lambda: _update(device, bridge, new, batch.scope))
        ]

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        found = [scope.tree.look(path) for path in sorted(step.files)]
        wanted, _neighbours = _entries(each.text for each in found if each is not None)
        there = scope.memo("fdb", lambda: _json(["bridge", "-json", "fdb", "show"], scope))
        mine = [each for each in there if each.get("ifname") == device]
        missing = {mac for mac, _where in wanted - _static(mine)} | (_stations(wanted) - _bridged(mine))
        return f"the forwarding entry of {min(missing)} is missing on {device}" if missing else None

    def unconfirmed(self, step: Step, scope: Scope) -> Optional[str]:
        # The entries were set a moment ago, and a command that failed has said so.
        return None


def _entries(texts: Iterable[str]) -> tuple[Pairs, Pairs]:
    """What the files want of the device and of the bridge."""
    whole = list(texts)
    return (
        {pair for text in whole for pair in forwarding(text)},
        {pair for text in whole for pair in neighbours(text)},
    )


def _update(device: str, bridge: Optional[str], wanted: tuple[Pairs, Pairs], scope: Scope) -> None:
    """Make the live entries those wanted: what comes first, so that no destination is missing in between."""
    # networkd may have begun only now to make the device.
    wait_for(lambda: device in scope.devices() and bridge in (None, master(device)), READY_SECONDS)
    entries, present = wanted[0], live_forwarding(device, scope)
    commands = [
        f"fdb {'append' if mac == FLOOD else 'replace'} {mac} dev {device} dst {vtep} self permanent"
        for mac, vtep in sorted(entries - present)
    ]
    kept = _stations(entries)
    commands += [
        f"fdb delete {mac} dev {device} dst {vtep} self" for mac, vtep in sorted(present - entries) if mac not in kept
    ]
    _batch("bridge", commands, scope)
    _update_bridge(device, kept, scope)
    if bridge is None:
        return
    addresses = {address for address, _mac in wanted[1]}
    there = live_neighbours(bridge, scope)
    commands = [
        f"neighbour replace {address} lladdr {mac} dev {bridge} nud permanent"
        for address, mac in sorted(wanted[1] - there)
    ]
    _batch("ip", commands, scope)
    _forget(bridge, {address for address, _mac in there} - addresses, scope)


def _forget(bridge: str, gone: set[str], scope: Scope) -> None:
    """Delete neighbours. networkd, which has just read its files, takes away the same at any moment."""
    if not gone:
        return
    commands = [f"neighbour delete {address} dev {bridge}\n" for address in sorted(gone)]
    scope.attempt(["ip", "-force", "-batch", "-"], "".join(commands))
    if left := gone & {address for address, _mac in live_neighbours(bridge, scope)}:
        raise DeployError(f"The neighbour {min(left)} of {bridge} could not be deleted.")


def _update_bridge(device: str, stations: set[str], scope: Scope) -> None:
    """Make the stations static in the bridge, which answers ARP only for those; networkd could only make them local."""
    entries = _json(["bridge", "-json", "fdb", "show", "dev", device], scope)
    static = _bridged(entries)
    _batch("bridge", [f"fdb delete {mac} dev {device} master" for mac in sorted(static - stations)], scope)
    _batch("bridge", [f"fdb replace {mac} dev {device} master static" for mac in sorted(stations - static)], scope)


def _batch(program: str, commands: list[str], scope: Scope) -> None:
    if not commands:
        return
    result = scope.attempt([program, "-batch", "-"], "".join(f"{command}\n" for command in commands))
    if result.status:
        raise CommandError([program, "-batch", "-"], result.message)
