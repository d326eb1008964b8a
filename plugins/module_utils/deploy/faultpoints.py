# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Points at which a test kills the engine.

``WEFT_TEST_KILL_AT=swap:3`` ends the process with SIGKILL at the third swap. Every point lies right *after* the step it
is named for: ``staged``, ``checked``, ``manifest``, ``swap``, ``activate``, ``unlink``.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

_passed: Counter[str] = Counter()


def faultpoint(name: str) -> None:
    """Kill this process if the environment asks for the n-th passage of this point."""
    wanted = os.environ.get("WEFT_TEST_KILL_AT")
    if not wanted:
        return
    point, _colon, number = wanted.partition(":")
    if point != name:
        return
    _passed[name] += 1
    if _passed[name] == int(number or "1"):
        os.kill(os.getpid(), signal.SIGKILL)
