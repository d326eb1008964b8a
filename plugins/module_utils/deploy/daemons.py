# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one way in which daemons are asked for something, started anew, and given up.

One that does not do what it is asked is started anew where that takes nothing from anybody. systemd-networkd is such a
one: what its files say stays in the kernel meanwhile, and it comes to know all links when it starts; under load, it may
have lost its name on the bus for good, so that nothing else helps. All others carry connections, sessions or tunnels,
which are the user's to end.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError, readable
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope, wait_for

START_SECONDS = 20.0
"""How long a daemon that is started anew may take, and again that long once it was killed."""


@dataclass(frozen=True)
class Daemon:
    """A unit that is asked for something, and takes up to ``limit`` seconds for it."""

    unit: str
    limit: float = 120.0
    costs: Optional[str] = None
    """What a restart ends; nothing that anybody would miss where it is empty, and not known where it is None."""

    @property
    def name(self) -> str:
        """For people."""
        return self.unit.rpartition(".")[0]

    def advice(self, scope: Scope) -> str:
        """What the user can do."""
        see = f"See `{_there(scope)}journalctl --boot --unit={self.unit}`"
        if not self.costs:
            return f"{see}, mend what it tells, and run again."
        restart = f"`{_there(scope)}systemctl restart {self.unit}`"
        return f"{see}. If it does not answer at all, {restart} helps, which ends {self.costs}; then run again."


NETWORKD = Daemon("systemd-networkd.service", 20.0, costs="")
SYSTEMD = Daemon("init.scope", 60.0, costs="nothing, though `systemctl daemon-reexec` is to be tried first")
#: HAProxy's own script waits a minute for its master.
HAPROXY = Daemon("haproxy.service", 75.0, costs="the connections through its load balancers")
FRR = Daemon("frr.service", 75.0, costs="its sessions with other routers, and what it has learned of them")
STRONGSWAN = Daemon("strongswan.service", 45.0, costs="its tunnels until they are set up again")
DNSMASQ = Daemon("weft-dnsmasq.service", 45.0, costs="nothing but the questions under way")
BALANCER = Daemon("weft-lb-udp.service", 45.0, costs="nothing: nftables goes on as it was last told")
KEEPER = Daemon("weft-nftables.service", 60.0, costs="nothing: the rules stay as they are")
DAEMONS = {one.unit: one for one in (NETWORKD, SYSTEMD, HAPROXY, FRR, STRONGSWAN, DNSMASQ, BALANCER, KEEPER)}


def of(unit: str) -> Daemon:
    """The daemon of a unit; units that start or stop something, and listen to nobody, have what systemd gives them."""
    return DAEMONS.get(unit) or Daemon(unit)


def ask(daemon: Daemon, argv: Sequence[str], scope: Scope) -> None:
    """Let the daemon do what the command asks of it. Raises DeployError, with what helps, if it does not."""
    if daemon.unit in scope.given_up:
        raise DeployError(scope.given_up[daemon.unit])
    failure = _failure(argv, scope, daemon.limit)
    if failure is None:
        return
    words = f"{daemon.name}{scope.suffix} did not do what `{shlex.join(argv)}` asks of it: {failure}"
    if daemon.costs == "":
        failure = restarted(daemon, scope) or _failure(argv, scope, daemon.limit)
        if failure is None:
            scope.notes.append(f"{words.rstrip('.')}. It was started anew, and has done it then.")
            return
        words = f"{words.rstrip('.')}. It was started anew, which did not help: {failure}"
    raise _give_up(daemon, words, scope)


def _give_up(daemon: Daemon, words: str, scope: Scope) -> DeployError:
    """The error; what has run into a limit would run into it again while everything is put back."""
    scope.given_up[daemon.unit] = f"{words.rstrip('.')}.\n{last_words(daemon, scope)}"
    return DeployError(scope.given_up[daemon.unit])


def restart(daemon: Daemon, scope: Scope) -> None:
    """Start a daemon anew. Raises DeployError if it does not come up."""
    if daemon.unit in scope.given_up:
        raise DeployError(scope.given_up[daemon.unit])
    failure = restarted(daemon, scope)
    if failure is not None:
        words = f"{daemon.name}{scope.suffix} could not be started anew: {failure}"
        raise _give_up(daemon, words, scope)


def restarted(daemon: Daemon, scope: Scope) -> Optional[str]:
    """Start a daemon anew, by killing it where it does not end; why it is not up, or None if it is."""
    argv = ["systemctl", "restart", daemon.unit]
    failure = _failure(argv, scope, START_SECONDS)
    if failure is None:
        return None
    _failure(["systemctl", "kill", "--signal=KILL", daemon.unit], scope, START_SECONDS)
    return None if wait_for(lambda: _up(daemon, scope), START_SECONDS) else f"`{shlex.join(argv)}`: {failure}"


def _up(daemon: Daemon, scope: Scope) -> bool:
    return _failure(["systemctl", "--quiet", "is-active", daemon.unit], scope, START_SECONDS) is None


def _failure(argv: Sequence[str], scope: Scope, limit: float) -> Optional[str]:
    try:
        result = scope.attempt(argv, timeout=limit)
    except CommandError as error:
        return error.message
    return result.message if result.status else None


def _there(scope: Scope) -> str:
    """How the administrator of a node gets into a machine."""
    return f"nsenter --all --target={scope.leader} " if scope.machine else ""


def last_words(daemon: Daemon, scope: Scope) -> str:
    """What its journal ends with, and what the user can do; for an error."""
    ask_journal = ["journalctl", "--unit", daemon.unit, "--lines", "15", "--no-pager", "--output", "cat", "--boot"]
    try:
        shown = readable(scope.attempt(ask_journal).out)
    except CommandError:
        shown = ""
    return (f"The journal of {daemon.unit} ends with:\n{shown}\n" if shown else "") + daemon.advice(scope)
