"""One node as a systemd-nspawn machine: an overlay over its image, its cards, its keeper."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from lab import cgroups, netns, pids, router_images, units
from lab.errors import LabError
from lab.mounts import unmount
from lab.paths import PACKAGE, Paths
from lab.shell import patient, run
from lab.topology import Node, Topology

BOOT_TIMEOUT = patient(60.0)
# What a node keeps its own machines and images on. Overlay on overlay fails, so these are plain directories.
PLAIN = {"weft": "/var/lib/weft", "machines": "/var/lib/machines"}
# SIGRTMIN is 34 in C programs; systemd reads +3 as halt, +4 as power off, +5 as reboot.
POWER_OFF = signal.SIGRTMIN + 4
REBOOT = signal.SIGRTMIN + 5
#: The file of a node that was told to power off.
ENDING = "ending"


def machine_id(paths: Paths, name: str) -> str:
    """Stable over rebuilds, so a journal or a lease that mentions it stays comparable."""
    return hashlib.sha256(f"{paths.lab}/{name}".encode()).hexdigest()[:32]


def prepare(paths: Paths, topology: Topology, node: Node, image: Path, fresh_images: bool) -> None:
    """Mount the node's tree and write its own files into it."""
    home = paths.node(node.name)
    for part in ("upper", "work", "root", *PLAIN):
        (home / part).mkdir(parents=True, exist_ok=True)
    router_images.bootstraps(topology.suite).mkdir(parents=True, exist_ok=True)
    if node.role == "router" and not fresh_images:
        router_images.seed(home / "weft" / "images", topology.suite)
    root = home / "root"
    if not os.path.ismount(root):
        options = f"lowerdir={image},upperdir={home / 'upper'},workdir={home / 'work'}"
        run(["mount", "-t", "overlay", paths.machine(node.name), "-o", options, str(root)])
    (root / "etc/machine-id").write_text(machine_id(paths, node.name) + "\n")
    units.write(root, paths, topology, node)
    units.share_bootstraps(root, shared=node.role == "router" and not fresh_images)


def command(paths: Paths, node: Node, archive: Path, bootstraps: Path) -> list[str]:
    """The whole nspawn call of a node; its packages come from `archive`, its `bootstraps` are shared with all labs."""
    home = paths.node(node.name)
    binds = [f"--bind={home / part}:{target}" for part, target in PLAIN.items()]
    binds += [f"--bind={bootstraps}:/var/lib/lab/bootstraps"] if node.role == "router" else []
    binds += [f"--bind-ro={archive}:/var/lib/lab/mirror", f"--bind-ro={PACKAGE / 'guest'}:/usr/local/lib/lab"]
    binds += [f"--bind={device}" for device in ("/dev/net/tun", "/dev/fuse") if Path(device).exists()]
    cards = [f"--network-veth-extra={netns.host_end(node.name, card.name)}:{card.name}" for card in node.cards]
    # A node ends with its keeper: without one it could not come back from a reboot.
    return [
        "setpriv", "--pdeathsig", "KILL", "--", *netns.inside(paths),
        *pids.NSPAWN, "--console=pipe",
        "--capability=all", "--private-network", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
        f"--directory={home / 'root'}", f"--machine={paths.machine(node.name)}", f"--hostname={node.name}",
        f"--uuid={machine_id(paths, node.name)}", *cards, *binds, "/usr/local/lib/lab/init",
    ]  # fmt: skip


def start(paths: Paths, node: Node) -> None:
    """Start the node's keeper, which outlives this command."""
    home = paths.node(node.name)
    (home / "leader").unlink(missing_ok=True)
    # setsid forks: the keeper is nobody's child here, so it leaves no zombie in a long-lived test run.
    with (home / "console.log").open("a") as log:
        subprocess.run(
            ["setsid", "--fork", sys.executable, *pids.KEEPER, paths.machine(node.name)],
            cwd="/", env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)},
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
        )  # fmt: skip


def leader(paths: Paths, name: str) -> int:
    """The pid of the node's init, or 0. Two reads of /proc: cheap enough for every call."""
    if (paths.node(name) / ENDING).exists():
        return 0
    pid, born = _record(paths, name)
    try:
        return pid if pid and pids.birth(pid) == born else 0
    except OSError:
        return 0


