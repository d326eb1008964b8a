# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan would create, change and destroy, against what was last applied."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.plan.parts import keyed
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice

Parts = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class PartChange:
    """One thing that differs: what it is, where, and which of its attributes go from what to what."""

    action: Literal["create", "change", "destroy"]
    key: str
    host: str
    source: str
    attributes: tuple[tuple[str, object, object], ...] = ()


def changes(applied: Mapping[str, Slice], planned: Mapping[str, Slice]) -> list[PartChange]:
    """Return every difference, by thing and host."""
    hosts = [host for host in applied.keys() | planned.keys() if applied.get(host) != planned.get(host)]
    before, after = (parts({host: one[host] for host in hosts if host in one}) for one in (applied, planned))
    found = []
    for where in sorted(before.keys() | after.keys()):
        change = _change(where, before.get(where), after.get(where))
        if change is not None:
            found.append(change)
    return found


def summary(found: list[PartChange]) -> str:
    """Say how many things would be created, changed, destroyed."""
    count = {action: sum(one.action == action for one in found) for action in ("create", "change", "destroy")}
    if not found:
        return "No changes: what is recorded as applied is what the inventory asks for."
    return f"Plan: {count['create']} to create, {count['change']} to change, {count['destroy']} to destroy."


def lines(found: list[PartChange]) -> Iterator[str]:
    """Yield the difference for a person to read."""
    sign = {"create": "+", "change": "~", "destroy": "-"}
    for one in found:
        origin = f"   ({one.source})" if one.source else ""
        yield f"{sign[one.action]} {one.key} on {one.host}{origin}"
        for name, old, new in one.attributes:
            becomes = f" -> {_words(new)}" if one.action == "change" else ""
            yield f"    {name}: {_words(old)}{becomes}"
    yield summary(found)


def _change(where: tuple[str, str], old: dict[str, Any] | None, new: dict[str, Any] | None) -> PartChange | None:
    key, host = where
    if old is None and new is not None:
        shown = tuple((name, value, None) for name, value in sorted(new.items()) if name != "source" and value)
        return PartChange("create", key, host, new["source"], shown)
    if new is None:
        return PartChange("destroy", key, host, "")
    differing = tuple(
        (name, (old or {}).get(name), new.get(name))
        for name in sorted(new.keys() | (old or {}).keys())
        if name != "source" and (old or {}).get(name) != new.get(name)
    )
    return PartChange("change", key, host, new["source"], differing) if differing else None


def parts(slices: Mapping[str, Slice]) -> Parts:
    """Return everything in a plan that has a name of its own, by name and host, with its attributes."""
    found: Parts = {}
    for host, slice_ in slices.items():
        for part in keyed(slice_):
            found[part["key"], host] = {
                name: value for name, value in part.items() if name != "key" and value != [] and not _holds_parts(value)
            }
    return found


def _holds_parts(value: object) -> bool:
    """Whether a value is a list of things that have keys of their own and so speak for themselves."""
    return isinstance(value, list) and any(isinstance(one, dict) and "key" in one for one in value)


def _words(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_words(one) for one in value) + "]"
    if isinstance(value, dict):
        return " ".join(_words(one) for one in value.values())
    return "nothing" if value is None else str(value)
