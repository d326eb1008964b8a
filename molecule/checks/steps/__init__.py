"""The twelve steps of the walkthrough, each a function: a short sentence of what was seen, or CheckFailedError."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from checks.cloud import Cloud
from checks.failure import CheckFailedError
from checks.steps import guests, overlay, public
from lab.errors import LabError


@dataclass(frozen=True)
class Step:
    """A step of the walkthrough: its number, what it is about, and its check."""

    number: int
    title: str
    check: Callable[[Cloud], str]


@dataclass(frozen=True)
class Result:
    """How a step went; `seen` is what was seen, or what was expected and seen instead."""

    step: Step
    passed: bool
    seen: str
    seconds: float


STEPS = (
    Step(1, "VNI 222, then the lowest free", overlay.segments),
    Step(2, "VTEP by CIDR", overlay.vteps),
    Step(3, "subnets are broadcast domains", overlay.broadcast_domains),
    Step(4, "instances of three subnets", guests.pings),
    Step(5, "DHCP, DNS, MTU", guests.leases),
    Step(6, "SNAT", public.source_nat),
    Step(7, "port forwards", public.port_forwards),
    Step(8, "load balancer", public.load_balancer),
    Step(9, "one VIP, several services", public.shared_address),
    Step(10, "two accounts", guests.accounts),
    Step(11, "custom route, black hole", guests.routes),
    Step(12, "elastic IPs", public.elastic_ips),
)
#: Probes mostly wait, but each starts a process in a machine.
AT_ONCE = 4


def run(cloud: Cloud, step: Step) -> Result:
    """Check one step."""
    start = time.monotonic()
    try:
        passed, seen = True, step.check(cloud)
    except (CheckFailedError, LabError, OSError, subprocess.SubprocessError, json.JSONDecodeError) as error:
        passed, seen = False, str(error)
    return Result(step, passed, seen, time.monotonic() - start)


def run_all(cloud: Cloud, steps: Iterable[Step] = STEPS) -> Iterator[Result]:
    """Check steps side by side; results come as they are ready."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for future in as_completed([pool.submit(run, cloud, step) for step in steps]):
            yield future.result()


def failures(cloud: Cloud, numbers: Iterable[int] = ()) -> list[str]:
    """Check all steps, or some by number; a line for each that failed."""
    wanted = set(numbers) or {step.number for step in STEPS}
    results = run_all(cloud, [step for step in STEPS if step.number in wanted])
    return [f"step {one.step.number} ({one.step.title}): {one.seen}" for one in results if not one.passed]
