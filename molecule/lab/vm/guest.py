"""The guest as the command line and the tests see it: one per checkout, with any number of labs in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from lab import host
from lab.api import keep_router_images
from lab.errors import LabError
from lab.paths import ROOT
from lab.shell import locked, run, say, step
from lab.vm import controller, disks, kinds, process, remote, tree
from lab.vm.places import CONSOLE, KEY, LOCK, SOCKETS, SYNCED

BOOT_TIMEOUT = 30.0  # of a computer
# Prints the ids of the labs that are up, one a line.
LABS = 'for file in .cache/lab/*/topology.yml; do [ -e "$file" ] && basename "$(dirname "$file")"; done; true'


class Guest:
    """The machine with a kernel of Debian's."""

    def slowness(self) -> float:
        """How many times slower than this computer it is."""
        return kinds.running().slowness

    def up(self) -> None:
        """Boot the guest where it does not run, and bring its copy of the checkout up to date."""
        host.prepare()
        host.install(disks.TOOLS)
        with locked(LOCK):
            if not process.pid():
                self._start()
            if not remote.connected():
                with step(f"boot the guest ({process.kind()})"):
                    remote.wait(BOOT_TIMEOUT * self.slowness())
            remote.sync()

    def _start(self) -> None:
        if not KEY.exists():
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "weft-guest", "-f", str(KEY)])
        keep_router_images()
        mine = disks.ensure(tree.SUITE)
        kind = kinds.choose(mine)
        self._forget()
        SOCKETS.mkdir(mode=0o700, exist_ok=True)
        CONSOLE.write_text("")
        kind.start(mine)
        controller.start()

    def down(self) -> None:
        """Pull the plug, and forget what the guest wrote; its disks stay for the next time."""
        with locked(LOCK):
            remote.disconnect()
            process.kill()
            self._forget()

    def _forget(self) -> None:
        """What an earlier guest wrote is gone, and what it had of the checkout."""
        for path in [*disks.written(), SYNCED]:
            path.unlink(missing_ok=True)

    def reboot(self, hard: bool = False) -> float:
        """Reboot the whole guest and start the labs that were up; returns the seconds until their nodes were up again.

        The nodes keep their disks, as after a power cut in a data centre; nothing else is done for them.
        """
        self.up()
        start = time.monotonic()
        with locked(LOCK):
            labs = self.exec(["sh", "-c", LABS], stdout=subprocess.PIPE).stdout.split()
            before = remote.boot_id()
            if hard:
                # The controller's part, which is on the system's disk, is no machine of the data centre.
                self.exec(["sync", "--file-system", str(ROOT)])
                guest = process.pid()
                kinds.running().cut()
                if process.pid() != guest:
                    controller.start()
            else:
                self.exec(["systemctl", "reboot"], stderr=subprocess.DEVNULL)
            remote.disconnect()
            remote.wait(2 * BOOT_TIMEOUT * self.slowness(), before)
        say(f"the guest has booted again after {time.monotonic() - start:.1f} s")
        for lab in labs:
            again = ["bin/lab", "--lab", lab, "up", "--topology", f".cache/lab/{lab}/topology.yml"]
            if self.exec(again).returncode != 0:
                raise LabError(f"The lab '{lab}' did not come up after the reboot of the guest.")
        return time.monotonic() - start

    def exec(self, command: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command in the guest, in its copy of the checkout. A failure is in `returncode`."""
        options = {"text": True, "check": False} | options
        if "input" not in options:
            options.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.argv(command), **options)

    def argv(self, command: Sequence[str], terminal: bool = False) -> list[str]:
        return remote.argv(command, remote.environment(self.slowness()), terminal)

    def become(self, command: Sequence[str]) -> None:
        """Let this process become a command in the guest: its streams and its exit status are then this one's."""
        call = self.argv(command, terminal=sys.stdin.isatty() and sys.stdout.isatty())
        sys.stdout.flush()
        os.execvp(call[0], call)

    def status(self) -> str:
        if not process.pid():
            return "The guest is down."
        kernel = self.exec(["uname", "-r"], stdout=subprocess.PIPE).stdout.strip()
        written = sum(path.stat().st_blocks * 512 for path in disks.written()) // 2**20
        how = f"{process.kind()}, process {process.pid()}, {written} MiB written, checkout {ROOT}"
        return f"The guest runs Linux {kernel} ({how})."


def wanted() -> bool:
    """Whether the user asked for the lab in the guest."""
    kernel = os.environ.get("LAB_KERNEL", "host") or "host"
    if kernel not in ("host", "debian"):
        raise LabError(f"LAB_KERNEL is '{kernel}'; it must be 'host' or 'debian'.")
    return kernel == "debian"
