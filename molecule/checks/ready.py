"""Runs of `ansible-playbook` by a process that has imported it already: half of a run's time is imports otherwise.

WEFT_READY=0: by the program, as users run it. So do runs whose environment Ansible reads while it is imported.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from lab.paths import ROOT

SERVER = Path(__file__).with_name("ready_server.py")
#: What a run may have imported, or keeps in memory once it has read it.
CODE = ("meta", "playbooks", "plugins", "roles")
#: Variables that neither Ansible nor Python reads while it starts.
FREE = ("WEFT_", "PYTEST_")
Completed = subprocess.CompletedProcess[str]


class Ready:
    """One such process, for runs with one environment and the code as it is now."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.control, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self.process = subprocess.Popen(
                [sys.executable, str(SERVER), str(its.fileno())],
                env=env, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=[its.fileno()],
            )  # fmt: skip

    def run(self, argv: Sequence[str], network: Path, env: Mapping[str, str], seconds: float) -> Completed:
        """As subprocess.run does it, with both outputs in `stdout`; a run that takes too long is killed."""
        wanted = {"argv": argv, "network": str(network), "env": dict(env), "directory": str(ROOT)}
        report, its = socket.socketpair()
        read, write = os.pipe()
        with ExitStack() as stack:
            stack.enter_context(report)
            output = stack.enter_context(open(read, "rb", buffering=0))
            with its:
                socket.send_fds(self.control, [json.dumps(wanted).encode()], [write, its.fileno()])
                os.close(write)
            text = _read(output.fileno(), argv, seconds)
            status = report.recv(16)
        if not status:
            raise AssertionError(f"the process that runs {argv[0]} ended without telling how it went")
        return subprocess.CompletedProcess(argv, int(status), text)

    def close(self) -> None:
        self.control.close()
        self.process.wait()


def _read(output: int, argv: Sequence[str], seconds: float) -> str:
    """All that is written until nobody can write any more."""
    deadline = time.monotonic() + seconds
    pieces: list[bytes] = []
    while select.select([output], [], [], max(0.0, deadline - time.monotonic()))[0]:
        piece = os.read(output, 1 << 16)
        if not piece:
            return b"".join(pieces).decode(errors="strict")
        pieces.append(piece)
    raise subprocess.TimeoutExpired(list(argv), seconds, b"".join(pieces))


_current: dict[str, Ready] = {}


def get(env: Mapping[str, str]) -> Ready:
    """The process for runs with this environment; a new one if there is none, or the code is no longer the same."""
    fixed = {name: value for name, value in env.items() if not name.startswith(FREE)}
    key = hashlib.sha256(json.dumps([sorted(fixed.items()), list(_code())]).encode()).hexdigest()
    if key not in _current:
        close()
        _current[key] = Ready(fixed)
    return _current[key]


@atexit.register
def close() -> None:
    """End the process, if there is one."""
    while _current:
        _current.popitem()[1].close()


def can(extra: Iterable[str]) -> bool:
    """Whether a run may be done this way that is given these variables."""
    return os.environ.get("WEFT_READY") != "0" and all(name.startswith(FREE) for name in extra)


def _code() -> Iterable[tuple[str, int, int]]:
    for part in CODE:
        for directory, below, names in os.walk(ROOT / part):
            below[:] = sorted(set(below) - {"__pycache__"})
            for name in sorted(names):
                status = os.stat(os.path.join(directory, name))
                yield os.path.join(directory, name), status.st_mtime_ns, status.st_size
