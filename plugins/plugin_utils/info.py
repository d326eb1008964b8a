# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Answers from the ledger and the plan: who has this VNI, what has this address, which ports does this host have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.diff import parts
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice


def holders(ledger: Ledger, value: str | None) -> list[dict[str, Any]]:
    """Return the ledger's entries, all or those that have a value (a VNI, an address, a MAC, a device number)."""
    return [
        {"key": key, "scope": entry.scope, "value": entry.value}
        for key, entry in sorted(ledger.entries.items())
        if value is None or str(entry.value) == value
    ]


def mentions(slices: Mapping[str, Slice], value: str) -> list[dict[str, Any]]:
    """Return every part of a plan that says a value, with the host and the attribute that says it."""
    return [
        {"key": key, "host": host, "attribute": name, "source": part.get("source", "")}
        for (key, host), part in sorted(parts(slices).items())
        for name in _attributes(part, value)
    ]


def ports(slices: Mapping[str, Slice]) -> list[dict[str, Any]]:
    """Return what starts the guests needs: device name and guest MAC of every instance's NICs."""
    return [{"host": host, **port} for host, slice_ in sorted(slices.items()) for port in slice_["ports"]]


def _attributes(part: Mapping[str, Any], value: str) -> Iterator[str]:
    for name, content in sorted(part.items()):
        if name != "source" and _says(content, value):
            yield name


def _says(content: object, value: str) -> bool:
    if isinstance(content, dict):
        return any(_says(one, value) for one in content.values())
    if isinstance(content, list):
        return any(_says(one, value) for one in content)
    return str(content) == value
