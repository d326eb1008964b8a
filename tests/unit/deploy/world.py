"""A host that has devices, units and machines, in memory and below a directory: enough for whole fabrics."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.engine import deploy
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render, scopes

Json = dict[str, Any]
LIBRARY = "ansible_collections.weft.vpc.plugins.module_utils.deploy"
NETWORK = "etc/systemd/network"


class World:
    """One host."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.state, self.lock = base / "root", base / "state", base / "lock"
        self.up: set[str] = set()
        self.devices: dict[str, set[str]] = {}
        self.root.mkdir(parents=True)
        self._patch(monkeypatch)

    def _patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def attempt(scope: Scope, argv: Sequence[str], stdin: str = "", timeout: float = 0) -> Result:
            return self.told(scope, list(argv))

        def idle(works: Callable[..., list[Work]]) -> Callable[..., list[Work]]:
            return lambda *arguments: [Work(one.text, lambda: None) for one in works(*arguments)]

        for name in ("attempt", "attempt_in_network", "attempt_in_empty_network", "attempt_check"):
            monkeypatch.setattr(Scope, name, attempt)
        monkeypatch.setattr(Scope, "_find_leader", lambda scope: self.leader(scope))
        monkeypatch.setattr(Scope, "wait_until_up", lambda scope: scope.forget())
        monkeypatch.setattr(Scope, "devices", lambda scope: set(self.devices.get(scope.name, ())))
        monkeypatch.setattr(f"{LIBRARY}.engine.find_leaders", lambda _scopes: None)
        monkeypatch.setattr(f"{LIBRARY}.activators.addresses.announce", lambda *_arguments: None)
        monkeypatch.setattr(f"{LIBRARY}.activators.networkd.announce", lambda *_arguments: None)
        monkeypatch.setattr(f"{LIBRARY}.activators.networkd.links.compare", lambda _batch: ([], []))
        monkeypatch.setattr(f"{LIBRARY}.activators.networkd.master", self.master)
        monkeypatch.setattr(f"{LIBRARY}.activators.fdb.master", self.master)
        monkeypatch.setattr(f"{LIBRARY}.comparison.unhealthy", lambda _steps, _scope: ())
        monkeypatch.setattr(f"{LIBRARY}.part.Part.confirm", lambda _part: None)
        for module, name in (("part", "flow_works"), ("part", "group_works"), ("removal", "group_works")):
            here = f"{LIBRARY}.{module}.{name}"
            monkeypatch.setattr(here, idle(pytest.importorskip(f"{LIBRARY}.{module}").__dict__[name]))

    def leader(self, scope: Scope) -> int | None:
        return 1 if not scope.machine else 1000 if scope.spec.unit in self.up else None

    def text(self, pattern: str) -> Iterable[str]:
        return (path.read_text() for path in sorted(self.root.glob(pattern)))

    def master(self, device: str) -> str | None:
        for text in self.text(f"{NETWORK}/*.network"):
            if re.search(rf"^Name={re.escape(device)}$", text, re.MULTILINE):
                found = re.search(r"^Bridge=(\S+)", text, re.MULTILINE)
                return found[1] if found else None
        return None

    def told(self, scope: Scope, argv: list[str]) -> Result:
        """What a command does here, and says."""
        here = self.devices.setdefault(scope.name, set())
        if argv[:2] == ["ip", "link"] and "delete" in argv:
            here.discard(argv[-1])
        elif "networkctl" in argv or argv[-1] == "systemd-networkd.service":
            self._make(scope)
        elif argv[0] == "systemctl":
            return self._systemctl(scope, argv)
        elif argv[:2] == ["/bin/sh", "-c"] and not scope.machine:
            self._shell(argv[2])
        return Result(0, "", "")

    def _make(self, scope: Scope) -> None:
        """networkd makes the devices of its files."""
        if not scope.machine:
            for text in self.text(f"{NETWORK}/*.netdev"):
                self.devices["host"] |= set(re.findall(r"^Name=(\S+)", text, re.MULTILINE))

    def _shell(self, command: str) -> None:
        if found := re.search(r"install -d -m 0755 (\S+)", command):
            Path(f"{self.root}{found[1]}").mkdir(parents=True, exist_ok=True)
        elif found := re.search(r"build-router-image.py /etc/weft/images/(\S+).json", command):
            (self.root / "var/lib/weft/images" / found[1]).mkdir(parents=True, exist_ok=True)
        elif found := re.search(r"rm -rf --one-file-system (\S+)", command):
            shutil.rmtree(f"{self.root}{found[1]}", ignore_errors=True)
        elif found := re.search(r"router-remount (\S+)", command):
            running = f"weft-router@{found[1]}.service" in self.up
            self._stop(f"weft-router@{found[1]}.service")
            if running:
                self._start(f"weft-router@{found[1]}.service")

    def _systemctl(self, scope: Scope, argv: list[str]) -> Result:
        verb, unit = argv[1], argv[-1]
        name = unit if not scope.machine else f"{scope.name} {unit}"
        if verb == "show":
            state = "active" if name in self.up else "inactive"
            return Result(0, state if "--value" in argv else f"ActiveState={state}\n", "")
        if verb in ("start", "restart", "reload"):
            self._start(name)
        elif verb == "stop":
            self._stop(name)
        return Result(0, "", "")

    def _start(self, unit: str) -> None:
        if unit in self.up:
            return
        self.up.add(unit)
        if found := re.fullmatch(r"weft-root@(\S+)\.service", unit):
            (self.root / "var/lib/weft/routers" / found[1] / "root/usr").mkdir(parents=True, exist_ok=True)
        elif inside := re.fullmatch(r"weft-router@(\S+)\.service", unit):
            wanted = self.root.glob(f"var/lib/weft/routers/{inside[1]}/root/etc/systemd/system/*.wants/*")
            self.up |= {f"router:{inside[1]} {path.name}" for path in wanted}
            for path in (self.root / f"etc/systemd/system/{unit}.wants").glob("weft-link-*"):
                self._start(path.name)
        elif unit.startswith("weft-link-"):
            self._link(unit, set.add)

    def _stop(self, unit: str) -> None:
        if unit not in self.up:
            return
        self.up.discard(unit)
        if found := re.fullmatch(r"weft-root@(\S+)\.service", unit):
            self._stop(f"weft-router@{found[1]}.service")
            # What it wrote is there again when it is mounted again.
            shutil.rmtree(self.root / "var/lib/weft/routers" / found[1] / "root/usr", ignore_errors=True)
        elif found := re.fullmatch(r"weft-router@(\S+)\.service", unit):
            for each in [one for one in self.up if one.startswith("weft-link-")]:
                if f"BindsTo={unit}" in (self.root / "etc/systemd/system" / each).read_text():
                    self._stop(each)
            self.up -= {one for one in self.up if one.startswith(f"router:{found[1]} ")}
        elif unit.startswith("weft-link-"):
            self._link(unit, set.discard)

    def _link(self, unit: str, act: Callable[[set[str], str], None]) -> None:
        text = (self.root / "etc/systemd/system" / unit).read_text()
        found = re.search(r"router-link up (\S+) \S+ (\S+) (\S+)", text)
        assert found, text
        act(self.devices.setdefault("host", set()), found[2])
        act(self.devices.setdefault(f"router:{found[1]}", set()), found[3])

    def call(self, slice_: Json, phase: str, *, check: bool) -> tuple[list[str], list[str]]:
        """What one call did, or in check mode would do: files and actions."""
        items, tokens = render(slice_), set()
        for file in (file for item in items for file in item["files"]):
            tokens |= set(file.get("tokens", ()))
            if file.pop("digest", None):
                file["content"] = "a secret\n"
        places = scopes(slice_)
        for scope in places:
            scope["root"] = f"{self.root}{scope['root']}".rstrip("/")
        payload = {"fabric": slice_["fabric"], "phase": phase, "scopes": places, "items": items}
        payload |= {"secrets": dict.fromkeys(tokens, "sesame"), "max_removal_percent": 100}
        done = deploy(payload, check, str(self.state), str(self.lock)).to_json()
        return done["files"], done["actions"]
