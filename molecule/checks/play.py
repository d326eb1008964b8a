"""Run the collection's playbooks as a user does, on the controller of a lab."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from checks import ready
from lab import netns
from lab.api import Completed, Lab
from lab.paths import ROOT
from lab.shell import patient

COLLECTIONS = ROOT / ".cache" / "collections"


def command(playbook: str, inventory: Path, state: Path, *options: str) -> list[str]:
    """The call of `weft.vpc.PLAYBOOK`, with what it keeps (ledger, records) in `state`."""
    program = str(Path(sys.executable).with_name("ansible-playbook"))
    return [program, "-i", str(inventory), f"weft.vpc.{playbook}", "-e", f"weft_state_dir={state}", *options]


def environment(extra: Mapping[str, str] | None = None, collections: Path = COLLECTIONS) -> dict[str, str]:
    """Settings that make a run the same wherever it is started from."""
    fixed = {
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        # A file of ours, so that a user's own settings do not change what is read from the output.
        "ANSIBLE_CONFIG": str(Path(__file__).with_name("ansible.cfg")),
        # Molecule forces colours on all that it starts.
        "ANSIBLE_FORCE_COLOR": "0",
        "ANSIBLE_NOCOLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return {**fixed, **(extra or {})}


def start(lab: Lab, playbook: str, inventory: Path, state: Path, *options: str) -> subprocess.Popen[str]:
    """Start a playbook; its output is read line by line from `stdout`."""
    return subprocess.Popen(
        _call(lab, state, command(playbook, inventory, state, *options)), env=lab.controller_env(environment()),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
    )  # fmt: skip


def play(
    lab: Lab,
    playbook: str,
    inventory: Path,
    state: Path,
    options: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    collections: Path = COLLECTIONS,
) -> Completed:
    """Run a playbook to its end; its output is in `stdout`."""
    argv, variables = command(playbook, inventory, state, *options), lab.controller_env(environment(env, collections))
    if "LAB_GUEST" not in os.environ and collections == COLLECTIONS and ready.can(env or ()):
        return ready.get(variables).run(argv, lab.paths.netns, variables, patient(600))
    return subprocess.run(
        _call(lab, state, argv), env=variables, cwd=ROOT, timeout=patient(600),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


def _call(lab: Lab, state: Path, argv: list[str]) -> list[str]:
    """Ansible runs in the lab's network; that of a lab in the guest on the computer outside."""
    if "LAB_GUEST" in os.environ:
        return [sys.executable, str(ROOT / "molecule" / "lab" / "vm" / "ask.py"), str(state), *argv]
    return [*netns.inside(lab.paths), *argv]
