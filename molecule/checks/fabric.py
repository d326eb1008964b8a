"""A fabric whose inventory a test may change, applied as often as it likes; and what one run did, host by host."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from checks import instances, play
from checks.cloud import Cloud
from lab.api import Lab
from lab.errors import LabError
from lab.paths import ROOT
from lab.shell import patient

WALKTHROUGH = ROOT / "inventories" / "walkthrough"
Intent = dict[str, Any]
SCENE = "bridge link; networkctl --no-pager list; systemctl --no-pager --failed; journalctl --no-pager -n 30"
IN_ROUTER = f"ip -br address; ps -e -o pid,args; {SCENE}"
#: Options that only change what a run says.
TALK = {"-v", "-vvv", "--diff"}
_TASK = re.compile(r"^TASK \[(.*)\]")
_RESULT = re.compile(r"^(ok|changed|fatal|failed): \[([^\]]+)\](?:: \S+)? => ")
_CHANGED = re.compile(r"changed=(\d+)")


@dataclass(frozen=True)
class Run:
    """A playbook run that ended."""

    status: int
    output: str

    @property
    def changed(self) -> int:
        """How many tasks changed something, on all hosts."""
        return sum(map(int, _CHANGED.findall(self.output)))

    def results(self, task: str = "Deploy") -> dict[tuple[str, str], dict[str, Any]]:
        """What tasks whose name starts like this returned, by task and host; asks for a run with `-v`."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        name, rest = "", self.output
        while rest:
            line, _newline, following = rest.partition("\n")
            if match := _TASK.match(line):
                name = match[1]
            elif (match := _RESULT.match(line)) and name.startswith(task):
                found[name, match[2]], _end = json.JSONDecoder().raw_decode(rest[match.end() :])
            rest = following
        return found

    def did(self) -> dict[str, dict[str, list[str]]]:
        """Files and actions of each host that a run changed, or would change."""
        found: dict[str, dict[str, list[str]]] = {}
        for task in ("Deploy", "Remove"):
            for (_task, host), result in self.results(task).items():
                if result.get("changed"):
                    mine = found.setdefault(host, {"files": [], "actions": []})
                    for what, names in mine.items():
                        names += result[what]
        return found


class Fabric:
    """A fabric in a lab, with a copy of its inventory; by default the walkthrough's."""

    def __init__(self, lab: Lab, state: Path, source: Path = WALKTHROUGH) -> None:
        self.lab, self.state, self.source, self.inventory = lab, state, source, state / "inventory"
        self._applied: dict[str, bytes] | None = None
        self.restore()

    @classmethod
    def of_scenario(cls) -> Fabric:
        """That of the Molecule scenario whose tests run."""
        lab = Lab()
        scenario = Path(os.environ["MOLECULE_SCENARIO_DIRECTORY"])
        return cls(lab, ROOT / ".cache" / "molecule" / lab.id, scenario / "inventory")

    @property
    def cloud(self) -> Cloud:
        """The cloud as the inventory has it now."""
        return Cloud(self.lab, self.inventory, self.state)

    def change(self, edit: Callable[[Intent], None]) -> None:
        path = self.inventory / "group_vars" / "all" / "fabric.yml"
        intent = yaml.safe_load(path.read_text())
        edit(intent)
        path.write_text(yaml.safe_dump(intent, sort_keys=False))

    def restore(self) -> None:
        """The intent as it was at first."""
        shutil.rmtree(self.inventory, ignore_errors=True)
        shutil.copytree(self.source, self.inventory)

    def try_run(
        self,
        *options: str,
        playbook: str = "site",
        env: Mapping[str, str] | None = None,
        collections: Path = play.COLLECTIONS,
    ) -> Run:
        """Run a playbook, whatever comes of it."""
        done = play.play(self.lab, playbook, self.inventory, self.state, options, env, collections)
        again = playbook == "site" and self.is_applied and set(options) <= TALK and collections == play.COLLECTIONS
        if done.returncode or not (again or "--check" in options):
            self._applied = None
        return Run(done.returncode, done.stdout)

    def run(self, *options: str, playbook: str = "site") -> Run:
        """Run a playbook that must succeed."""
        done = self.try_run(*options, playbook=playbook)
        if done.status:
            raise AssertionError(f"{playbook} failed with status {done.status}: {done.output[-3000:]}")
        return done

    def run_as_foretold(self, *options: str) -> Run:
        """A run that does exactly what check mode says it would, and leaves the next one nothing to do."""
        foretold = self.run("--check", "-v", *options).did()
        if not foretold:
            raise AssertionError("check mode foretold nothing")
        done = self.run("-v", *options)
        if (did := done.did()) != foretold:
            raise AssertionError(f"check mode foretold {foretold}, and the run did {did}")
        if changed := self.run().changed:
            raise AssertionError(f"a second run changed {changed}")
        return done

    def await_leases(self, seconds: float = 60.0) -> None:
        """Wait until every instance has an address again."""
        deadline = time.monotonic() + patient(seconds)
        while missing := [name for name, guest in self.cloud.guests.items() if not guest.leases().get("eth0")]:
            if time.monotonic() > deadline:
                raise AssertionError(f"no lease within {seconds:.0f} s for {', '.join(missing)}")
            time.sleep(0.5)

    def apply(self, *options: str) -> Cloud:
        """Make the hosts what the inventory says, and the instances, too."""
        self.run(*options)
        cloud = self.cloud
        try:
            instances.start(cloud)
        except LabError as error:
            raise AssertionError(f"{error}\n{self.scene()}") from error
        self._applied = self._files()
        return cloud

    @property
    def is_applied(self) -> bool:
        """Whether hosts and instances are what the inventory says, and no other run has come between."""
        return self._applied == self._files()

    def _files(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.inventory.rglob("*") if path.is_file()}

    def empty(self) -> None:
        """Take everything out of the intent, as foretold; the owners stop their instances."""

        def nothing(intent: Intent) -> None:
            for variable in intent.keys() - {"weft_fabric", "weft_tenants"}:
                intent[variable] = []

        self.change(nothing)
        self.run_as_foretold("-e", "weft_max_removal_percent=100")
        instances.start(self.cloud)

    def scene(self) -> str:
        """How bridges, links and services are now: what tells why an instance has no lease."""
        shown = [(node, SCENE, self.cloud.on(node, ["sh", "-c", SCENE])) for node in ("hv1", "hv2", "gw1")]
        for vpc in self.cloud.intent["weft_vpcs"]:
            node, prefix = self.lab.router(f"{vpc['name']}.{vpc['tenant']}")
            shown.append((vpc["name"], IN_ROUTER, self.lab.exec(node, [*prefix, "sh", "-c", IN_ROUTER])))
        return "\n".join(f"── {where}: {command}\n{done.stdout}{done.stderr}" for where, command, done in shown)


def drop(things: list[Intent], name: str) -> None:
    """Remove a named thing from a list of an intent."""
    (found,) = (one for one in things if one["name"] == name)
    things.remove(found)
