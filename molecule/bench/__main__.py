"""Measure everything, or the parts named, and write docs/performance.md: `python -m bench [PART...]`, see `make bench`.

With BENCH_QUICK=1 everything is smaller, and the page goes to .cache/bench, not to docs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import LAB, dataplane, groups, report, runs
from lab.paths import ROOT

PARTS = ("controller", "dataplane", "groups", "runs")
CACHE = ROOT / ".cache" / "bench"


def say(words: str) -> None:
    """One line of progress."""
    print(f"bench: {words}", flush=True)


def controller(sizes: list[int], repetitions: int) -> list[dict[str, Any]]:
    """Each size in fresh processes, so that the peak of memory is its own."""
    found = []
    for vpcs in sizes:
        say(f"controller: {vpcs:,} VPCs")
        command = [sys.executable, "-m", "bench.stages", str(vpcs)]
        outputs = [subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout for _ in range(repetitions)]
        found.append({"vpcs": vpcs, "runs": [json.loads(output) for output in outputs]})
    return found


def in_lab(lab: str, count: int, repetitions: int) -> dict[str, Any]:
    """What needs the lab."""
    say("bringing up a lab")
    bench = runs.Bench(lab)
    try:
        small = runs.small(bench, max(repetitions // 2, 1), say)
        return {"small": small, "large": runs.large(bench, count, repetitions, say)}
    finally:
        bench.lab.down()


def about(load: float) -> dict[str, Any]:
    """When and where this was measured."""
    cores = os.cpu_count() or 1
    system = f"{platform.system()} {platform.release()}, {cores} cores, Python {platform.python_version()}"
    date = datetime.now(UTC).strftime("%Y-%m-%d, %H:%M UTC")
    return {"date": date, "computer": system, "cores": cores, "load": [load, os.getloadavg()[0]]}


def main() -> None:
    """Measure, keep the results beside each other, and write the page if all of it is there."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--lab", default=os.environ.get("WEFT_LAB", LAB), help="id of the lab to use")
    parser.add_argument("--repetitions", type=int, help="how often each thing is measured, where the time is short")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    parts, quick = options.parts or PARTS, bool(os.environ.get("BENCH_QUICK"))
    CACHE.mkdir(parents=True, exist_ok=True)
    kept = CACHE / ("quick.json" if quick else "results.json")
    results: dict[str, Any] = json.loads(kept.read_text()) if options.parts and kept.exists() else {}
    for part in PARTS:
        if part in parts:
            load = os.getloadavg()[0]
            measured = _measured(part, options.lab, options.repetitions, quick=quick)
            results |= measured
            results.setdefault("about", {}).update(dict.fromkeys(measured, about(load)))
            kept.write_text(json.dumps(results))
    write(results, CACHE if quick else ROOT / "docs")


def _measured(part: str, lab: str, repetitions: int | None, *, quick: bool) -> dict[str, Any]:
    """One part, by what the page calls its sections."""
    if part == "controller":
        return {part: controller([30, 100] if quick else [100, 300, 1000], repetitions or (1 if quick else 3))}
    if part == "dataplane":
        sizes, seconds = ([10, 1000], 0.5) if quick else ([10, 1000, 10_000], 1.0)
        return {part: dataplane.run(sizes, repetitions or (2 if quick else 15), seconds, say)}
    if part == "groups":
        say("security groups, in the guest with Debian's kernel")
        return {part: groups.in_guest(repetitions or (2 if quick else 15), 0.5 if quick else 1.0)}
    return in_lab(lab, 1000 if quick else 10_000, repetitions or (2 if quick else 10))


def write(results: dict[str, Any], folder: Path) -> None:
    """The page and its figure."""
    (folder / "performance.md").write_text(report.document(results))
    (folder / "performance.svg").write_text(report.picture(results))
    say(f"{folder / 'performance.md'} written")


if __name__ == "__main__":
    main()
