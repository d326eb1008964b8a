"""What is ended is a machine's own, at the moment it is ended; whatever else has its number is left alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab import machine, pids
from lab.api import Lab
from lab.cgroups import Cgroup
from lab.paths import Paths

from .conftest import Start

Started = list["subprocess.Popen[bytes]"]
MACHINE = f"weftlab-pids-{os.getpid()}-hv1"
CALL = [*pids.NSPAWN, "--boot", f"--machine={MACHINE}", "init"]
KTHREADD = 2
# The first thread ends, another goes on.
HEADLESS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(600,)).start()
print(flush=True)
ctypes.CDLL(None).syscall({"x86_64": 60}.get(__import__("os").uname().machine, 93), 0)
"""


def sleeper(started: Started) -> int:
    started.append(subprocess.Popen(["sleep", "600"]))
    return started[-1].pid


def ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        return process.wait(10) == -signal.SIGKILL
    except subprocess.TimeoutExpired:
        return False


def zombie(started: Started) -> int:
    pid = sleeper(started)
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def vanished() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([sys.executable, "-m", "lab.keeper", MACHINE], MACHINE),
        (CALL, MACHINE),
        (["nsenter", "--net=/run/netns/x", "--", *CALL], MACHINE),
        (["setpriv", "--pdeathsig", "KILL", "--", "nsenter", "--net=/run/netns/x", "--", *CALL], MACHINE),
        ([sys.executable, "-m", "lab.keeper", MACHINE, "more"], ""),
        ([sys.executable, "-m", "lab.other", MACHINE], ""),
        (["grep", *CALL], ""),
        (["sh", "-c", " ".join(CALL)], ""),
        (["systemd-nspawn", f"--machine={MACHINE}"], ""),
        ([*pids.NSPAWN, "init"], ""),
        ([""], ""),
    ],
    # Not by its name, which has the process's number in it: workers of pytest-xdist must find the same tests.
    ids=lambda value: "machine" if value == MACHINE else None,
)
def test_a_machine_is_told_by_the_whole_call(argv: list[str], expected: str) -> None:
    assert pids.machine_of(argv) == expected


def test_the_lab_calls_its_machines_like_this(checkout: str) -> None:
    from lab import topology

    shape = topology.load(topology.find("default"))
    for node in shape.nodes.values():
        name = Paths("zz").machine(node.name)
        assert pids.machine_of(machine.command(Paths("zz"), node, Path("/x"), Path("/y"))) == name
        assert Paths.of_machine(name) == (Paths("zz"), node.name)


def test_a_keeper_without_cgroups_is_found_and_ended(tmp_path: Path, started: Started) -> None:
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "keeper.py").write_text("import time; print(flush=True); time.sleep(600)")
    keepers = []
    for name in (MACHINE, f"{MACHINE}2"):
        keepers.append(
            subprocess.Popen([sys.executable, *pids.KEEPER, name], cwd=tmp_path, stdout=subprocess.PIPE)
        )  # fmt: skip
        started.append(keepers[-1])
        assert keepers[-1].stdout and keepers[-1].stdout.readline() == b"\n"
    assert pids.of(MACHINE) == {keepers[0].pid}
    assert pids.machines(MACHINE[:-3]) == {MACHINE, f"{MACHINE}2"}
    for keeper in keepers:
        pids.kill(keeper.pid, MACHINE)
    assert ended(keepers[0]) and keepers[1].poll() is None


def test_only_what_is_in_the_cgroup_now_is_ended(
    monkeypatch: pytest.MonkeyPatch, in_cgroup: Start, started: Started
) -> None:
    mine = in_cgroup(MACHINE)
    foreign = sleeper(started)
    others = {foreign, zombie(started), vanished(), KTHREADD}
    # A list that was read before their numbers were given to others.
    monkeypatch.setattr(Cgroup, "pids", lambda _group: {mine.pid} | others)
    assert pids.of(MACHINE) == {mine.pid}
    for pid in (mine.pid, *others):
        pids.kill(pid, MACHINE)
    assert ended(mine)
    assert pids.alive(foreign) and pids.of(MACHINE) == set()


def test_kernel_threads_and_the_dead_are_nobody(monkeypatch: pytest.MonkeyPatch, started: Started) -> None:
    monkeypatch.setattr(Cgroup, "holds", lambda _group, _pid: True)
    monkeypatch.setattr(Cgroup, "pids", lambda _group: {zombie(started), vanished(), KTHREADD})
    assert pids.of(MACHINE) == set()


def test_a_number_that_changes_hands_after_the_proof_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, started: Started
) -> None:
    """The process that was held has ended; who has its number now would be proven, too, and is not signalled."""
    first = sleeper(started)
    held = os.pidfd_open(first)
    started[-1].kill()
    started[-1].wait()
    second = sleeper(started)
    monkeypatch.setattr(os, "pidfd_open", lambda _pid: held)
    monkeypatch.setattr(Cgroup, "holds", lambda _group, _pid: True)
    pids.kill(second, MACHINE)
    time.sleep(0.1)
    assert started[-1].poll() is None


def test_a_process_is_told_only_while_it_is_the_same(started: Started) -> None:
    pid = sleeper(started)
    born = pids.birth(pid)
    assert not pids.tell(pid, born.replace("@", "0@"), signal.SIGKILL)
    assert not pids.tell(pid, f"{born.partition('@')[0]}@another-boot", signal.SIGKILL)
    assert started[-1].poll() is None
    assert pids.tell(pid, born, signal.SIGKILL)
    assert ended(started[-1])
    assert not pids.tell(pid, born, signal.SIGKILL)
    # kill(2) takes 0 for the caller's own group.
    assert not pids.tell(0, "", signal.SIGKILL)


def test_a_process_lives_as_long_as_one_of_its_threads(started: Started) -> None:
    process = subprocess.Popen([sys.executable, "-c", HEADLESS], stdout=subprocess.PIPE)
    started.append(process)
    assert process.stdout and process.stdout.readline() == b"\n"
    state = Path(f"/proc/{process.pid}/task/{process.pid}/stat")
    while state.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.01)
    assert pids.alive(process.pid)


def test_a_lab_without_its_state_is_taken_down_and_no_other(checkout: str, in_cgroup: Start) -> None:
    mine, other = Lab("zz"), Lab("zy")
    twin = mine.paths.machine("hv1").replace(checkout, f"u{checkout[1:]}")
    victims = [in_cgroup(mine.paths.machine(name)) for name in ("hv1", "gw1")]
    bystanders = [in_cgroup(name) for name in (other.paths.machine("hv1"), twin)]
    assert machine.known(mine.paths) == ["gw1", "hv1"]
    mine.down()
    assert all(map(ended, victims))
    assert machine.known(mine.paths) == [] and machine.known(other.paths) == ["hv1"]
    assert [process.poll() for process in bystanders] == [None, None]


def test_a_reboot_that_was_asked_for_does_not_outlive_the_node(checkout: str) -> None:
    again = Paths("zz").node("hv1") / "again"
    again.parent.mkdir(parents=True)
    again.touch()
    machine.reboot(Paths("zz"), "hv1", hard=True)  # nobody is there to be told
    machine.stop(Paths("zz"), "hv1")
    assert not again.exists()
    shutil.rmtree(again.parent)
