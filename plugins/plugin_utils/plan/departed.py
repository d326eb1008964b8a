# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts of which there is a record and that the inventory does not have: their records speak for nobody."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.parts import keyed
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice

#: The variable with the hosts that will never be asked again.
GONE = "weft_gone_hosts"
NAMED = 5
_KINDS = ("segments", "provider_bridges", "ports", "routers")
_WORDS = {"provider_bridges": "provider network", "segments": "segment", "ports": "port", "routers": "router"}


def present(applied: Mapping[str, Slice], known: Container[str]) -> dict[str, Slice]:
    """Return the records of hosts that the inventory has."""
    return {host: slice_ for host, slice_ in applied.items() if host in known}


class Departed:
    """The records of the others; ``gone`` are those that will never be asked again."""

    def __init__(self, applied: Mapping[str, Slice], known: Container[str], gone: Container[str]) -> None:
        self._held = {
            host: slice_
            for host, slice_ in sorted(applied.items())
            if host not in known and host not in gone and keyed(slice_)
        }
        self.forgettable = [host for host in sorted(applied) if host not in known and host not in self._held]
        """Hosts whose records are of no use: they hold nothing any more, or were declared gone."""

    @property
    def holding(self) -> list[str]:
        """Hosts that left with something on them."""
        return list(self._held)

    def warnings(self) -> Iterator[Finding]:
        """Yield what is to be said of each of them."""
        for host, slice_ in self._held.items():
            reason = f"left the inventory, and as far as is known still has {held(slice_)}, which no run looks after"
            remedy = (
                f"Let it leave: while it is in the inventory, weft.vpc.leave -e host={host} removes all of that. If it "
                f"is dead, or has another name now, write {GONE}: [{host}]."
            )
            yield Finding("WEFT-O2-left", "host", host, reason, remedy, "warning")


def held(slice_: Slice) -> str:
    """Say what a record has, by kind and name."""
    said = [_kind(_WORDS[kind], slice_.get(kind) or []) for kind in _KINDS if slice_.get(kind)]
    return f"{', '.join(said[:-1])} and {said[-1]}" if said[1:] else "".join(said) or "parts that have no names"


def declared(value: object, known: Container[str]) -> list[str]:
    """Return the hosts that are declared gone. Raises IntentError for what cannot be one."""
    names = [value] if value is None or isinstance(value, str) else value
    if value is None:
        return []
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        reason, remedy = "is no list of names of hosts", f"Write {GONE}: [hv2]."
        raise IntentError([Finding("WEFT-O3-gone", GONE, value, reason, remedy)])
    reason = "is declared gone and is in the inventory"
    remedy = f"Take it out of the inventory, or out of {GONE}."
    found = [
        Finding("WEFT-O3-gone", f"{GONE}[{n}]", one, reason, remedy) for n, one in enumerate(names) if one in known
    ]
    if found:
        raise IntentError(found)
    return names


def _kind(word: str, things: list[dict[str, object]]) -> str:
    names = [str(one["key"]).partition(" ")[2] for one in things]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return f"{len(names)} {word}{'s' if len(names) > 1 else ''} ({', '.join(names[:NAMED])}{more})"
