"""Ansible's way into a node of the lab: nsenter, not the network the play may be about to cut."""

from __future__ import annotations

DOCUMENTATION = r"""
name: lab
author: The weft authors
short_description: Run tasks on a node of the lab
description:
  - Enters all namespaces of a lab node's init with C(nsenter).
  - Needs no network, no SSH and no agent, so it survives a play that cuts the node's links.
  - Must run as root on the computer that runs the lab.
options:
  node:
    description: Name of the node.
    type: str
    default: inventory_hostname
    vars:
      - name: inventory_hostname
      - name: lab_node
  lab_id:
    description: Id of the lab.
    type: str
    default: weft
    env:
      - name: LAB_ID
    vars:
      - name: lab_id
  pipelining:
    description: Send modules over stdin instead of writing them to files first.
    type: boolean
    default: true
    env:
      - name: ANSIBLE_PIPELINING
    ini:
      - section: defaults
        key: pipelining
    vars:
      - name: ansible_pipelining
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleConnectionFailure, AnsibleError, AnsibleFileNotFound
from ansible.plugins.connection import ConnectionBase
from ansible.utils.display import Display

# Appended, not inserted: nothing beside the lab may hide a module of somebody else.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from lab import machine
from lab.errors import LabError
from lab.paths import Paths
from lab.vm import remote

display = Display()


def faults() -> dict[str, str]:
    """Where a test wants what runs on the nodes to end itself: the one variable of the controller that gets there."""
    return {name: os.environ[name] for name in ("WEFT_TEST_KILL_AT",) if name in os.environ}


class Connection(ConnectionBase):
    """One node; there is nothing to keep open between two commands."""

    transport = "lab"
    has_pipelining = True
    has_tty = False

    def _connect(self) -> Connection:
        self._connected = True
        return self

    def _run(
        self, argv: list[str], stdin: Any = None, data: bytes | None = None, stdout: Any = subprocess.PIPE
    ) -> tuple[int, bytes, bytes]:
        node = str(self.get_option("node"))
        environment = machine.environment() | faults()
        try:
            call = self._call(Paths(str(self.get_option("lab_id"))), node, argv, environment)
        except LabError as error:
            raise AnsibleConnectionFailure(str(error)) from error
        display.vvv(f"LAB {shlex.join(argv)}", host=node)
        if data is None and stdin is None:
            stdin = subprocess.DEVNULL
        done = subprocess.run(
            call, stdin=stdin, input=data, stdout=stdout, stderr=subprocess.PIPE, env=environment, check=False
        )  # fmt: skip
        return done.returncode, done.stdout or b"", done.stderr

    def _call(self, paths: Paths, node: str, argv: list[str], environment: dict[str, str]) -> list[str]:
        if "LAB_THROUGH_GUEST" in os.environ:
            return remote.in_node(paths, node, argv, environment)
        return [*machine.inside(paths, node), *argv]

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        return self._run(["/bin/sh", "-c", cmd], data=in_data)

    def put_file(self, in_path: str, out_path: str) -> None:
        super().put_file(in_path, out_path)
        if not os.path.exists(in_path):
            raise AnsibleFileNotFound(f"The file {in_path} does not exist.")
        with open(in_path, "rb") as source:
            status, _out, words = self._run(["/bin/sh", "-c", 'exec cat > "$0"', out_path], stdin=source)
        if status != 0:
            why = words.decode(errors="replace").strip()
            raise AnsibleError(f"The file {in_path} could not be put to {out_path}: {why}")

    def fetch_file(self, in_path: str, out_path: str) -> None:
        super().fetch_file(in_path, out_path)
        with open(out_path, "wb") as target:
            status, _out, words = self._run(["cat", in_path], stdout=target)
        if status != 0:
            why = words.decode(errors="replace").strip()
            raise AnsibleError(f"The file {in_path} could not be fetched: {why}")

    def reset(self) -> None:
        """Nothing is kept, so nothing has to be dropped."""

    def close(self) -> None:
        self._connected = False
