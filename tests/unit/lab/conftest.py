"""Processes in cgroups of their own, as machines have them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from lab import cgroups, paths

ENTER = (
    "import sys, time; from lab.cgroups import Cgroup; Cgroup(sys.argv[1]).enter(); print(flush=True); time.sleep(600)"
)
Start = Callable[[str], "subprocess.Popen[bytes]"]


def end(processes: Iterable[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        with process:
            process.kill()


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A checkout of this test's own, with no lab yet; returns its name in the kernel."""
    name = f"t{os.getpid():07}"
    monkeypatch.setattr(paths, "CHECKOUT", name)
    monkeypatch.setattr(paths, "BASE", tmp_path / "lab")
    monkeypatch.setattr(paths, "LOCKS", tmp_path / "lab" / "locks")
    return name


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """What the test starts; it has ended after the test."""
    all_of_them: list[subprocess.Popen[bytes]] = []
    yield all_of_them
    end(all_of_them)


@pytest.fixture
def in_cgroup(started: list[subprocess.Popen[bytes]]) -> Iterator[Start]:
    """Starts a process that is in the cgroups of a name when the call returns."""
    names = []

    def start(name: str) -> subprocess.Popen[bytes]:
        names.append(name)
        env = os.environ | {"PYTHONPATH": str(paths.PACKAGE.parent)}
        process = subprocess.Popen([sys.executable, "-c", ENTER, name], stdout=subprocess.PIPE, env=env)
        started.append(process)
        assert process.stdout and process.stdout.readline() == b"\n"
        return process

    yield start
    end(started)
    for name in names:
        cgroups.Cgroup(name).remove()
