"""testinfra on nodes and instances of a lab, by nsenter: a command takes milliseconds, and needs no network.

In a molecule verify step or a test:

    from lab.testinfra_backend import host
    assert host("gw1").service("systemd-networkd").is_running
"""

from __future__ import annotations

import subprocess
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from lab import machine
from lab.api import Lab


class LabBackend(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's commands in a node, or in an instance by its name or tenant/name."""

    NAME = "lab"

    def __init__(self, hostname: str, lab: str = "", *args: Any, **kwargs: Any) -> None:
        super().__init__(hostname, *args, **kwargs)
        self.lab = Lab(lab)
        self.instance = None if hostname in self.lab.topology.nodes else self.lab.instance(hostname)

    def run(self, command: str, *args: str, **kwargs: Any) -> CommandResult:
        shell = ["/bin/sh", "-c", self.get_command(command, *args)]
        if self.instance:
            argv = self.lab.argv(self.instance.host, self.instance.argv(shell))
        else:
            argv = self.lab.argv(self.hostname, shell)
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, env=machine.environment(), check=False
        )
        return self.result(done.returncode, shell[-1].encode(), done.stdout, done.stderr)

    def get_encoding(self) -> str:
        return "UTF-8"


def host(name: str, lab: str = "") -> Host:
    """A testinfra host for a node or an instance; `lab` is LAB_ID or 'weft' when empty."""
    return Host(LabBackend(name, lab))
