"""What make's lists have in them: nothing is left out of the one for nights, and each lane is a target."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from lanes.runner import parse

ROOT = Path(__file__).resolve().parents[3]
#: What a night has in another, deeper form.
DEEPER = {"unit": "deep-unit", "kills": "all-kills"}
SCENARIOS = {f"molecule-{path.parent.name}" for path in ROOT.glob("molecule/*/molecule.yml")}


def dry_run(*targets: str) -> str:
    """What make would do."""
    mine = {name: value for name, value in os.environ.items() if name not in ("SCENARIOS", "MAKEFLAGS", "JOBS")}
    command = ["make", "--dry-run", "--no-print-directory", *targets]
    return subprocess.run(command, cwd=ROOT, env=mine, check=True, stdout=subprocess.PIPE, text=True).stdout


def words(target: str) -> list[str]:
    (line,) = (line for line in dry_run(target).splitlines() if "tools/lanes" in line)
    return [word for word in line.partition("tools/lanes")[2].split() if ":" in word]


def lanes(target: str) -> set[str]:
    return {parse(word).name for word in words(target)}


@pytest.mark.parametrize("target", ["change", "night", "test"])
def test_every_lane_is_a_target_and_is_there_once(target: str) -> None:
    listed = [parse(word) for word in words(target)]

    assert len({lane.name for lane in listed}) == len(listed)
    assert dry_run(*(lane.name for lane in listed))
    named = {name for lane in listed for name in lane.apart}
    assert named <= {lane.name for lane in listed}, "a lane that is not there keeps nothing apart"


def test_what_a_change_must_pass() -> None:
    always = {"check", "unit", "oldest", "packets", "kills", "debian-kernel"}

    assert lanes("change") == always | {"molecule-prune", "molecule-walkthrough"}


def test_a_night_has_all_that_a_change_has_and_every_scenario() -> None:
    assert {DEEPER.get(name, name) for name in lanes("change")} <= lanes("night")
    assert {"molecule-edge", "molecule-walkthrough"} <= SCENARIOS <= lanes("night")
    assert {"debian-kernel-stock", "packets-trixie", "bench-quick"} <= lanes("night")


def test_a_flaky_test_fails_nights_only() -> None:
    assert "--strict" in dry_run("night")
    assert "--strict" not in dry_run("change") + dry_run("test")


def test_only_packets_and_kills_are_repeated() -> None:
    targets = ("unit", "packets", "kills", "debian-kernel", "check", "molecule-edge")

    assert {name for name in targets if "--reruns" in dry_run(name)} == {"packets", "kills"}


def test_nothing_is_left_out_within_a_file() -> None:
    said = (ROOT / "Makefile").read_text() + (ROOT / ".ci/run").read_text()

    assert re.findall(r"--deselect|WEFT_WORLDS|\s-k\s", said) == []


def test_contributing_says_where_each_lane_is() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.partition("## Two lists")[2].partition("\n## ")[0]
    rows = dict.fromkeys(lanes("change") | lanes("night"), "")
    for line in table.splitlines():
        first = line.split("|")[1] if line.startswith("| `") else ""
        names = re.findall(r"`([a-z-]+)`", first)
        for name in names:
            rows[name if not name.startswith("-") else f"molecule{name}"] = line

    for name, line in rows.items():
        assert line, f"CONTRIBUTING.md has no row for {name}"
        change, night = line.split("|")[3:5]
        assert ("✔" in change, "✔" in night) == (name in lanes("change"), name in lanes("night")), name
