"""`make demo`: the walkthrough's cloud comes up in the lab, and its twelve steps are checked with packets."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from checks import instances, play, steps
from checks.cloud import Cloud
from checks.terminal import GREEN, RED, Terminal
from lab.api import DEFAULT_ID, Lab
from lab.errors import LabError
from lab.paths import ROOT

INVENTORY = ROOT / "inventories" / "walkthrough"
STAGES = 4
TAIL = 40
TASK = re.compile(r"^TASK \[(.*)\]")
RESULT = re.compile(r"^(ok|changed|failed|fatal|skipping|unreachable): \[([^\]]+)\]")
RECAP = re.compile(r"^(\S+)\s+: ok=\d+\s+changed=(\d+)")


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--lab", default=os.environ.get("LAB_ID") or DEFAULT_ID, metavar="ID", help="which lab")
    options = parser.parse_args(arguments)
    terminal = Terminal()
    try:
        return demonstrate(Lab(options.lab), terminal)
    except (DemoError, LabError) as error:
        terminal.line(terminal.paint(f"demo: {error}", RED))
        return 1
    except KeyboardInterrupt:
        terminal.line("demo: interrupted; run it again to go on from here.")
        return 130


def demonstrate(lab: Lab, terminal: Terminal) -> int:
    """All stages; 0 if every step passed."""
    state = ROOT / ".cache" / "demo" / lab.id
    state.mkdir(parents=True, exist_ok=True)
    with terminal.stage(1, STAGES, f"Lab '{lab.id}': hypervisors hv1 hv2, router nodes gw1 gw2, the world outside wan"):
        bring_up(lab, state)
        terminal.note("five machines are up")
    with terminal.stage(2, STAGES, "ansible-playbook -i inventories/walkthrough weft.vpc.site"):
        deploy(lab, state, terminal)
    cloud = Cloud(lab, INVENTORY, state)
    with terminal.stage(3, STAGES, "Instances: cards with the planned names and MACs, a real DHCP client in each"):
        terminal.now("waiting for leases")
        done = instances.start(cloud)
        terminal.note(", ".join(f"{len(names)} {what}" for what, names in done.items() if names))
    with terminal.stage(4, STAGES, "The walkthrough's twelve steps, with packets"):
        results = check(cloud, terminal)
    report(results, lab, state, terminal)
    return 0 if all(one.passed for one in results) else 1


def bring_up(lab: Lab, state: Path) -> None:
    """A lab that was taken down takes what the ledger knows of it along: a new one starts with a new ledger."""
    if not lab.paths.topology.exists():
        subprocess.run(["rm", "-rf", str(state)], check=True)
        state.mkdir(parents=True)
    lab.up()


def deploy(lab: Lab, state: Path, terminal: Terminal) -> None:
    """Run the playbook; its own words go to a log, a line per task to the terminal."""
    log = log_file(state)
    process = play.start(lab, "site", INVENTORY, state)
    assert process.stdout
    task, since, outcomes = "", time.monotonic(), Counter[str]()
    recap: dict[str, int] = {}

    def finish() -> None:
        if task and outcomes["changed"] + outcomes["ok"] + outcomes["failed"]:
            words = ", ".join(f"{outcomes[what]} {what}" for what in ("ok", "changed", "failed") if outcomes[what])
            terminal.note(f"{task[0].lower()}{task[1:]}: {words} ({time.monotonic() - since:.1f} s)")

    with log.open("w") as copy:
        for line in process.stdout:
            copy.write(line)
            if found := TASK.match(line):
                finish()
                task, since, outcomes = found[1], time.monotonic(), Counter()
                terminal.now(task)
            elif found := RESULT.match(line):
                outcomes["failed" if found[1] in ("fatal", "unreachable") else found[1]] += 1
            elif line.startswith("PLAY RECAP"):
                finish()
                task = ""
            elif found := RECAP.match(line):
                recap[found[1]] = int(found[2])
    if process.wait():
        tail = "".join(log.read_text().splitlines(keepends=True)[-TAIL:])
        raise DemoError(f"the playbook failed with status {process.returncode}; the end of {shown(log)}:\n{tail}")
    terminal.note("  ".join(f"{host} changed={count}" for host, count in sorted(recap.items())))


def check(cloud: Cloud, terminal: Terminal) -> list[steps.Result]:
    """Run all steps side by side; in their order."""
    results: list[steps.Result] = []
    terminal.now(f"0 of {len(steps.STEPS)} steps done")
    for one in steps.run_all(cloud):
        results.append(one)
        if not terminal.tty:
            terminal.note(f"step {one.step.number} ({one.step.title}): {'PASS' if one.passed else 'FAIL'}")
        terminal.now(f"{len(results)} of {len(steps.STEPS)} steps done, last {one.step.title}")
    return sorted(results, key=lambda one: one.step.number)


def report(results: list[steps.Result], lab: Lab, state: Path, terminal: Terminal) -> None:
    """The table, and what to do next."""
    rows = [(str(one.step.number), one.step.title, "PASS" if one.passed else "FAIL", one.seen) for one in results]
    terminal.line()
    terminal.table(("#", "step", "result", "seen"), rows)
    passed = sum(one.passed for one in results)
    words = f"{passed} of {len(results)} steps passed in {time.monotonic() - terminal.start:.0f} s"
    terminal.line()
    terminal.line(terminal.paint(words, GREEN if passed == len(results) else RED))
    cli = "bin/lab" if lab.id == DEFAULT_ID else f"bin/lab --lab {lab.id}"
    # In the guest the lab is reached from outside, and only so.
    cli = f"LAB_KERNEL=debian {cli}" if "LAB_GUEST" in os.environ else cli
    terminal.line(f"""
The lab stays up. To look around:
  {cli} status                                    machines and instances
  {cli} exec vpc-ins1 -- ping 192.168.21.2        an instance; without a command: a shell
  {cli} exec vpc-1 -- nft list table inet weft    the router of a VPC
  {cli} exec hv1 -- bridge fdb show               a hypervisor; gw1 is the routers' node
To change the cloud: edit inventories/walkthrough/group_vars/all/fabric.yml and 'make demo' again.
To take it down: {cli} down
Ansible's own words: {shown(log_file(state))}""")


def log_file(state: Path) -> Path:
    return state / "ansible.log"


def shown(path: Path) -> str:
    return os.path.relpath(path)


if __name__ == "__main__":
    sys.exit(main())
