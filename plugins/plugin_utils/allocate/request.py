# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What goes into an allocation and what comes out of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.candidates import Candidates
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import Entry, Ledger, Value
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding


class Request(NamedTuple):
    """One value that an object needs.

    ``key`` is the object's path and what is wanted (``admin/vpc-1/vpc-1-1:vni``), unique among all requests; ``fixed``
    is the value if the intent gives one (the rules have checked that it is a legal one); ``path`` and ``subject`` say
    in messages where the object is in the inventory and what it is (``network vpc-1-1``).
    """

    key: str
    scope: str
    fixed: Value | None
    candidates: Candidates
    path: str
    subject: str


Kind = Literal["added", "returned", "changed", "released", "expired"]


class Change(NamedTuple):
    """How a new ledger differs from the old one at a key.

    added: a new key got ``after``; returned: a key came back to its resting value; changed: the intent fixed another
    value or moved the object to another scope; released: the key is gone, ``before`` rests; expired: ``before`` has
    rested long enough.
    """

    kind: Kind
    key: str
    before: Entry | None
    after: Entry | None


class Allocation(NamedTuple):
    """The outcome. ``values`` (key -> value) is complete exactly when there are no findings; with findings ``ledger``
    is the one that was given, so that writing it changes nothing."""

    values: dict[str, Value]
    ledger: Ledger
    findings: list[Finding]
    changes: list[Change]
