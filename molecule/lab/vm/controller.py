"""The controller of the guest's labs is this computer: emulated, Ansible itself would take ten times as long.

In the guest, ask.py asks for a playbook. The process that `start` leaves behind as long as the guest runs has each of
them answered by a process of its own: that fetches the run's directory of state, runs the playbook, which reaches the
nodes through the guest's SSH connection, and brings back what has changed.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.paths import PACKAGE, ROOT
from lab.vm import process, remote
from lab.vm.places import CONTROLLER, HOME

#: How often it is looked at whether the guest still runs.
SECONDS = 5.0
#: What the guest's commands are called by, and whose they are here: LAB_CONTROLLER names another virtual environment.
THERE, HERE = ROOT / ".venv" / "bin", ROOT / os.environ.get("LAB_CONTROLLER", ".venv") / "bin"


def start() -> None:
    """Wait for the guest that has just been started; outlives this command."""
    with (HOME / "controller.log").open("w") as log:
        subprocess.run(
            ["setsid", "--fork", sys.executable, "-m", "lab.vm.controller", "wait"],
            cwd="/", env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
        )  # fmt: skip


def wait() -> None:
    """Have calls answered until the guest is down."""
    guest = process.pid()
    with socket.socket(socket.AF_UNIX) as door:
        CONTROLLER.unlink(missing_ok=True)
        door.bind(str(CONTROLLER))
        door.listen()
        door.settimeout(SECONDS)
        while guest and process.pid() == guest:
            try:
                link, _address = door.accept()
            except TimeoutError:
                continue
            with link:
                line = link.fileno()
                subprocess.Popen([sys.executable, "-m", "lab.vm.controller", "answer"], stdin=line, stdout=line)


def answer() -> None:
    """Run what is asked for on stdin, and say on stdout what it says and how it ended."""
    request = json.loads(sys.stdin.readline())
    try:
        status = _run(Path(ROOT, request["state"]), request["command"], request["environment"])
    except LabError as error:
        _say(said=f"{error}\n")
        status = 1
    _say(status=status)


def _say(**what: Any) -> None:
    print(json.dumps(what), flush=True)


def _run(state: Path, command: list[str], environment: dict[str, str]) -> int:
    program, *arguments = command
    if ROOT / ".cache" not in state.parents or Path(program).parent != THERE:
        raise LabError(f"The guest asked for '{program}' with the state {state}: that is nothing of this checkout.")
    shutil.rmtree(state, ignore_errors=True)
    remote.fetch(state)
    before = remote.described(_files(state))
    through = {"LAB_THROUGH_GUEST": "1", "PATH": f"{HERE}:{os.environ['PATH']}"}
    call: subprocess.Popen[str] = subprocess.Popen(
        [str(HERE / Path(program).name), *arguments], cwd=ROOT, env={**os.environ, **environment, **through},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    with call as process:
        assert process.stdout
        try:
            for line in process.stdout:
                _say(said=line)
        except BrokenPipeError:
            # Who asked has been killed, and so is the run.
            process.kill()
    remote.bring(before, remote.described(_files(state)))
    return process.returncode


def _files(state: Path) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in state.rglob("*")]


if __name__ == "__main__":
    {"wait": wait, "answer": answer}[sys.argv[1]]()
