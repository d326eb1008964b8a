# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The user's words for scopes and values."""

from __future__ import annotations

from collections.abc import Iterable

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import Value
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.request import Change

_VALUES = {"vni": "VNI", "ip": "address", "mac": "MAC", "class": "traffic class", "ids": "range of user ids"}
_OWNERS = {"vni": "VXLAN pool", "ip": "network", "class": "VPC"}


def noun(scope: str) -> str:
    """Say what the values of a scope are: ``VNI``."""
    kind = scope.partition(":")[0]
    return _VALUES.get(kind, f"{kind} id")


def owner(scope: str) -> str:
    """Say within what the values of a scope are unique: ``VXLAN pool vxlan-pool``."""
    kind, _colon, name = scope.partition(":")
    return f"{_OWNERS.get(kind, kind)} {name}" if name else "the fabric"


def value_in_scope(scope: str, value: Value) -> str:
    """Say ``VNI 222 of VXLAN pool vxlan-pool``."""
    return f"{noun(scope)} {value} of {owner(scope)}"


def describe_changes(changes: Iterable[Change]) -> list[str]:
    """Say each change in one sentence, in the order given."""
    return [_sentence(change) for change in changes]


def _sentence(change: Change) -> str:
    before = value_in_scope(*change.before) if change.before else ""
    after = value_in_scope(*change.after) if change.after else ""
    return {
        "added": f"{change.key} gets {after}.",
        "returned": f"{change.key} gets {after} back.",
        "changed": f"{change.key} changes from {before} to {after}.",
        "released": f"{change.key} releases {before}.",
        "expired": f"{before}, last of {change.key}, has rested and is free again.",
    }[change.kind]
