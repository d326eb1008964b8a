# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a ledger lives, as far as the rest of the library needs to know."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import Ledger
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding

STORE = "WEFT-A2-ledger"


class LedgerError(Exception):
    """The ledger cannot be read or written; ``finding`` says where, why, and what to do."""

    def __init__(self, place: str, reason: str, remedy: str) -> None:
        self.finding = Finding(STORE, place, None, reason, remedy)
        super().__init__(str(self.finding))


class LedgerStore(Protocol):
    """A place that holds one fabric's ledger for one or several controllers.

    A writer takes the lock, reads, allocates, writes. A reader needs no lock: it sees the ledger before or after a
    write, never half of one. Each method raises LedgerError.
    """

    def read(self) -> Ledger:
        """Return the ledger; an empty one if there is none yet."""

    def write(self, ledger: Ledger) -> bool:
        """Replace what the last ``read`` returned, at once and durably; return whether anything was different.

        Refuses unless the lock is held and the stored ledger is still the one that was read.
        """

    def locked(self) -> AbstractContextManager[None]:
        """Keep other writers out; waits for them first."""
