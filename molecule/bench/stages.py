"""Plan and render one generated fabric in this process and say what each step took: `python -m bench.stages VPCS`.

With --profile the functions that took most are printed instead.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.model import parse
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import check
from ansible_collections.weft.vpc.tests.tools.scale import scale

T = TypeVar("T")
STEPS = ("parse", "rules", "allocate", "plan", "render")
INSTANCES_OF_VPC = 10
NOW, REST = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)


class Clock:
    """CPU seconds by step: the load of the computer hardly touches them, as it does wall-clock time."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, step: str, work: Callable[[], T]) -> T:
        before = time.process_time()
        done = work()
        self.seconds[step] = time.process_time() - before
        return done


def run(vpcs: int) -> dict[str, float]:
    """Take a fabric of so many VPCs through all steps: seconds of each, `total`, and `mebibytes`, the peak."""
    variables, hosts = scale(vpcs, INSTANCES_OF_VPC, hosts=max(vpcs, 10))
    clock = Clock()
    intent = clock.time("parse", lambda: parse(variables, hosts))
    if findings := clock.time("rules", lambda: check(intent)):
        raise SystemExit(f"the generated fabric is wrong: {findings[0]}")
    allocation = clock.time("allocate", lambda: allocate(Ledger("scale"), list(requests(intent)), NOW, REST))
    inventory = dict.fromkeys(hosts.by_name)
    plan = clock.time("plan", lambda: make_plan(intent, allocation.values, "", inventory))
    # A host's files are not kept: they are sent to it before the next one's are made.
    clock.time("render", lambda: [len(render(slice_)) for slice_ in plan.hosts.values()])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**clock.seconds, "total": sum(clock.seconds.values()), "mebibytes": peak}


def main() -> None:
    """Print the numbers as JSON, or the profile."""
    parser = argparse.ArgumentParser(prog="bench.stages", description=__doc__)
    parser.add_argument("vpcs", type=int)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if not options.profile:
        print(json.dumps(run(options.vpcs)))
        return
    profile = cProfile.Profile()
    profile.runcall(run, options.vpcs)
    pstats.Stats(profile).sort_stats("tottime").print_stats(35)


if __name__ == "__main__":
    main()
