# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running commands with an error that carries the program's own words."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError

TIMEOUT = 60.0
"""Seconds a command may take unless its caller knows better."""


READABLE = 20_000
"""Characters of a program's words that an error repeats."""


@dataclass(frozen=True)
class Result:
    """What a command said: exit status, output, errors."""

    status: int
    out: str
    err: str

    @property
    def message(self) -> str:
        """The program's own words, for an error."""
        return readable(self.err) or readable(self.out) or f"exit status {self.status}"


def readable(words: str) -> str:
    """Words for people: nothing that moves a terminal, and no more than anybody reads."""
    words = words.strip()
    if len(words) > READABLE:
        words = f"{words[:READABLE]} …"
    return "".join(each if each.isprintable() or each in "\n\t" else "?" for each in words)


class CommandError(DeployError):
    """A command that failed, with its own message."""

    def __init__(self, argv: Sequence[str], message: str) -> None:
        super().__init__(f"`{shlex.join(argv)}` failed: {message}")
        self.message = message


def attempt(argv: Sequence[str], stdin: str = "", timeout: float = TIMEOUT) -> Result:
    """Run a command and hand back what it said, whatever its exit status.

    Raises CommandError if it cannot be started or takes longer than ``timeout`` seconds.
    """
    environment = dict(os.environ, LC_ALL="C.UTF-8")
    environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    try:
        # No AnsibleModule is at hand here, whose run_command this rule wants.
        done = subprocess.run(  # pylint: disable=ansible-bad-function
            list(argv),
            input=stdin,
            capture_output=True,
            text=True,
            # Devices of a machine may have any name.
            errors="replace",
            timeout=timeout,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired as error:
        raise CommandError(argv, f"it took longer than {timeout:g} s") from error
    except OSError as error:
        raise CommandError(argv, error.strerror or str(error)) from error
    return Result(done.returncode, done.stdout, done.stderr)


def run(argv: Sequence[str], stdin: str = "", timeout: float = TIMEOUT) -> str:
    """Run a command that must succeed and return its output."""
    result = attempt(argv, stdin, timeout)
    if result.status:
        raise CommandError(argv, result.message)
    return result.out
