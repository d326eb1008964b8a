# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the links of a machine have in the kernel, against what its .network files say.

networkd takes nothing back there that has left a file: with KeepConfiguration=static it keeps addresses and routes, and
with ManageForeignRoutingPolicyRules=no routing rules.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

DIRECTORY = "/etc/systemd/network"
STATIC = 4
"""The routing protocol that networkd gives what its files say (RTPROT_STATIC of linux/rtnetlink.h)."""
TABLES = {"default": 253, "main": 254}
#: Keys of sections of which something is left in the kernel, and those that networkd applies to what is there.
KEPT = {
    "Network": {"Address", "Gateway"},
    "Address": {"Address"},
    "Route": {"Destination", "Gateway", "Table"},
    "RoutingPolicyRule": {"Priority", "From", "FirewallMark", "IncomingInterface", "OutgoingInterface"},
}
#: Attributes of what KEPT names: who differs in them only is replaced.
ATTRIBUTES = {
    "Address": {"AddPrefixRoute"},
    "Route": {"Scope", "PreferredSource", "GatewayOnLink"},
    "RoutingPolicyRule": {"Table", "Type", "SuppressInterfaceGroup"},
}


class Held(NamedTuple):
    """An address, a route or a routing rule, as both sides name it."""

    kind: str
    device: str
    what: tuple[str, ...]

    @property
    def words(self) -> str:
        """For people."""
        place = f" on {self.device}" if self.device else ""
        return f"{self.kind} {' '.join(filter(None, self.what))}{place}"

    @property
    def deletion(self) -> str:
        """A statement of `ip -batch`."""
        if self.kind == "address":
            return f"address delete {self.what[0]} dev {self.device}"
        if self.kind == "route":
            destination, gateway, table = self.what
            via = f" via {gateway}" if gateway else ""
            return f"route delete {destination}{via} dev {self.device} table {table} proto {STATIC}"
        names = ("priority", "from", "fwmark", "iif", "oif")
        return "rule delete " + " ".join(f"{name} {value}" for name, value in zip(names, self.what) if value)


Section = tuple[str, dict[str, list[str]]]


def sections(text: str) -> Iterator[Section]:
    """The sections of a file of networkd, each with the values of its keys."""
    name, found = "", {}  # type: str, dict[str, list[str]]
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            if name:
                yield name, found
            name, found = line.strip("[]"), {}
        elif line and line[0] not in "#;":
            key, _sign, value = line.partition("=")
            found.setdefault(key.strip(), []).append(value.strip())
    if name:
        yield name, found


def said(texts: Iterable[str]) -> tuple[str, set[Held]]:
    """The device of a .network file, given with its drop-ins, and what they say that it has."""
    parts = [part for text in texts for part in sections(text)]
    device = next((values["Name"][0] for name, values in parts if name == "Match" and "Name" in values), "")
    return device, {held for name, values in parts for held in _said(name, values, device)}


def _said(name: str, values: dict[str, list[str]], device: str) -> Iterator[Held]:
    if name in ("Network", "Address"):
        yield from (Held("address", device, (one,)) for one in values.get("Address", ()))
    if name == "Network":
        yield from (Held("route", device, ("default", one, "254")) for one in values.get("Gateway", ()))
    if name == "Route":
        yield Held("route", device, (_one(values, "Destination") or "default", _one(values, "Gateway"), _table(values)))
    if name == "RoutingPolicyRule":
        mark, _sign, mask = _one(values, "FirewallMark").partition("/")
        mark = f"{int(mark):#x}/{int(mask):#x}" if mask else mark
        ends = (_one(values, "IncomingInterface"), _one(values, "OutgoingInterface"))
        yield Held("rule", "", (_one(values, "Priority"), _one(values, "From"), mark, *ends))


def _one(values: dict[str, list[str]], key: str) -> str:
    return values.get(key, [""])[0]


def _table(values: dict[str, list[str]]) -> str:
    name = _one(values, "Table") or "main"
    return str(TABLES.get(name, name))


def wanted(batch: Batch) -> dict[str, set[Held]]:
    """What a machine's .network files say after the change, by device."""
    tree = batch.scope.tree
    paths = {f"{DIRECTORY}/{name}" for name in tree.names(DIRECTORY)}
    paths |= {f"{path}/{name}" for path in paths if path.endswith(".network.d") for name in tree.names(path)}
    paths = {path for path in paths if path not in batch.new} | {path for path, spec in batch.new.items() if spec}
    found: dict[str, set[Held]] = {}
    for path in sorted(path for path in paths if path.startswith(f"{DIRECTORY}/") and path.endswith(".network")):
        extra = sorted(one for one in paths if one.startswith(f"{path}.d/") and one.endswith(".conf"))
        device, held = said(batch.text(one) for one in [path, *extra])
        found.setdefault(device, set()).update(held)
    return found


def live(scope: Scope, devices: Collection[str]) -> set[Held]:
    """What these devices have, and the routing rules that networkd made; one question of the kernel for each kind."""
    found = set()
    for link in _ask(scope, "address", "show"):
        found |= {
            Held("address", link["ifname"], (f"{one['local']}/{one['prefixlen']}",))
            for one in link.get("addr_info", ())
            if link.get("ifname") in devices
        }
    for route in _ask(scope, "route", "show", "table", "all", "proto", str(STATIC)):
        if route.get("dev") in devices:
            place = (route["dst"], route.get("gateway", ""), str(route.get("table", TABLES["main"])))
            found.add(Held("route", route["dev"], place))
    for rule in _ask(scope, "rule", "show"):
        if str(rule.get("protocol")) == str(STATIC):
            source = "" if rule["src"] == "all" else f"{rule['src']}/{rule.get('srclen', 32)}"
            mark = "/".join(str(rule[name]) for name in ("fwmark", "fwmask") if name in rule)
            found.add(Held("rule", "", (str(rule["priority"]), source, mark, rule.get("iif", ""), rule.get("oif", ""))))
    return found


def _ask(scope: Scope, *words: str) -> list[dict[str, Any]]:
    result = scope.attempt_in_network(["ip", "-N", "-json", "-4", *words])
    try:
        return [one for one in json.loads(result.out or "[]") if one]
    except ValueError as error:
        raise DeployError(f"`ip {' '.join(words)}` gave no JSON{scope.suffix}: {error}.") from error


def compare(batch: Batch) -> tuple[list[Held], list[Held]]:
    """What the files say of links that are there and the kernel lacks, and what these have that no file says any more,
    in an order in which it can go: routes need addresses."""
    says = wanted(batch)
    present = says.keys() & batch.scope.devices()
    there = live(batch.scope, present)
    missing = {one for device in present for one in says[device]} - there
    stale = there - {one for held in says.values() for one in held}
    return sorted(missing), sorted(stale, key=lambda one: (("rule", "route", "address").index(one.kind), one))


def delete(scope: Scope, gone: Iterable[Held]) -> None:
    """Take them from the kernel. What went with something else, a route with its address for instance, is no fault."""
    scope.attempt_in_network(["ip", "-4", "-force", "-batch", "-"], "".join(f"{one.deletion}\n" for one in gone))


def difference(scope: Scope, device: str) -> Optional[str]:
    """Why a link of a machine is not as the installed files say, in words; None if it is, or not there."""
    lacks, has = ([one for one in held if one.device in ("", device)] for held in compare(Batch(scope, simulate=False)))
    if lacks:
        return f"there is no {lacks[0].words}{scope.suffix}"
    return f"there still is {has[0].words}{scope.suffix}" if has else None
