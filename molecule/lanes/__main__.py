"""Run lanes side by side and report.

Usage: tools/lanes [--jobs N] [--strict] NAME:MINUTES[:OTHER,OTHER]..., as the Makefile lists them.
WEFT_SEED repeats what an earlier run drew at random. Programs read .cache/record.jsonl (parts) and .cache/run.json.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

from lanes import record, report, runner

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / ".cache" / "record.jsonl"


def command(lane: str) -> list[str]:
    return ["make", "--no-print-directory", lane]


def main(arguments: list[str]) -> int:
    """0 if every lane succeeded and, if it is strict, nothing was flaky."""
    parser = argparse.ArgumentParser(prog="tools/lanes")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--strict", action="store_true", help="a flaky test is a failure")
    parser.add_argument("lanes", nargs="+", type=runner.parse)
    options = parser.parse_args(arguments)
    seed = os.environ.get(record.SEED) or str(random.SystemRandom().randrange(10**6))
    os.environ |= {record.SEED: seed, record.RECORD: str(PLACE)}
    # It is for this program alone: what the lanes run finds its packages as everywhere.
    os.environ.pop("PYTHONPATH", None)
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.unlink(missing_ok=True)
    print(f"── WEFT_SEED={seed} repeats what this run draws at random", flush=True)
    begin, busy = time.monotonic(), report.cpu_seconds()
    work = runner.Runner(options.lanes, options.jobs, command)
    lanes = work.run()
    run = report.Run(seed, time.monotonic() - begin, report.cpu_seconds() - busy, record.read(PLACE), lanes)
    for line in report.lines(run, options.strict):
        print(line)
    # The run as a whole, for programs.
    whole = {"seed": seed, "seconds": run.seconds, "cpu": run.cpu, "lanes": [asdict(lane) for lane in lanes]}
    PLACE.with_name("run.json").write_text(json.dumps(whole, indent=2) + "\n")
    if work.stopping:
        print("── the run was told to end; what had not begun was left out")
    return 0 if run.good(options.strict) and not work.stopping else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
