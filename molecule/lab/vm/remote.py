"""The way into the guest: one SSH connection shared by all commands, and the checkout's files."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import tarfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lab import machine
from lab.errors import LabError
from lab.paths import ROOT, Paths
from lab.shell import quietly, run
from lab.vm import kinds, process
from lab.vm.ask import PORT
from lab.vm.places import CACHE_IN_GUEST, CONSOLE, CONTROLLER, KEY, SSH, SYNCED

OPTIONS = [
    "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "BatchMode=yes", "-o", "ConnectTimeout=60", "-o", f"ControlPath={SSH}", "-i", str(KEY), "-F", "none",
]  # fmt: skip
# One that is going down may still take a call, and never answers it.
ANSWER_TIMEOUT = 20.0
# Of this computer's environment the guest gets what the user says to the lab and the demo, and how the terminal is.
PASSED_ON = ("WEFT_", "LAB_", "ANSIBLE_VERBOSITY", "NO_COLOR", "COLUMNS", "LINES", "CI", "PYTEST_", "HYPOTHESIS_")


def ssh(*words: str) -> list[str]:
    return [*process.inside(), "ssh", *OPTIONS, *words]


def target() -> str:
    return f"root@{kinds.running().address}"


def connected() -> bool:
    """Whether the shared connection is open."""
    return quietly(ssh("-O", "check", target()))


def connect() -> None:
    """Open the shared connection; it is not open afterwards when the guest does not answer."""
    SSH.unlink(missing_ok=True)
    # A master of its own, with no stream of ours: one that a command left behind would keep its output open.
    subprocess.run(
        ssh("-M", "-N", "-f", "-o", "ServerAliveInterval=30", "-o", "ServerAliveCountMax=10",
            "-R", f"127.0.0.1:{PORT}:{CONTROLLER}", target()),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    )  # fmt: skip


def disconnect() -> None:
    if process.pid():
        quietly(ssh("-O", "exit", target()))
    SSH.unlink(missing_ok=True)


def boot_id() -> str:
    """What names the guest's present boot; empty when it does not answer."""
    try:
        done = subprocess.run(
            ssh(target(), "cat /proc/sys/kernel/random/boot_id"),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=ANSWER_TIMEOUT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def wait(timeout: float, before: str = "") -> None:
    """Wait until the guest has booted and answers; `before` is an earlier boot that does not count."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not process.pid():
            raise LabError(f"The lab's guest ended while it booted; its console is in {CONSOLE}.")
        connect()
        if connected() and boot_id() not in ("", before):
            return
        disconnect()
        time.sleep(0.5)
    raise LabError(f"The lab's guest did not boot within {timeout:.0f} s; its console is in {CONSOLE}.")


def environment(slowness: float) -> dict[str, str]:
    """What a command in the guest sees."""
    mine = {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}
    for gone in ("LAB_KERNEL", "LAB_NETNS", "LAB_SSH_KEY", "WEFT_VENV"):
        mine.pop(gone, None)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return mine | {
        "PATH": f"{ROOT}/.venv/bin:{path}",
        "LANG": "C.UTF-8",
        "TERM": os.environ.get("TERM", "dumb"),
        "LAB_KERNEL": "host",
        "LAB_GUEST": "1",
        "LAB_SLOW": f"{slowness:g}",
        # Seconds Ansible waits for what it thinks is a dead connection, and for facts.
        "ANSIBLE_TIMEOUT": f"{10 * slowness:.0f}",
        "ANSIBLE_GATHER_TIMEOUT": f"{10 * slowness:.0f}",
        "ANSIBLE_COLLECTIONS_PATH": f"{ROOT}/.cache/collections",
        "WEFT_CACHE": str(CACHE_IN_GUEST),
    }


def argv(command: Sequence[str], env: Mapping[str, str], terminal: bool = False) -> list[str]:
    """The call that runs a command in the guest, in the checkout."""
    settings = [f"{name}={value}" for name, value in env.items()]
    words = f"cd {shlex.quote(str(ROOT))} && exec {shlex.join(['env', *settings, *command])}"
    return ssh(*(["-t"] if terminal else []), target(), words)


def in_node(paths: Paths, node: str, command: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """The call that runs a command in a node of a lab in the guest, with this environment and no other."""
    settings = [f"{name}={value}" for name, value in env.items()]
    enter = " ".join(machine.enter('"$pid"'))
    leader = shlex.quote(str(paths.node(node) / "leader"))
    return ssh(
        target(), f"read -r pid start <{leader} && exec env -i {shlex.join(settings)} {enter} {shlex.join(command)}"
    )


# -- the checkout's files ----------------------------------------------------------------------------------------------


def tracked() -> dict[str, list[int]]:
    """The files of the checkout, those not yet committed too: path -> what tells whether one has changed."""
    names = run(["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
    return described(names.split("\0"))


def described(names: Iterable[str]) -> dict[str, list[int]]:
    """What tells whether a file of the checkout has changed; what is no file is left out."""
    found = {}
    for name in names:
        path = ROOT / name
        if name and (path.is_symlink() or path.is_file()):
            status = path.lstat()
            found[name] = [status.st_mtime_ns, status.st_size, status.st_mode]
    return found


def sync() -> None:
    """Bring the guest's copy of the checkout up to date. Only files: the nodes hold some of its directories."""
    have: dict[str, list[int]] = json.loads(SYNCED.read_text()) if SYNCED.exists() else {}
    want = tracked()
    bring(have, want)
    if have != want:
        SYNCED.write_text(json.dumps(want))


def bring(have: Mapping[str, list[int]], want: Mapping[str, list[int]]) -> None:
    """Make files of the guest what they are here, by what both have."""
    changed = [name for name in want if have.get(name) != want[name]]
    removed = [name for name in have if name not in want]
    if changed:
        _send(changed)
    if removed:
        names = "".join(f"{name}\0" for name in removed)
        run(argv(["xargs", "--null", "rm", "--force", "--"], {}), stdin=names)


def fetch(directory: Path) -> None:
    """Copy a directory of the guest's checkout to the same place here."""
    pack = argv(["tar", "--create", "--file=-", str(directory.relative_to(ROOT))], {})
    unpack = ["tar", "--extract", "--no-same-owner", "--file=-", f"--directory={ROOT}"]
    with subprocess.Popen(pack, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as sender:
        done = subprocess.run(unpack, stdin=sender.stdout, check=False)
    if sender.returncode or done.returncode:
        raise LabError(f"{directory} could not be copied from the guest.")


def _send(names: Sequence[str]) -> None:
    receive = argv(["tar", "--extract", "--no-same-owner", "--unlink-first", "--file=-"], {})
    with subprocess.Popen(receive, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as remote:
        assert remote.stdin and remote.stderr
        # The other side may give up before it has read everything; why, it says on stderr.
        with (
            contextlib.suppress(BrokenPipeError),
            remote.stdin,
            tarfile.open(fileobj=remote.stdin, mode="w|") as archive,
        ):
            for name in names:
                archive.add(ROOT / name, arcname=name, recursive=False)
        words = remote.stderr.read().decode(errors="replace").strip()
    if remote.returncode != 0:
        raise LabError(f"The checkout could not be copied to the guest: {words[-500:]}")
