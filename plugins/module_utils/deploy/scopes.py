# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The places that files and commands belong to: the host, and the machines on it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from typing import Any, Callable, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.bounded import NotStartedError, attempt_bounded
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import TIMEOUT, CommandError, Result, attempt
from ansible_collections.weft.vpc.plugins.module_utils.deploy.confine import checker, inside, tool
from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import Tree
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import ScopeSpec

CHOSEN_IDS = "/run/weft/roots"
"""Where weft-root@ says with which user ids a machine's root is mounted."""

NO_MACHINE = 127
"""The exit status of a command in a machine that does not run, or has not got the command."""

BOOT_SECONDS = 20.0
"""How long a machine that was just started may take until its own systemd answers."""


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll until the condition holds; False if it never did."""
    end = time.monotonic() + seconds
    pause = 0.005
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)
    return True


class Scope:
    """One scope: its files, its processes, and how to run something there."""

    def __init__(self, spec: ScopeSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.machine = spec.unit is not None
        self.tree = Tree(spec.root, lambda: self.uid_base, follow=not self.machine)
        self._leader: Optional[int] = None
        self._leader_known = False
        self._memo: dict[str, Any] = {}
        self.given_up: dict[str, str] = {}
        """Daemons that are asked no more in this run, and why."""
        self.notes: list[str] = []
        """What the user should know although it went well."""

    def memo(self, key: str, ask: Callable[[], Any]) -> Any:
        """Something about the scope as it was found, asked for once."""
        if key not in self._memo:
            self._memo[key] = ask()
        return self._memo[key]

    def _chosen_ids(self) -> dict[str, str]:
        """What weft-root@ has written of the ids with which it has mounted the machine's root."""
        try:
            with open(f"{CHOSEN_IDS}/{self.name.partition(':')[2]}", encoding="utf-8") as source:
                return dict(line.rstrip("\n").split("=", 1) for line in source)
        except FileNotFoundError:
            return {}

    @property
    def uid_base(self) -> int:
        """The first user id of the machine's files as they are mounted now; 0 for the host."""
        return int(self._chosen_ids().get("UID_BASE", self.spec.uid_base)) if self.machine else 0

    @property
    def shares_ids(self) -> Optional[str]:
        """Why the machine has no range of user ids of its own, if it could not get it."""
        return self._chosen_ids().get("SHARED") if self.machine else None

    @property
    def suffix(self) -> str:
        """For messages: " in router vpc-1.admin", nothing for the host."""
        return f" in {self.name.replace(':', ' ', 1)}" if self.machine else ""

    @property
    def ready(self) -> bool:
        """True if the root tree is there (that of a machine may not be mounted yet)."""
        return not self.machine or self.tree.exists("/usr/.")

    def forget(self) -> None:
        """The machine was started or stopped: ask anew for its leader."""
        self._leader_known = False

    def know_leader(self, leader: Optional[int]) -> None:
        """Take what somebody has asked already."""
        self._leader, self._leader_known = leader, True

    @property
    def leader(self) -> Optional[int]:
        """The pid of the machine's init, None while it does not run."""
        if not self._leader_known:
            self._leader = self._find_leader()
            self._leader_known = True
        return self._leader

    def _find_leader(self) -> Optional[int]:
        if not self.machine:
            return 1
        return _child(main_pids([str(self.spec.unit)])[0])

    @property
    def running(self) -> bool:
        """True if commands can be run in the scope."""
        return self.leader is not None

    def wait_until_up(self) -> None:
        """Wait until a machine that was just started answers to systemctl."""

        def up() -> bool:
            self.forget()
            # Only whether it exists is asked; the path is the machine's and not to be trusted with more.
            return self.leader is not None and os.path.lexists(f"/proc/{self.leader}/root/run/systemd/private")

        if self.machine and not wait_for(up, BOOT_SECONDS):
            start = ["systemctl", "start", str(self.spec.unit)]
            raise CommandError(start, f"the machine was not up in {BOOT_SECONDS:g} s")

    def attempt(self, argv: Sequence[str], stdin: str = "", timeout: float = TIMEOUT) -> Result:
        """Run a command in the scope: in all namespaces of a machine's leader."""
        if not self.machine:
            return attempt(argv, stdin, timeout)
        if self.leader is None:
            return Result(NO_MACHINE, "", "the machine does not run")
        try:
            return attempt_bounded(argv, inside(self.leader), stdin, timeout)
        except NotStartedError as error:
            return Result(NO_MACHINE, "", error.message)

    def run(self, argv: Sequence[str], stdin: str = "", timeout: float = TIMEOUT) -> str:
        """Run a command in the scope; CommandError with its own words if it fails."""
        result = self.attempt(argv, stdin, timeout)
        if result.status:
            raise CommandError(argv, f"{result.message}{self.suffix and f' ({self.suffix[1:]})'}")
        return result.out

    def attempt_check(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Run a checker that must not touch anything: with a network of its own, and before the machine runs."""
        if self.machine:
            return attempt_bounded(argv, checker(self.spec.root, self.uid_base), stdin)
        return self.attempt_in_empty_network(argv, stdin)

    def attempt_in_network(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Run a program of the host in the scope's network, on what may be the machine's files."""
        if not self.machine:
            return attempt(argv, stdin)
        if self.leader is None:
            return Result(NO_MACHINE, "", "the machine does not run")
        return attempt_bounded(argv, tool(self.leader), stdin)

    def attempt_in_empty_network(self, argv: Sequence[str], stdin: str = "") -> Result:
        """Like attempt_in_network, where it changes nothing."""
        if self.machine:
            return attempt_bounded(argv, tool(None), stdin)
        return attempt(["unshare", "--net", "--", *argv], stdin)

    def devices(self) -> set[str]:
        """Names of the network devices in the scope."""
        try:
            with open(
                f"/proc/{self.leader if self.machine else 'self'}/net/dev", encoding="utf-8", errors="replace"
            ) as source:
                return {line.split(":", 1)[0].strip() for line in source if ":" in line}
        except FileNotFoundError:
            return set()


def main_pids(units: Sequence[str]) -> list[str]:
    """The main process of each unit, "0" if it has none; one question for all."""
    if not units:
        return []
    shown = attempt(["systemctl", "show", "--property=MainPID", "--value", *units]).out.split()
    return shown if len(shown) == len(units) else ["0"] * len(units)


def _child(main: str) -> Optional[int]:
    """The leader of a machine is the only child of its systemd-nspawn."""
    try:
        with open(f"/proc/{main}/task/{main}/children", encoding="ascii") as source:
            children = source.read().split()
    except OSError:
        return None
    return int(children[-1]) if children else None


def find_leaders(scopes: Iterable[Scope]) -> None:
    """Ask for the leaders of all machines at once."""
    machines = [scope for scope in scopes if scope.machine]
    for scope, main in zip(machines, main_pids([str(scope.spec.unit) for scope in machines])):
        scope.know_leader(_child(main))
