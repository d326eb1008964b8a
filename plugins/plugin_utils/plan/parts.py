# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The parts of a plan: all that has a key of its own, by which it is shown, compared and found again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError


def keyed(value: object) -> list[dict[str, Any]]:
    """Everything with a key in a slice, which is of JSON's types, from the outside in."""
    found: list[dict[str, Any]] = []
    _collect(value, found)
    return found


def _collect(value: object, found: list[dict[str, Any]]) -> None:
    if isinstance(value, dict):
        if "key" in value:
            found.append(value)
        value = list(value.values())
    for inner in value if isinstance(value, list) else ():
        if isinstance(inner, dict | list):  # most of a plan's millions of values are neither
            _collect(inner, found)


def require_distinct(slices: Mapping[str, dict[str, Any]]) -> None:
    """Raise IntentError for things of a host that have one key and are not the same: one would stand for the other."""
    findings = [_twice(host, *pair) for host, slice_ in slices.items() for pair in _clashes(slice_)]
    if findings:
        raise IntentError(findings)


def _clashes(slice_: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    seen: dict[str, dict[str, Any]] = {}
    for part in keyed(slice_):
        first = seen.setdefault(part["key"], part)
        if first is not part and first != part:
            yield first, part


def _twice(host: str, first: dict[str, Any], part: dict[str, Any]) -> Finding:
    other = first.get("source") or "no place of the inventory"
    reason = (
        f"is what the plan of {host} calls two things, this and that of {other}, so that a change of one is not seen"
    )
    return Finding("WEFT-O1-key", part.get("source") or host, part["key"], reason, "Give one of the two another name.")
