# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Public addresses that a router answers for, as routes of its local table; and as routes of the main table, which
routing protocols announce."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable
from itertools import product
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Activator, Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.netns import open_socket
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

DIRECTORY = "/etc/weft/addresses.d"
NAMED = 5
"""Up to that many changed addresses are named one by one."""

_LINE = re.compile(
    r"^route replace (?P<type>local|unicast) (?P<address>[0-9.]+)(?:/32)? dev (?P<device>\S+)"
    r" table (?P<table>local|main) proto (?P<protocol>\d+)"
)
_LEAF = re.compile(r"\|-- ([0-9.]+)\n((?: +/\d+ .*\n)+)")
_TYPES = {"local": "local", "main": "unicast"}

Place = tuple[str, str]
"""An address and the table it has a route in."""


def _lines(texts: Iterable[str]) -> dict[Place, str]:
    """The statements by place."""
    lines = {}
    for text in texts:
        for line in filter(None, (each.strip() for each in text.splitlines())):
            match = _LINE.match(line)
            if match is None:
                raise DeployError(
                    f"The line {line!r} of a file in {DIRECTORY} is not of the form "
                    "`route replace local ADDRESS dev DEVICE table local proto NUMBER`, or unicast in table main."
                )
            lines[match["address"], match["table"]] = line
    return lines


class Addresses(Activator):
    """The address files of one device: lines that came are executed, lines that went are undone."""

    kind = "addresses"
    shared = True
    identity = ("device",)

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        paths = activation.get("files", owned)
        return {path for path in paths if path.startswith(f"{DIRECTORY}/")}

    def _of_device(self, step: Step, batch: Batch, new: bool) -> dict[Place, str]:
        """The device's statements before or after, from all items' files: one may take an address over from another."""
        there = {f"{DIRECTORY}/{name}" for name in batch.scope.tree.names(DIRECTORY)} if batch.scope.ready else set()
        paths = sorted(path for path in there | set(batch.new) if path.startswith(f"{DIRECTORY}/"))
        lines = _lines(batch.text(path) if new else batch.old_text(path) for path in paths)
        device = step.activation["device"]
        return {place: line for place, line in lines.items() if f" dev {device} " in line}

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        device, scope = step.activation["device"], batch.scope
        old, new = self._of_device(step, batch, new=False), self._of_device(step, batch, new=True)
        if _there(device, scope) and (step.full or any(path in batch.unsure for path in step.files)):
            return [Work(f"set the addresses of {device}{scope.suffix}", lambda: _set(device, new, scope))]
        gone = {place: line for place, line in old.items() if place not in new}
        come = {place: line for place, line in new.items() if old.get(place) != line}
        if not (gone or come) or not _there(device, scope):
            return []
        return [Work(_words(gone, come, device, scope), lambda: _execute(gone, come, device, scope))]

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        found = [scope.tree.look(path) for path in sorted(step.files)]
        wanted = _lines(each.text for each in found if each is not None)
        missing = sorted(set(wanted) - _routed(scope)) if wanted else []
        return f"the address {missing[0][0]} is not on {step.activation['device']}{scope.suffix}" if missing else None


def _there(device: str, scope: Scope) -> bool:
    """False for a link that the router is to get only now: whoever hands it over gives it its addresses."""
    return not scope.machine or device in scope.devices()


def _words(gone: dict[Place, str], come: dict[Place, str], device: str, scope: Scope) -> str:
    parts = []
    for verb, places in (("remove", gone), ("add", come)):
        if places:
            addresses = sorted({address for address, _table in places})
            named = " ".join(addresses) if len(addresses) <= NAMED else f"{len(addresses)} addresses"
            parts.append(f"{verb} {named}")
    return f"{' and '.join(parts)} on {device}{scope.suffix}"


def _routed(scope: Scope) -> set[Place]:
    """All addresses of the scope that have a route of their own. The kernel may keep both tables in one tree."""
    with open(f"/proc/{scope.leader if scope.machine else 'self'}/net/fib_trie", encoding="ascii") as source:
        leaves = _LEAF.findall(source.read())
    kinds = {"local": "/32 host LOCAL", "main": "/32 link UNICAST"}
    return {(address, table) for address, routes in leaves for table, kind in kinds.items() if kind in routes}


def _set(device: str, wanted: dict[Place, str], scope: Scope) -> None:
    """Make the device's addresses exactly these, whatever they are now."""
    protocols = {match["protocol"] for match in map(_LINE.match, wanted.values()) if match} or {"87"}
    present: set[Place] = set()
    for protocol, table in product(protocols, _TYPES):
        shown = scope.attempt(["ip", "-4", "route", "show", "table", table, "dev", device, "proto", protocol]).out
        present |= {(line.removeprefix("local ").split()[0], table) for line in shown.splitlines()}
    protocol = sorted(protocols)[0]
    gone = {
        (address, table): f"route replace {_TYPES[table]} {address} dev {device} table {table} proto {protocol}"
        for address, table in present - set(wanted)
    }
    _execute(gone, wanted, device, scope)


def _execute(gone: dict[Place, str], come: dict[Place, str], device: str, scope: Scope) -> None:
    # What is to go may have gone by itself, with the device for instance.
    undo = "".join(f"{line.replace(' replace ', ' delete ', 1)}\n" for line in gone.values())
    if undo:
        scope.attempt(["ip", "-force", "-batch", "-"], undo)
    if come:
        result = scope.attempt(["ip", "-batch", "-"], "".join(f"{line}\n" for line in come.values()))
        if result.status:
            raise CommandError(["ip", "-batch", "-"], result.message)
        announce((address for address, table in come if table == "local"), device, scope)


def announce(addresses: Iterable[str], device: str, scope: Scope) -> None:
    """Tell the neighbours where the addresses are now: a gratuitous ARP request for each (RFC 5227, section 3)."""
    with open_socket(socket.AF_PACKET, socket.SOCK_RAW, 0, scope.leader if scope.machine else None) as link:
        link.bind((device, 0x0806))
        hardware = link.getsockname()[4]
        for address in addresses:
            own = socket.inet_aton(address)
            header = b"\xff" * 6 + hardware + b"\x08\x06"
            link.send(header + b"\x00\x01\x08\x00\x06\x04\x00\x01" + hardware + own + b"\x00" * 6 + own)
