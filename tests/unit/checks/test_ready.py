"""A prepared Ansible does what `ansible-playbook` does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from checks import play, ready

from lab.shell import patient

NETWORK = Path("/proc/self/ns/net")
PROGRAM = str(Path(sys.executable).with_name("ansible-playbook"))
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.command: sh -c 'echo $HOME $WEFT_WORD $PWD; readlink /proc/self/ns/net; ls -d "$(dirname "$0")"'
      changed_when: false
    - ansible.builtin.debug:
        msg: "{{ lookup('env', 'WEFT_WORD') }} grüßt"
    - ansible.builtin.command: sleep {{ pause | default(0) }}
    - ansible.builtin.fail:
        msg: as asked
      when: fail | default(false) | bool
"""

CALLER = """
import json, sys
from pathlib import Path
from checks import ready
argv, network, env, record = json.loads(sys.argv[1])
server = ready.Ready(env)
Path(record).write_text(str(server.process.pid))
server.run(argv, Path(network), env, 60)
"""


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.yml"
    path.write_text(PLAY)
    return path


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    yield {**os.environ, **play.environment({"WEFT_WORD": "hello"}), "HOME": str(tmp_path)}
    ready.close()


def argv(book: Path, *options: str) -> list[str]:
    # Else Ansible looks for one, and may find a shim of a version that is switched off.
    interpreter = f"ansible_python_interpreter={sys.executable}"
    return [PROGRAM, "-v", "-i", "localhost,", "-c", "local", "-e", interpreter, str(book), *options]


def by_program(command: list[str], env: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command, env=env, cwd=play.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.returncode, done.stdout


def by_ready(command: list[str], env: dict[str, str], seconds: float = 60) -> tuple[int, str]:
    done = ready.get(env).run(command, NETWORK, env, seconds)
    return done.returncode, done.stdout


def told(result: tuple[int, str]) -> tuple[int, list[str]]:
    """Without what differs between any two runs: times."""
    return result[0], [line for line in result[1].splitlines() if "delta" not in line]


@pytest.mark.parametrize(
    "options", [(), ("-e", "fail=true"), ("--check", "--diff"), ("--list-tasks",), ("--no-such-option",), ("-e", "@no")]
)
def test_it_says_and_returns_the_same(book: Path, env: dict[str, str], options: tuple[str, ...]) -> None:
    real = by_program(argv(book, *options), env)
    assert told(by_ready(argv(book, *options), env)) == told(real)
    assert (real[0] == 0) == (options in ((), ("--check", "--diff"), ("--list-tasks",)))


def test_each_run_has_its_own_environment(book: Path, env: dict[str, str]) -> None:
    server = ready.get(env).process.pid
    status, text = by_ready(argv(book), {**env, "WEFT_WORD": "another"})
    assert status == 0 and '"another grüßt"' in text
    assert ready.get({**env, "WEFT_WORD": "third"}).process.pid == server
    assert ready.get({**env, "ANSIBLE_FORKS": "1"}).process.pid != server


def test_nothing_temporary_is_left(book: Path, env: dict[str, str]) -> None:
    for _run in range(2):
        assert by_ready(argv(book, "--list-tasks"), env)[0] == 0
    ready.close()
    assert list(Path(env["HOME"], ".ansible", "tmp").iterdir()) == []


def test_other_code_is_read_anew(env: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = ready.get(env).process.pid
    assert ready.get(env).process.pid == server
    code = list(ready._code())
    monkeypatch.setattr(ready, "_code", lambda: [*code, ("plugins/new.py", 1, 1)])
    assert ready.get(env).process.pid != server


def test_a_run_that_takes_too_long_is_killed(book: Path, env: dict[str, str]) -> None:
    server = ready.get(env)
    with pytest.raises(subprocess.TimeoutExpired):
        by_ready(argv(book, "-e", "pause=61"), env, seconds=patient(4))
    assert gone(children(server.process.pid))
    assert by_ready(argv(book, "--list-tasks"), env)[0] == 0, "the next one works"


def test_runs_end_with_who_asked_for_them(book: Path, env: dict[str, str], tmp_path: Path) -> None:
    record = tmp_path / "server"
    path = os.pathsep.join(sys.path)
    wanted = json.dumps([argv(book, "-e", "pause=62"), str(NETWORK), env, str(record)])
    caller = subprocess.Popen([sys.executable, "-c", CALLER, wanted], env={**env, "PYTHONPATH": path})
    await_true(lambda: record.exists() and record.read_text() != "")
    server_pid = int(record.read_text())
    await_true(lambda: [run for watcher in children(server_pid) for run in children(watcher)])
    watchers = children(server_pid)
    all_of_it = [server_pid, *watchers, *(run for watcher in watchers for run in children(watcher))]
    assert len(all_of_it) == 3 and not gone(all_of_it, seconds=0)
    caller.kill()
    caller.wait()
    assert gone(all_of_it)


def children(pid: int) -> list[int]:
    return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def await_true(look: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + patient(seconds)
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def gone(pids: list[int], seconds: float = 10) -> bool:
    """Whether these have ended, or will soon."""
    deadline = time.monotonic() + patient(seconds)
    while (there := [pid for pid in pids if alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not there


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_when_the_program_itself_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEFT_READY", raising=False)
    assert ready.can(["WEFT_TEST_KILL_AT"]) and not ready.can(["ANSIBLE_LOG_PATH"])
    monkeypatch.setenv("WEFT_READY", "0")
    assert not ready.can([])
