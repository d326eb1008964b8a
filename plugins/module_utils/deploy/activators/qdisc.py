# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traffic classes of a device: HTB, changed class by class while traffic flows."""

from __future__ import annotations

import re
from typing import NamedTuple, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Activator, Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

DIRECTORY = "/etc/weft/qos.d"
ROOT = "1:"
"""The handle of our qdisc at a device's root."""

_CLASS = re.compile(
    r"^class add dev \S+ parent (?P<parent>\S+) classid (?P<minor>\S+) htb rate (?P<rate>\d+)bit ceil (?P<ceil>\d+)bit "
)
_LEAF = re.compile(r"^qdisc add dev \S+ parent (?P<minor>\S+) handle ")
_QDISC = re.compile(r"^qdisc add dev \S+ root handle 1: htb ")
_SHOWN = re.compile(
    r"^class htb (?P<minor>\S+) (?:root|parent (?P<parent>\S+)) .*?rate (?P<rate>\S+) ceil (?P<ceil>\S+) ", re.MULTILINE
)
_RATE = re.compile(r"(\d+)([KMGT]?)bit")
_THOUSANDS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
SHOWN_DIGITS = 1000
"""tc shows a rate cut off after at least three digits."""


class Class(NamedTuple):
    """A class as it should be or is; rates in bits per second, the parent ``1:`` at the root."""

    parent: str
    rate: int
    ceil: int


class Classes:
    """The file of one device."""

    def __init__(self, text: str) -> None:
        self.root = ""
        self.lines: dict[str, str] = {}
        self.leaves: dict[str, str] = {}
        self.wanted: dict[str, Class] = {}
        for line in filter(None, (each.strip() for each in text.splitlines())):
            self._read(line)

    def _read(self, line: str) -> None:
        found = _CLASS.match(line)
        if found is not None:
            self.lines[found["minor"]] = line
            self.wanted[found["minor"]] = Class(found["parent"], int(found["rate"]), int(found["ceil"]))
            return
        leaf = _LEAF.match(line)
        if leaf is not None:
            self.leaves[leaf["minor"]] = line
        elif _QDISC.match(line):
            self.root = line
        else:
            raise DeployError(f"The line {line!r} of a file in {DIRECTORY} is none that it can have.")

    @property
    def whole(self) -> list[str]:
        """All statements, for a device that has none of it."""
        return [self.root, *(line for minor in self.wanted for line in self._of(minor))]

    def _of(self, minor: str) -> list[str]:
        return [self.lines[minor], *([self.leaves[minor]] if minor in self.leaves else [])]

    def difference(self, device: str, live: dict[str, Class]) -> list[str]:
        """The statements that turn the live classes into the wanted ones; all others go on as they are."""
        # A class cannot move to another parent.
        stays = {minor for minor, one in self.wanted.items() if minor in live and live[minor].parent == one.parent}
        # None goes before those inside it do.
        gone = sorted(live.keys() - stays, key=lambda minor: (live[minor].parent == ROOT, minor))
        statements = [f"class delete dev {device} classid {minor}" for minor in gone]
        for minor, one in self.wanted.items():
            if minor not in stays:
                statements += self._of(minor)
            elif not same(one, live[minor]):
                statements.append(self.lines[minor].replace("class add ", "class change ", 1))
        return statements


def same(wanted: Class, live: Class) -> bool:
    """True if the live class is the wanted one, as exactly as tc shows it."""
    return wanted.parent == live.parent and all(
        abs(one - other) <= one // SHOWN_DIGITS for one, other in ((wanted.rate, live.rate), (wanted.ceil, live.ceil))
    )


def _bits(shown: str) -> int:
    match = _RATE.fullmatch(shown)
    return int(match[1]) * _THOUSANDS[match[2]] if match else -1


def live_classes(device: str, scope: Scope) -> Optional[dict[str, Class]]:
    """The classes of a device; None if its root is not ours."""
    if not re.search(r"^qdisc htb 1: root ", _tc(["qdisc", "show", "dev", device], scope), re.MULTILINE):
        return None
    return {
        found["minor"]: Class(found["parent"] or ROOT, _bits(found["rate"]), _bits(found["ceil"]))
        for found in _SHOWN.finditer(_tc(["class", "show", "dev", device], scope))
    }


def _tc(arguments: list[str], scope: Scope, stdin: str = "") -> str:
    argv = ["tc", *arguments]
    result = scope.attempt_in_network(argv, stdin)
    if result.status:
        raise CommandError(argv, f"{result.message}{scope.suffix}")
    return result.out


class Qdisc(Activator):
    """The classes of one device, from its one file in /etc/weft/qos.d."""

    kind = "qdisc"
    rank = 1
    identity = ("device",)

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        device, scope = step.activation["device"], batch.scope
        if not (step.full or batch.touched(step.files)) or device not in scope.devices():
            return []
        wanted = Classes("".join(batch.text(path) for path in sorted(step.files)))
        return [Work(f"shape the traffic of {device}{scope.suffix}", lambda: _shape(device, wanted, scope))]

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        if device not in scope.devices():
            # Whoever makes the device gives it its classes.
            return None
        found = [scope.tree.look(path) for path in sorted(step.files)]
        wanted = Classes("".join(each.text for each in found if each is not None)).wanted
        live = live_classes(device, scope)
        if live is None:
            return f"the traffic of {device} is not shaped{scope.suffix}"
        wrong = sorted(one for one in {*wanted, *live} if one not in wanted or one not in live)
        wrong = wrong or sorted(one for one in wanted if not same(wanted[one], live[one]))
        return f"the traffic class {wrong[0]} of {device} is not as it should be{scope.suffix}" if wrong else None

    def remove(self, step: Step, batch: Batch) -> list[Work]:
        device, scope = step.activation["device"], batch.scope
        if device not in scope.devices():
            return []
        return [Work(f"end the shaping of {device}{scope.suffix}", lambda: _end(device, scope))]


def _shape(device: str, wanted: Classes, scope: Scope) -> None:
    live = live_classes(device, scope)
    if live is None:
        statements = wanted.whole
        _end(device, scope)
    else:
        statements = wanted.difference(device, live)
    if statements:
        _tc(["-batch", "-"], scope, "".join(f"{statement}\n" for statement in statements))


def _end(device: str, scope: Scope) -> None:
    # A device that shapes nothing has nothing to delete.
    scope.attempt_in_network(["tc", "qdisc", "delete", "dev", device, "root"])
