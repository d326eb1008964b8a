# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stable numbers and addresses: what has which value, from one run to the next.

``allocate`` is pure; a ``LedgerStore`` keeps what it returns.
"""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.allocator import allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.candidates import (
    Candidates,
    InOrder,
    Macs,
    Ranges,
    addresses,
    macs,
    numbers,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.codec import decode, encode
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.file import LedgerFile
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import (
    Entry,
    Ledger,
    Link,
    Tombstone,
    Value,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.request import Allocation, Change, Request
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.store import LedgerError, LedgerStore
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.words import describe_changes

__all__ = [
    "Allocation",
    "Candidates",
    "Change",
    "Entry",
    "InOrder",
    "Ledger",
    "LedgerError",
    "LedgerFile",
    "LedgerStore",
    "Link",
    "Macs",
    "Ranges",
    "Request",
    "Tombstone",
    "Value",
    "addresses",
    "allocate",
    "decode",
    "describe_changes",
    "encode",
    "macs",
    "numbers",
]
