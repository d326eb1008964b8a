"""A playbook that the guest asks for: what is passed on, what is brought back, and what is refused."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from lab.paths import ROOT
from lab.vm import ask, controller, remote

# Tests run side by side, each in a process of its own.
STATE = ROOT / ".cache" / f"controller-test-{os.getpid()}"
RUN = "import os, pathlib; print('all well', os.environ['WEFT_X']); pathlib.Path('new').touch(); os.unlink('old')"


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A guest with a state of two files; returns what is brought back, with a sign for what is gone."""
    told: list[str] = []

    def fetch(state: Path) -> None:
        assert state == STATE
        state.mkdir()
        for name in ("old", "same"):
            (state / name).touch()

    def bring(have: dict[str, Any], want: dict[str, Any]) -> None:
        told.extend(f"-{Path(name).name}" for name in have.keys() - want.keys())
        told.extend(Path(name).name for name in want if have.get(name) != want[name])

    for programs in ("THERE", "HERE"):
        monkeypatch.setattr(controller, programs, Path(sys.executable).parent)
    monkeypatch.setattr(remote, "fetch", fetch)
    monkeypatch.setattr(remote, "bring", bring)
    yield told
    shutil.rmtree(STATE, ignore_errors=True)


def answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *command: str) -> list[Any]:
    request = {"state": str(STATE), "command": command, "environment": {"WEFT_X": "1"}}
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(request) + "\n"))
    controller.answer()
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_run_is_told_and_what_it_changed_is_brought_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], brought: list[str]
) -> None:
    code = f"import os; os.chdir({str(STATE)!r}); {RUN}; raise SystemExit(3)"
    assert answered(monkeypatch, capsys, sys.executable, "-c", code) == [{"said": "all well 1\n"}, {"status": 3}]
    assert sorted(brought) == ["-old", "new"]


def test_another_program_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], brought: list[str]
) -> None:
    said, status = answered(monkeypatch, capsys, "/bin/sh", "-c", "true")
    assert "nothing of this checkout" in said["said"] and status == {"status": 1}
    assert not STATE.exists() and brought == []


def test_the_guest_passes_on_what_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        monkeypatch.setattr(ask, "PORT", door.getsockname()[1])
        monkeypatch.setenv("WEFT_X", "1")
        asked: list[Any] = []

        def serve() -> None:
            link, _address = door.accept()
            with link, link.makefile("rw") as stream:
                asked.append(json.loads(stream.readline()))
                stream.write('{"said": "a line\\n"}\n{"status": 4}\n')

        server = Thread(target=serve)
        server.start()
        assert ask.main("/state", "ansible-playbook", "weft.vpc.site") == 4
        server.join()
    assert capsys.readouterr().out == "a line\n"
    assert (asked[0]["state"], asked[0]["command"]) == ("/state", ["ansible-playbook", "weft.vpc.site"])
    assert asked[0]["environment"]["WEFT_X"] == "1" and "PATH" not in asked[0]["environment"]
