"""Lanes run side by side, each within its limit, and nothing of them is left when they are told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lanes.runner import Ended, Lane, Runner, parse

ROOT = Path(__file__).resolve().parents[3]


def run(scripts: dict[str, str], *lanes: Lane, jobs: int = 2, grace: float = 0.5) -> dict[str, Ended]:
    runner = Runner(lanes, jobs, lambda name: ["bash", "-c", scripts[name]], grace)
    return {ended.name: ended for ended in runner.run()}


def lane(name: str, limit: float = 30, apart: str = "") -> Lane:
    return Lane(name, limit, frozenset(apart.split()))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_output_has_its_lane_before_each_line(capfd: pytest.CaptureFixture[str]) -> None:
    ended = run({"one": "echo a; echo b >&2", "two": "echo c"}, lane("one"), lane("two"))

    said = capfd.readouterr().out.splitlines()
    assert {"one │ a", "one │ b", "two │ c"} <= set(said)
    assert not [line for line in said if not line.startswith(("one │ ", "two │ "))]
    assert [ended[name].status for name in ("one", "two")] == [0, 0]


def test_a_failing_lane_is_red_and_the_others_go_on() -> None:
    ended = run({"bad": "echo the reason; exit 3", "good": "true"}, lane("bad"), lane("good"), jobs=1)

    assert (ended["bad"].status, ended["bad"].why) == (1, "exit status 3")
    assert ended["bad"].last == "the reason\n"
    assert (ended["good"].status, ended["good"].why) == (0, "")


def test_a_lane_over_its_limit_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    deaf = f"trap '' INT; (trap '' INT; sleep 60) & echo $! >{child}; echo started; wait; sleep 60"

    begin = time.monotonic()
    ended = run({"slow": deaf}, lane("slow", limit=1))["slow"]

    assert time.monotonic() - begin < 20
    assert ended.status == 1 and ended.why.startswith("killed: over its limit")
    assert ended.last == "started\n"
    assert not alive(int(child.read_text()))


def test_a_lane_over_its_limit_may_clean_up(tmp_path: Path) -> None:
    clean = tmp_path / "clean"
    polite = f"trap 'touch {clean}; exit 1' INT; while true; do sleep 0.1; done"

    ended = run({"polite": polite}, lane("polite", limit=1), grace=20)["polite"]

    assert clean.exists() and ended.status == 1


def test_what_a_lane_leaves_behind_does_not_hold_it_up() -> None:
    """A daemon that still has the lane's output open."""
    begin = time.monotonic()
    ended = run({"one": "sleep 40 & disown; true"}, lane("one"))["one"]

    assert ended.status == 0 and time.monotonic() - begin < 30


def test_lanes_apart_never_run_beside_each_other(tmp_path: Path) -> None:
    """Of which only the one says so; a third runs beside either."""
    alone = f"mkdir {tmp_path}/one && sleep 0.7 && rmdir {tmp_path}/one"
    scripts = {"packets": alone, "check": alone, "unit": "sleep 0.2"}

    ended = run(scripts, lane("packets"), lane("check", apart="packets"), lane("unit"))
    assert [one.why for one in ended.values()] == ["", "", ""]

    beside = run(scripts, lane("packets"), lane("check"))
    assert sorted(one.status for one in beside.values()) == [0, 1], "the test would not see it"


def test_the_cpu_of_a_lane_is_that_of_its_children() -> None:
    # However busy the computer is: until it has used so much.
    busy = f"{sys.executable} -c 'import time\nwhile time.process_time() < 0.5: pass'; true"
    ended = run({"busy": busy, "idle": "sleep 1"}, lane("busy"), lane("idle"))

    assert ended["busy"].cpu > 0.3 > ended["idle"].cpu


PROGRAM = """
import sys
sys.path.insert(0, {molecule!r})
from lanes.runner import Lane, Runner
script = "trap 'touch {base}/$0.ended; exit 1' INT; echo $$ >{base}/$0.pid; while true; do sleep 0.1; done"
runner = Runner([Lane("a", 60), Lane("b", 60), Lane("c", 60)], 2, lambda name: ["bash", "-c", script, name], 5)
print(sorted(one.why for one in runner.run()), runner.stopping)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_lanes(tmp_path: Path, number: int) -> None:
    program = PROGRAM.format(molecule=str(ROOT / "molecule"), base=tmp_path)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 30
        while len(list(tmp_path.glob("*.pid"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.1)
        os.kill(process.pid, number)
        output, _nothing = process.communicate(timeout=30)

    assert output.splitlines()[-1] == "['ended with the run', 'ended with the run'] True"
    assert {path.name for path in tmp_path.iterdir()} == {"a.pid", "a.ended", "b.pid", "b.ended"}
    assert not [path for path in tmp_path.glob("*.pid") if alive(int(path.read_text()))]


def test_lanes_are_read_as_the_makefile_writes_them() -> None:
    assert parse("check:20:packets,kills") == Lane("check", 1200, frozenset({"packets", "kills"}))
    assert parse("unit:5") == Lane("unit", 300)
    for wrong in ("unit", "unit:", ":5", "unit:soon"):
        with pytest.raises(SystemExit, match="is no lane"):
            parse(wrong)