def _record(paths: Paths, name: str) -> tuple[int, str]:
    """The pid of the node's init and its birth, as its keeper wrote them; it may have ended since."""
    try:
        pid, born = (paths.node(name) / "leader").read_text().split()
        return int(pid), born
    except (OSError, ValueError):
        return 0, ""


def inside(paths: Paths, name: str) -> list[str]:
    """The prefix that runs a command in all of the node's namespaces."""
    pid = leader(paths, name)
    if not pid:
        raise LabError(f"The node '{name}' of lab '{paths.lab}' is down; 'bin/lab --lab {paths.lab} up' starts it.")
    return enter(pid)


def enter(pid: int | str) -> list[str]:
    # nsenter forks for the pid namespace, and a killed nsenter would leave its child running: setpriv ends it too.
    return ["nsenter", f"--target={pid}", "--all", "--root", "--wd", "--", "setpriv", "--pdeathsig", "KILL", "--"]


def environment() -> dict[str, str]:
    """What a command in a node sees; nothing of this computer's environment gets there."""
    keep = {key: os.environ[key] for key in ("TERM", "COLUMNS", "LINES") if key in os.environ}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    root = {"HOME": "/root", "USER": "root", "LOGNAME": "root", "SHELL": "/bin/bash"}
    return keep | root | {"PATH": path, "LANG": "C.UTF-8"}


def wait(paths: Paths, name: str, timeout: float = BOOT_TIMEOUT) -> str:
    """Wait until the node has booted; returns 'running' or 'degraded'."""
    deadline = time.monotonic() + timeout
    state = "no leader"
    while time.monotonic() < deadline:
        pid = leader(paths, name)
        if pid:
            state = system_state(pid, deadline - time.monotonic())
            if state in ("running", "degraded"):
                return state
        time.sleep(0.1)
    raise LabError(
        f"The node '{name}' did not boot within {timeout:.0f} s (last state: {state}); "
        f"its console is in {paths.node(name) / 'console.log'}."
    )


def system_state(pid: int, timeout: float) -> str:
    """systemd's word for its state once it has booted, or what went wrong."""
    try:
        done = subprocess.run(
            [*enter(pid), "systemctl", "is-system-running", "--wait"],
            env=environment(), capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "still starting"
    return done.stdout.strip() or done.stderr.strip()


def known(paths: Paths) -> list[str]:
    """Every node there is a trace of, for a lab whose topology file is lost."""
    prefix = paths.machine("")
    machines = cgroups.names(prefix) | pids.machines(prefix)
    return sorted(
        {path.name for path in (paths.state / "nodes").glob("*")} | {m.removeprefix(prefix) for m in machines}
    )


def stop(paths: Paths, name: str, hard: bool = False, timeout: float = patient(15.0)) -> None:
    """Power the node off; kill what remains after the timeout."""
    machine = paths.machine(name)
    # A reboot that somebody asked for would start it again.
    (paths.node(name) / "again").unlink(missing_ok=True)
    ending = paths.node(name) / ENDING
    if not hard and ending.parent.exists():
        # Whoever brings it up while it goes down, as this was killed, must start it anew.
        ending.touch()
    if not hard and pids.tell(*_record(paths, name), POWER_OFF):
        deadline = time.monotonic() + timeout
        while pids.of(machine) and time.monotonic() < deadline:
            time.sleep(0.05)
    deadline = time.monotonic() + patient(10.0)
    while victims := pids.of(machine):
        if time.monotonic() > deadline:
            left = ", ".join(map(str, sorted(victims)))
            raise LabError(f"The processes of node '{name}' of lab '{paths.lab}' do not end: {left}.")
        for victim in victims:
            pids.kill(victim, machine)
        time.sleep(0.05)
    (paths.node(name) / "leader").unlink(missing_ok=True)
    ending.unlink(missing_ok=True)


def clear(paths: Paths, name: str) -> None:
    """Remove what a stopped node leaves: cgroups and mounts. Its cards are the namespace's to remove."""
    cgroups.Cgroup(paths.machine(name)).remove()
    unmount(paths.node(name))


def erase(directory: Path) -> None:
    """Remove a state directory, but never through a mount."""
    if not directory.exists():
        return
    unmount(directory)
    shutil.rmtree(directory)


def reboot(paths: Paths, name: str, hard: bool = False) -> None:
    """Ask the node's init to reboot, or cut its power; its keeper starts it again either way."""
    (paths.node(name) / "again").touch()
    pids.tell(*_record(paths, name), signal.SIGKILL if hard else REBOOT)
