# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A controller in miniature, run as a process by the tests: ``ledger_writer.py FILE NAME COUNT``.

It adds COUNT keys to the ledger, each in a run of its own, and prints each key once it is on disk.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerFile, Request, allocate, numbers


def main(path: str, name: str, count: str) -> None:
    """Add the keys ``t/v/NAME-0:vni`` and so on."""
    store = LedgerFile(path, "shanghai")
    for number in range(int(count)):
        request = Request(f"t/v/{name}-{number}:vni", "vni:pool", None, numbers([(200, 99_999)]), "path", "network")
        with store.locked():
            outcome = allocate(store.read(), [request], datetime.now(UTC), timedelta(days=1), partial=True)
            store.write(outcome.ledger)
        print(request.key, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
