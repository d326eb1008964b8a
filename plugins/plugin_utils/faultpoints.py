# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Points at which a test can kill the controller's part of a run.

``WEFT_TEST_KILL_AT=ledger:2`` makes the process end itself by SIGKILL when it passes the point ``ledger`` for the
second time.  Nothing is cleaned up then, as when the power fails, which is what the tests want to see survived.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

VARIABLE = "WEFT_TEST_KILL_AT"

_passed: Counter[str] = Counter()


def faultpoint(name: str) -> None:
    """Pass the point ``name``; returns at once unless the environment asks for death at this very passing."""
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return
    _passed[name] += 1
    if wanted == f"{name}:{_passed[name]}":
        os.kill(os.getpid(), signal.SIGKILL)
