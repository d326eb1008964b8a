# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The points at which tests kill a run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.faultpoints import VARIABLE

PASSING = """
from ansible_collections.weft.vpc.plugins.plugin_utils.faultpoints import faultpoint
for name in ("plan", "ledger", "plan", "ledger"):
    faultpoint(name)
    print(name, flush=True)
"""


@pytest.mark.parametrize(
    ("kill_at", "status", "passed"),
    [
        (None, 0, ["plan", "ledger", "plan", "ledger"]),
        ("", 0, ["plan", "ledger", "plan", "ledger"]),
        ("ledger:1", -signal.SIGKILL, ["plan"]),
        ("plan:2", -signal.SIGKILL, ["plan", "ledger"]),
        ("plan:3", 0, ["plan", "ledger", "plan", "ledger"]),
    ],
)
def test_the_process_dies_at_the_named_passing_only(kill_at: str | None, status: int, passed: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    if kill_at is not None:
        environment[VARIABLE] = kill_at
    done = subprocess.run([sys.executable, "-c", PASSING], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert done.stdout.split() == passed
