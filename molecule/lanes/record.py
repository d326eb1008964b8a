"""What a run did, one line of JSON for each part, in the file that WEFT_RECORD names.

A part is a test, or a step of make that has none (a check, a scenario). Many processes append to the file at once.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

RECORD, LANE, STEP, SEED = "WEFT_RECORD", "WEFT_LANE", "WEFT_STEP", "WEFT_SEED"
#: What became of a part; `begun` is said of a test when it begins, so that one that never ended has a name.
BEGUN, PASSED, SKIPPED, FLAKY, FAILED = "begun", "passed", "skipped", "flaky", "failed"
#: How many lines of an error are kept: it begins with what was tried, and ends with what came of it.
FIRST, LAST = 10, 30


@dataclass(frozen=True)
class Part:
    """One part of a run; `text` is what it said when it failed, if only once."""

    lane: str
    step: str
    name: str
    outcome: str
    seconds: float = 0.0
    attempts: int = 1
    seed: str = ""
    text: str = ""


def part(name: str, outcome: str, seconds: float = 0.0, attempts: int = 1, text: str = "", step: str = "") -> Part:
    """A part of the lane and step that this process belongs to."""
    seen = os.environ.get
    return Part(
        seen(LANE, ""), step or seen(STEP, ""), name, outcome, round(seconds, 2), attempts, seen(SEED, ""), text
    )


def append(one: Part) -> None:
    """Write it down, if a record is wanted."""
    take_over(json.dumps(asdict(one)) + "\n")


def take_over(lines: str) -> None:
    """Add lines of a record, such as one that was written elsewhere. One write at the end never mixes with another."""
    if not (place := os.environ.get(RECORD)):
        return
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    target = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(target, lines.encode())
    finally:
        os.close(target)


def read(place: Path) -> list[Part]:
    """All parts that were written down; a last line that a killed process left unfinished is none."""
    if not place.exists():
        return []
    return [Part(**json.loads(line)) for line in place.read_text().splitlines(keepends=True) if line.endswith("\n")]


def ends(lines: Iterable[str], first: int = FIRST, last: int = LAST) -> str:
    """The first and the last of some lines, with a word on what is left out."""
    kept = [line.rstrip("\n") for line in lines]
    left = len(kept) - first - last
    if left > 0:
        kept[first : len(kept) - last] = [f"… {left} lines …"]
    return "\n".join(kept)
