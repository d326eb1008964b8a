# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Devices and links of systemd-networkd."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Activator, Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Activation
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

DIRECTORY = "/etc/systemd/network"


def master(device: str) -> Optional[str]:
    """The bridge that a device of the host is a port of."""
    try:
        return os.path.basename(os.readlink(f"/sys/class/net/{device}/master"))
    except OSError:
        return None


def ports(bridge: str) -> list[str]:
    """The ports of a bridge of the host."""
    try:
        return sorted(os.listdir(f"/sys/class/net/{bridge}/brif"))
    except OSError:
        return []


def _bridge(step: Step, scope: Scope) -> Optional[str]:
    """The bridge that the installed .network files put their device into."""
    for path in sorted(step.files):
        found = scope.tree.look(path)
        for line in (found.content or b"").decode().splitlines() if found else []:
            name, _, value = line.partition("=")
            if name.strip() == "Bridge":
                return value.strip()
    return None


def astray(device: str, step: Step, scope: Scope) -> Optional[str]:
    """Why a device is not in its bridge; None if it is, or needs none."""
    bridge = None if scope.machine else _bridge(step, scope)
    return None if bridge is None or master(device) == bridge else f"the device {device} is not a port of {bridge}"


def reload(batch: Batch) -> None:
    """Reload networkd once per batch, after the devices that are to be made anew are gone."""
    if not batch.once("networkd reloaded"):
        return
    again: list[str] = batch.shared.get("networkd again", [])
    orphans = [port for device in again for port in ports(device) if port not in again]
    for device in again:
        batch.scope.attempt(["ip", "link", "delete", "dev", device])
    batch.scope.run(["networkctl", "reload"])
    if orphans:
        # A port whose bridge vanished is not put into the new one by itself.
        batch.scope.run(["networkctl", "reconfigure", *orphans])


class Netdev(Activator):
    """A device that networkd makes from a .netdev file; with the .network files that configure it."""

    kind = "netdev"
    identity = ("device",)

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        return {activation["netdev"], *activation.get("network", ())}

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        device = step.activation["device"]
        if device not in batch.scope.devices():
            return [Work(f"create device {device}", lambda: reload(batch))]
        if batch.touched([step.activation["netdev"]]):
            # networkd does not apply a changed .netdev to a device that exists.
            batch.shared.setdefault("networkd again", []).append(device)
            return [Work(f"make device {device} anew", lambda: reload(batch))]
        if batch.touched(step.files) and batch.once("networkd reload planned"):
            return [Work("reload systemd-networkd", lambda: reload(batch))]
        return []

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        if device not in scope.devices():
            return f"the device {device} does not exist{scope.suffix}"
        return astray(device, step, scope)

    def patience(self) -> float:
        return 10.0

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
        return reload_after_removal(batch)


def _delete(device: str, scope: Scope) -> None:
    # It may have gone with another one (a veth with its peer).
    if device in scope.devices():
        scope.run(["ip", "link", "delete", "dev", device])


def reload_after_removal(batch: Batch) -> list[Work]:
    """One reload for all files of a batch that went."""
    if not batch.once("networkd forgets"):
        return []
    return [Work("reload systemd-networkd", lambda: reload(batch))]


class Network(Activator):
    """A .network file for a device that somebody else makes: a NIC, or an instance's port."""

    kind = "network"
    identity = ("device",)

    def files(self, activation: Activation, owned: Iterable[str]) -> set[str]:
        return {path for path in activation.get("files", owned) if path.startswith(f"{DIRECTORY}/")}

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        if (step.full or batch.touched(step.files)) and batch.once("networkd reload planned"):
            return [Work("reload systemd-networkd", lambda: reload(batch))]
        return []

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        device = step.activation["device"]
        return astray(device, step, scope) if device in scope.devices() else None

    def patience(self) -> float:
        return 10.0

    def remove(self, step: Step, batch: Batch) -> list[Work]:
        device, bridge = step.activation["device"], _bridge(step, batch.scope)
        if bridge and master(device) == bridge:
            return [Work(f"release device {device} from {bridge}", lambda: _release(device, batch.scope))]
        return []

    def removed(self, step: Step, batch: Batch) -> list[Work]:
        return reload_after_removal(batch)


def _release(device: str, scope: Scope) -> None:
    scope.run(["ip", "link", "set", "dev", device, "nomaster"])
