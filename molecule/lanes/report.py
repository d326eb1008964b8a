"""What a run was: its slowest parts, its lanes, what was flaky, and what failed, with its own words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lanes.record import BEGUN, FAILED, FLAKY, Part
from lanes.runner import Ended

SLOWEST = 20


@dataclass(frozen=True)
class Run:
    """All that is known of a run; `cpu` are the seconds for which the computer's cores were busy, whoever used them."""

    seed: str
    seconds: float
    cpu: float
    parts: Sequence[Part]
    lanes: Sequence[Ended]

    @property
    def tests(self) -> list[Part]:
        return [part for part in self.parts if part.outcome != BEGUN and part.name != part.step]

    @property
    def steps(self) -> list[Part]:
        return [part for part in self.parts if part.name == part.step]

    @property
    def shown(self) -> list[Part]:
        """Tests, and the steps that are not made of tests."""
        with_tests = {(part.lane, part.step) for part in self.tests}
        return self.tests + [part for part in self.steps if (part.lane, part.step) not in with_tests]

    @property
    def flaky(self) -> list[Part]:
        return [part for part in self.parts if part.outcome == FLAKY]

    @property
    def failed(self) -> list[Part]:
        """The failed tests, and the failed steps in which no test failed."""
        tests = [part for part in self.tests if part.outcome == FAILED]
        told = {(part.lane, part.step) for part in tests}
        return tests + [
            part for part in self.steps if part.outcome == FAILED and (part.lane, part.step) not in told
        ]  # fmt: skip

    @property
    def unfinished(self) -> list[Part]:
        """Tests that began and of which nothing was heard again."""
        ended = {(part.lane, part.name) for part in self.tests}
        return [part for part in self.parts if part.outcome == BEGUN and (part.lane, part.name) not in ended]

    def good(self, strict: bool) -> bool:
        return not (any(lane.status for lane in self.lanes) or (strict and self.flaky))


def cpu_seconds() -> float:
    """For how long the computer's cores were busy since it was started."""
    first = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _wait, *rest = map(int, first)
    # The last two, guests' time, are within the first ones.
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")


def lines(run: Run, strict: bool) -> Iterator[str]:
    """The report, to be read at the end of the output: what matters most comes last."""
    yield f"── the slowest {SLOWEST} parts"
    for part in sorted(run.shown, key=lambda part: -part.seconds)[:SLOWEST]:
        yield f"{part.seconds:8.1f} s  {part.lane:<22} {part.name}"
    yield from _lanes(run)
    if run.flaky:
        yield "── flaky: failed, and passed when repeated"
        for part in run.flaky:
            yield from _told(run, part)
    for part in run.unfinished:
        yield f"── not finished: {part.lane}: {part.name}"
    for part in run.failed:
        yield f"── FAILED: {part.lane}: {part.name}"
        yield from _indented(part.text)
    silent = {lane.name for lane in run.lanes if lane.status} - {part.lane for part in run.failed}
    for lane in run.lanes:
        if lane.name in silent:
            yield f"── FAILED: {lane.name}: {lane.why}; its last lines:"
            yield from _indented(lane.last)
    yield _verdict(run, strict)


def _lanes(run: Run) -> Iterator[str]:
    whole = sum(lane.seconds for lane in run.lanes) or 1.0
    yield f"── {'lane':<22} {'wall':>7} {'share':>6} {'CPU':>7} {'tests':>6}"
    for lane in sorted(run.lanes, key=lambda lane: -lane.seconds):
        tests = sum(part.lane == lane.name for part in run.tests)
        shares = f"{lane.seconds:5.0f} s {lane.seconds / whole:6.0%} {lane.cpu:5.0f} s {tests:6}"
        yield f"   {lane.name:<22} {shares}  {lane.why or 'ok'}"


def _told(run: Run, part: Part) -> Iterator[str]:
    yield f"   {part.lane}: {part.name} (attempts: {part.attempts}; WEFT_SEED={part.seed or run.seed})"
    yield from _indented(part.text)


def _indented(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield f"   │ {line}"


def _verdict(run: Run, strict: bool) -> str:
    failed = [lane.name for lane in run.lanes if lane.status]
    words = [f"FAILED: {', '.join(failed)}"] if failed else []
    if strict and run.flaky:
        words.append(f"FAILED: {len(run.flaky)} flaky")
    busy = run.cpu / run.seconds / (os.cpu_count() or 1) if run.seconds else 0.0
    return f"── all: {'; '.join(words) or 'ok'} in {run.seconds:.0f} s, cores {busy:.0%} busy, WEFT_SEED={run.seed}"
