# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Devices and links of systemd-networkd."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy import daemons
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators import links
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.addresses import announce
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import (
    Activator,
    Batch,
    Effect,
    Step,
    Work,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope, wait_for

DIRECTORY = "/etc/systemd/network"
RELOADED: Effect = ("systemd-networkd",)
"""A reload takes all files over that lie there."""
NAMED = 5
"""So many of the things that leave the kernel are named one by one."""
PATIENCE_SECONDS = 30.0
"""How long networkd may take for a device. All namespaces of a host change their devices one after the other."""


def master(device: str) -> Optional[str]:
    """The bridge that a device of the host is a port of."""
    try:
        return os.path.basename(os.readlink(f"/sys/class/net/{device}/master"))
    except OSError:
        return None


def _bridge(step: Step, scope: Scope) -> Optional[str]:
    """The bridge that the installed .network files put their device into."""
    for path in sorted(step.files):
        found = scope.tree.look(path)
        for line in (found.content or b"").decode(errors="replace").splitlines() if found else ():
            name, _sign, value = line.partition("=")
            if name.strip() == "Bridge":
                return value.strip()
    return None


def astray(step: Step, scope: Scope) -> Optional[str]:
    """Why a device is not in its bridge; None if it is, or needs none."""
    device, bridge = step.activation["device"], None if scope.machine else _bridge(step, scope)
    return None if bridge is None or master(device) == bridge else f"the device {device} is not a port of {bridge}"


def _planned(batch: Batch) -> Reload:
    reload: Reload = batch.shared.setdefault("networkd", Reload(batch.scope))
    return reload


def made(batch: Batch) -> set[str]:
    """Devices that networkd makes because of this batch."""
    return _planned(batch).made


class Reload:
    """One reload of networkd for all that a batch changes."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.done = False
        self.again: list[str] = []
        """Devices to be deleted, so that networkd makes them as their changed .netdev says."""
        self.made: set[str] = set()
        """Devices that come into being."""
        self.released: set[str] = set()
        """Ports that have left a bridge. networkd (252) takes such a port for a new device, and fails to put it into
        the bridge that its file still names and that has gone by then; a reload leaves a failed device alone."""
        self.restart = False
        """A reload is not enough: networkd (252) keeps what it knows of files that did not change, and with it its idea
        of a bridge that is no more; the ports of a bridge that was made anew would wait for the old one for ever."""

    def run(self) -> None:
        """Reload, the first time."""
        if self.done:
            return
        self.done = True
        for device in self.again:
            self.scope.attempt(["ip", "link", "delete", "dev", device])
        if self.restart:
            daemons.restart(daemons.NETWORKD, self.scope)
        else:
            daemons.ask(daemons.NETWORKD, ["networkctl", "reload"], self.scope)
        there = sorted(self.released & self.scope.devices())
        if there:
            daemons.ask(daemons.NETWORKD, ["networkctl", "reconfigure", *there], self.scope)


class _Networkd(Activator):
    """What networkd does once it is told to, in its own time."""

    # networkd (252) may miss a device, or wait for a bridge that is no more; it finds all when it starts.
    remedy = daemons.NETWORKD

    def effect(self, activation: Activation) -> Effect:
        return RELOADED

    def patience(self) -> float:
        return PATIENCE_SECONDS


class Netdev(_Networkd):
    """A device that networkd makes from a .netdev file; with the .network files that configure it."""

    kind = "netdev"
    rank = 1
    identity = ("device",)

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        return {activation["netdev"], *activation.get("network", ())}

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        device, reload = step.activation["device"], _planned(batch)
        if device not in batch.scope.devices():
            reload.made.add(device)
            # What networkd made before and somebody deleted is more than a reload can mend.
            reload.restart |= batch.new.get(step.activation["netdev"]) is None
            return [Work(f"create device {device}", reload.run)]
        if batch.touched([step.activation["netdev"]]):
            # networkd does not apply a changed .netdev to a device that exists.
            reload.made.add(device)
            reload.restart = True
            reload.again.append(device)
            return [Work(f"make device {device} anew", reload.run)]
        return reconfigure(step, batch)

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        if device not in scope.devices():
            return f"the device {device} does not exist{scope.suffix}"
        return astray(step, scope)

    def taken(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        if device in scope.devices():
            return f"a network device {device} exists that is not ours; remove or rename it"
        return None

    def remove(self, step: Step, batch: Batch) -> list[Work]:
        device = step.activation["device"]
        if device not in batch.scope.devices():
            return []
        return [Work(f"delete device {device}", lambda: _delete(device, batch.scope))]

    def removed(self, step: Step, batch: Batch) -> list[Work]:
        return _forget(batch)


def _delete(device: str, scope: Scope) -> None:
    # It may have gone with another one (a veth with its peer).
    if device in scope.devices():
        scope.run(["ip", "link", "delete", "dev", device])


def reconfigure(step: Step, batch: Batch) -> list[Work]:
    """Let networkd apply changed .network files, or put a device back where it belongs."""
    stray = step.full and step.activation["device"] in batch.scope.devices() and astray(step, batch.scope) is not None
    if not stray and not batch.touched(step.files):
        return []
    reload = _planned(batch)
    reload.restart |= stray
    if not batch.once("networkd reload"):
        return []
    lacks, gone = links.compare(batch) if batch.scope.machine and batch.scope.running else ([], [])
    come = [one for one in lacks if one.kind == "address"]
    works = [Work(f"reload systemd-networkd{batch.scope.suffix}", lambda: _arrive(reload, come, batch))]
    if gone:
        words = ", ".join(one.words for one in gone[:NAMED]) + (
            f" and {len(gone) - NAMED} more" if gone[NAMED:] else ""
        )
        works.append(Work(f"remove {words}{batch.scope.suffix}", lambda: _leave(batch)))
    return works


def _arrive(reload: Reload, come: list[links.Held], batch: Batch) -> None:
    """Let networkd apply the files, and tell the neighbours of new addresses: they may know an older owner's MAC."""
    reload.run()
    if come and wait_for(lambda: not set(come) & set(links.compare(batch)[0]), PATIENCE_SECONDS / 2):
        for one in come:
            announce([one.what[0].partition("/")[0]], one.device, batch.scope)


def _leave(batch: Batch) -> None:
    """What has left the files of a machine's links leaves the kernel, once all that is new is there."""
    wait_for(lambda: not links.compare(batch)[0], PATIENCE_SECONDS / 2)
    gone = links.compare(batch)[1]
    links.delete(batch.scope, gone)
    left = set(gone) & set(links.compare(batch)[1])
    if left:
        raise DeployError(f"The {min(left).words} could not be removed{batch.scope.suffix}.")


def _forgetting(batch: Batch) -> Reload:
    """The reload that lets networkd forget the files of a batch that are gone."""
    reload: Reload = batch.shared.setdefault("networkd's end", Reload(batch.scope))
    return reload


def _forget(batch: Batch) -> list[Work]:
    if not batch.once("networkd forgets"):
        return []
    return [Work(f"reload systemd-networkd{batch.scope.suffix}", _forgetting(batch).run)]


class Network(_Networkd):
    """A .network file for a device that somebody else makes: a NIC, or an instance's port."""

    kind = "network"
    rank = 1
    identity = ("device",)

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        return {path for path in activation.get("files", owned) if path.startswith(f"{DIRECTORY}/")}

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        return reconfigure(step, batch)

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        return astray(step, scope) if device in scope.devices() else None

    def unconfirmed(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        return links.difference(scope, device) if scope.machine else self.unhealthy(step, scope)

    def remove(self, step: Step, batch: Batch) -> list[Work]:
        device, bridge = step.activation["device"], _bridge(step, batch.scope)
        if bridge and master(device) == bridge:
            _forgetting(batch).released.add(device)
            return [Work(f"release device {device} from {bridge}", lambda: _release(device, batch.scope))]
        rules = _priorities(step, batch.scope) if batch.scope.running else []
        if rules:
            return [
                Work(f"delete the routing rules of {device}{batch.scope.suffix}", lambda: _drop(rules, batch.scope))
            ]
        return []

    def removed(self, step: Step, batch: Batch) -> list[Work]:
        return _forget(batch)


def _priorities(step: Step, scope: Scope) -> list[str]:
    """The routing rules of the installed .network files. networkd keeps them when their link goes."""
    texts = [
        (found.content or b"").decode(errors="replace") for found in map(scope.tree.look, sorted(step.files)) if found
    ]
    blocks = [block for text in texts for block in text.split("[")[1:] if block.startswith("RoutingPolicyRule]")]
    lines = [line.partition("=") for block in blocks for line in block.splitlines()]
    return [value.strip() for name, _sign, value in lines if name.strip() == "Priority"]


def _drop(priorities: list[str], scope: Scope) -> None:
    # What an earlier, interrupted run deleted is no fault.
    scope.attempt(["ip", "-4", "-force", "-batch", "-"], "".join(f"rule delete priority {one}\n" for one in priorities))


def _release(device: str, scope: Scope) -> None:
    if device in scope.devices():
        scope.run(["ip", "link", "set", "dev", device, "nomaster"])
