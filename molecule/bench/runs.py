"""Runs of `site` in the lab against an Ansible ping of the same hosts, and what a running flow notices of them."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checks import play
from checks.fabric import Fabric, Intent
from checks.streams import Background

from bench import PACKAGE
from lab.api import Lab
from lab.paths import ROOT

#: A range of its own for the many, so that the walkthrough's addresses are what they always are.
MANY = {"start": "10.172.64.0", "end": "10.172.127.255"}
EXTRA = "zz-extra"
Times = dict[str, list[float]]


class Bench:
    """The walkthrough's fabric in a lab of its own."""

    def __init__(self, lab: str) -> None:
        state = ROOT / ".cache" / "bench" / lab
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        self.lab = Lab(lab)
        self.lab.down()
        self.lab.up()
        self.fabric = Fabric(self.lab, state)
        self.fabric.apply()

    def ping(self, hosts: str) -> float:
        """Seconds of `ansible -m ping`."""
        program = str(Path(sys.executable).with_name("ansible"))
        command = [program, "-i", str(self.fabric.inventory), hosts, "-m", "ansible.builtin.ping"]
        start = time.monotonic()
        done = self.lab.controller(command, env=play.environment(), cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"the hosts of the lab cannot be reached: {done.stdout[-500:]}")
        return time.monotonic() - start

    def site(self, *, changes: bool) -> float:
        """Seconds of a run of `site`, of which it is known whether it changes something."""
        start = time.monotonic()
        run = self.fabric.run()
        if (run.changed > 0) != changes:
            raise SystemExit(f"a run changed {run.changed} things: {run.output[-1000:]}")
        return time.monotonic() - start

    def with_extra(self, *, there: bool) -> None:
        """Add one elastic IP to the first VPC, or take it out."""

        def edit(intent: Intent) -> None:
            wanted: list[dict[str, Any]] = intent["weft_vpcs"][0]["elastic_ips"]
            wanted[:] = [one for one in wanted if one["name"] != EXTRA]
            if there:
                wanted.append({"name": EXTRA, "network": "L3-public", "target": "vpc-ins3"})

        self.fabric.change(edit)

    def with_many(self, count: int) -> None:
        """Give the first VPC so many elastic IPs, spread over its instances."""

        def edit(intent: Intent) -> None:
            intent["weft_provider_networks"][0]["ip_ranges"].append(MANY)
            intent["weft_tenants"][0].pop("quotas", None)
            targets = [one["name"] for one in intent["weft_instances"] if one["tenant"] == "admin"]
            intent["weft_vpcs"][0]["elastic_ips"] += [
                {"name": f"many-{number:05}", "network": "L3-public", "target": targets[number % len(targets)]}
                for number in range(count)
            ]

        self.fabric.change(edit)

    def noticed(self, run: Callable[[], float]) -> dict[str, float]:
        """What a flow through an elastic IP notices of a run, and the `seconds` that the run took."""
        target = self.fabric.cloud.public("vpc-1", "eip-a", "elastic_ip")
        script = (PACKAGE / "flow.py").read_text()
        with Background(self.fabric.cloud, "wan", ["python3", "-c", script, target]) as flow:
            seconds = run()
        return {**json.loads(flow.report), "seconds": seconds}


def small(bench: Bench, repetitions: int, say: Callable[[str], None]) -> Times:
    """On the walkthrough as it is: a ping of all hosts, a run that changes nothing, one that adds an elastic IP."""
    times: Times = {"ping": [], "nothing": [], "one": []}
    for number in range(repetitions):
        say(f"runs on the walkthrough, {number + 1} of {repetitions}")
        times["ping"].append(bench.ping("all"))
        times["nothing"].append(bench.site(changes=False))
        bench.with_extra(there=True)
        times["one"].append(bench.site(changes=True))
        bench.with_extra(there=False)
        bench.site(changes=True)
    return times


def large(bench: Bench, count: int, repetitions: int, say: Callable[[str], None]) -> dict[str, Any]:
    """One elastic IP among many: how long it takes, and what a running flow notices, with runs that change nothing
    beside it."""
    bench.with_many(count)
    say(f"giving a router {count:,} elastic IPs")
    found: dict[str, Any] = {"count": count, "first": bench.site(changes=True)}
    for name in ("ping", "nothing", "add", "remove"):
        found[name] = []
    for number in range(repetitions):
        say(f"one elastic IP among {count:,}, {number + 1} of {repetitions}")
        found["ping"].append(bench.noticed(lambda: bench.ping("gw1"))["seconds"])
        found["nothing"].append(bench.noticed(lambda: bench.site(changes=False)))
        bench.with_extra(there=True)
        found["add"].append(bench.noticed(lambda: bench.site(changes=True)))
        bench.with_extra(there=False)
        found["remove"].append(bench.noticed(lambda: bench.site(changes=True)))
    return found
