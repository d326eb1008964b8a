"""What is written down of tests and steps, and what the report makes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from lanes import record
from lanes.record import Part
from lanes.report import Run, lines
from lanes.runner import Ended

ROOT = Path(__file__).resolve().parents[3]
CONFTEST = """
import pytest
from lanes import plugin

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    plugin.register(config)
"""
TESTS = """
import os, pathlib
import pytest
from hypothesis import given, settings, strategies as st

def test_good(): pass

def test_bad():
    assert [1, 2] == [1, 3], "the reason"

@pytest.mark.skip(reason="not now")
def test_skipped(): pass

def test_flaky(pytestconfig):
    mark = pytestconfig.rootpath / "tried"
    tried, _ = mark.exists(), mark.touch()
    assert tried, "the first time"

@settings(max_examples=20, database=None, derandomize=False)
@given(st.integers())
def test_drawn(number):
    with open("drawn", "a") as file:
        file.write(f"{number}\\n")
"""


def run_pytest(base: Path, seed: str, *options: str, tests: str = TESTS) -> tuple[str, dict[str, list[Part]]]:
    """The output, and what was written down of each test."""
    (base / "conftest.py").write_text(CONFTEST)
    (base / "test_it.py").write_text(tests)
    (base / "pytest.ini").write_text("[pytest]\n")
    place = base / "record.jsonl"
    settings = {"WEFT_RECORD": str(place), "WEFT_LANE": "lane", "WEFT_STEP": "step", "WEFT_SEED": seed}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "WEFT_"))}
    environment = {**inherited, **settings, "PYTHONPATH": str(ROOT / "molecule")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=base, env=environment, stdout=subprocess.PIPE, text=True)
    parts: dict[str, list[Part]] = {}
    for part in record.read(place):
        parts.setdefault(part.name.rpartition("::")[2], []).append(part)
    return done.stdout, parts


@pytest.mark.parametrize("options", [[], ["-n2"]], ids=["alone", "workers"])
def test_each_test_is_written_down_once(tmp_path: Path, options: list[str]) -> None:
    output, parts = run_pytest(tmp_path, "7", "--reruns=1", *options)

    assert {name: [part.outcome for part in found] for name, found in parts.items()} == {
        "test_good": ["begun", "passed"],
        "test_bad": ["begun", "failed"],
        "test_skipped": ["begun", "skipped"],
        "test_flaky": ["begun", "flaky"],
        "test_drawn": ["begun", "passed"],
    }
    bad, flaky = parts["test_bad"][1], parts["test_flaky"][1]
    assert (bad.lane, bad.step, bad.seed, bad.attempts) == ("lane", "step", "7", 2)
    assert (flaky.attempts, parts["test_good"][1].attempts) == (2, 1)
    assert "the reason" in bad.text and "the first time" in flaky.text
    assert "REPEATED after a failure: test_it.py::test_flaky" in output


def test_without_repetition_a_flaky_test_fails(tmp_path: Path) -> None:
    _output, parts = run_pytest(tmp_path, "7")

    assert [part.outcome for part in parts["test_flaky"]] == ["begun", "failed"]


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    drawn = []
    for number, seed in enumerate(("7", "7", "8")):
        base = tmp_path / str(number)
        base.mkdir()
        run_pytest(base, seed, "-k", "drawn")
        drawn.append((base / "drawn").read_text())

    assert drawn[0] == drawn[1] != drawn[2]


def test_a_file_that_cannot_be_read_is_a_failed_part(tmp_path: Path) -> None:
    _output, parts = run_pytest(tmp_path, "7", tests="import nothing_of_this_name")

    (part,) = parts["test_it.py"]
    assert part.outcome == "failed" and "nothing_of_this_name" in part.text


def step(place: Path, name: str, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    recorded = {"WEFT_RECORD": str(place)} if place.name else {}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    mine = {key: value for key, value in os.environ.items() if not key.startswith("WEFT_")}
    return subprocess.run(
        [ROOT / "tools/step", name, "bash", "-c", script],
        cwd=ROOT, env={**mine, **recorded, "PATH": path, "WEFT_LANE": "check", **environment},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_step_is_written_down_with_its_last_words(tmp_path: Path) -> None:
    place = tmp_path / "record.jsonl"
    done = step(place, "types", "seq 100; echo no >&2; exit 4")
    step(place, "lint", "echo fine")

    bad, good = record.read(place)
    assert done.returncode == 4 and "FAILED with exit status 4" in done.stdout and "100\nno\n" in done.stdout
    assert (bad.lane, bad.step, bad.name, bad.outcome) == ("check", "types", "types", "failed")
    assert bad.text.startswith("… 61 lines …\n62\n") and bad.text.endswith("\n100\nno")
    assert (good.name, good.outcome, good.text) == ("lint", "passed", "")


def test_without_a_record_a_step_writes_none(tmp_path: Path) -> None:
    done = step(Path(), "types", "echo out; exit 4")

    assert done.returncode == 4 and "out\n" in done.stdout


def test_a_line_that_a_killed_process_left_is_no_part(tmp_path: Path) -> None:
    place = tmp_path / "record.jsonl"
    step(place, "lint", "true")
    with place.open("a") as file:
        file.write('{"lane": "check", "st')

    assert [part.name for part in record.read(place)] == ["lint"]


def test_a_record_of_another_machine_is_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, here = tmp_path / "there.jsonl", tmp_path / "here.jsonl"
    step(there, "lint", "true")
    step(here, "types", "true")

    monkeypatch.setenv("WEFT_RECORD", str(here))
    record.take_over(there.read_text())
    assert [part.name for part in record.read(here)] == ["types", "lint"]

    monkeypatch.delenv("WEFT_RECORD")
    record.take_over(there.read_text())
    assert len(record.read(here)) == 2


def test_the_first_and_the_last_lines_are_kept() -> None:
    assert record.ends(map(str, range(100)), 2, 1) == "0\n1\n… 97 lines …\n99"
    assert record.ends(map(str, range(3)), 2, 1) == "0\n1\n2"


# -- the report --------------------------------------------------------------------------------------------------------

GOOD = Part("unit", "unit", "t.py::quick", "passed", 1.5)
SLOW = Part("packets", "packets", "t.py::slow", "passed", 70.0)
FLAKY = Part("packets", "packets", "t.py::flaky", "flaky", 9.0, 2, "7", "only sometimes")
BAD = Part("packets", "packets", "t.py::bad", "failed", 2.0, 2, "7", "it began so\n… 50 lines …\nit ended so")
LANES = [Ended("unit", 0, 40.0, 60.0, "", ""), Ended("packets", 0, 60.0, 10.0, "", "")]


def told(*parts: Part, lanes: list[Ended] = LANES, strict: bool = False) -> list[str]:
    return list(lines(Run("7", 100.0, 50.0, parts, lanes), strict))


def test_the_report_of_a_good_run() -> None:
    said = told(
        GOOD, SLOW, Part("unit", "unit", "unit", "passed", 39.0), Part("check", "types", "types", "passed", 8.0)
    )

    # A step that is made of tests is no part beside them.
    assert [line.split()[-1] for line in said[1:4]] == ["t.py::slow", "types", "t.py::quick"]
    assert said[5].split() == ["packets", "60", "s", "60%", "10", "s", "1", "ok"]
    assert said[-1].startswith("── all: ok in 100 s, cores ") and said[-1].endswith("WEFT_SEED=7")
    assert Run("7", 100.0, 50.0, (GOOD,), LANES).good(strict=True)


def test_only_the_slowest_twenty_are_told() -> None:
    said = told(*(Part("unit", "unit", f"t.py::{number}", "passed", number) for number in range(30)))

    assert said[1].endswith("t.py::29") and said[20].endswith("t.py::10") and "wall" in said[21]


def test_what_failed_is_told_with_its_first_and_last_words() -> None:
    lanes = [LANES[0], Ended("packets", 1, 60.0, 10.0, "exit status 2", "make: *** [packets] Error 1\n")]
    step_too = Part("packets", "packets", "packets", "failed", 60.0, text="what pytest says at the end")
    said = told(GOOD, BAD, step_too, lanes=lanes)

    at = said.index("── FAILED: packets: t.py::bad")
    assert said[at + 1 : at + 4] == ["   │ it began so", "   │ … 50 lines …", "   │ it ended so"]
    assert not [line for line in said if "at the end" in line or "make: ***" in line]
    assert said[-1].startswith("── all: FAILED: packets in ")
    assert not Run("7", 100.0, 50.0, (BAD,), lanes).good(strict=False)


def test_a_lane_that_says_nothing_of_its_parts_is_told_with_its_last_lines() -> None:
    lanes = [LANES[0], Ended("packets", 1, 60.0, 10.0, "killed: over its limit of 1 minutes", "still\nwaiting\n")]
    said = told(Part("packets", "packets", "t.py::endless", "begun"), lanes=lanes)

    assert "── not finished: packets: t.py::endless" in said
    at = said.index("── FAILED: packets: killed: over its limit of 1 minutes; its last lines:")
    assert said[at + 1 : at + 3] == ["   │ still", "   │ waiting"]


def test_flaky_tests_fail_a_strict_run_only() -> None:
    loose, strict = told(GOOD, FLAKY), told(GOOD, FLAKY, strict=True)

    at = loose.index("   packets: t.py::flaky (attempts: 2; WEFT_SEED=7)")
    assert loose[at + 1] == "   │ only sometimes"
    assert loose[-1].startswith("── all: ok in ") and strict[-1].startswith("── all: FAILED: 1 flaky in ")
    run = Run("7", 100.0, 50.0, (GOOD, FLAKY), LANES)
    assert run.good(strict=False) and not run.good(strict=True)
