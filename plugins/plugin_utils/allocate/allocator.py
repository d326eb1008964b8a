# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Give every request a value: stable for the life of its object, unique in its scope, lowest free first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from operator import attrgetter

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import messages
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.candidates import Candidates, InOrder
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import Entry, Ledger, Tombstone, Value
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.request import Allocation, Change, Request
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, in_order


def allocate(
    ledger: Ledger,
    requests: Iterable[Request],
    now: datetime,
    rest: timedelta,
    *,
    partial: bool = False,
) -> Allocation:
    """Give every request its value.

    What the intent fixes comes first, then what is recorded, then resting values that return to their own key, then
    the lowest free value that does not rest, key by key in sorted order. Keys without a request are released and rest
    for ``rest`` before another key is given their value (the intent may fix it at once), unless ``partial`` says that
    the requests are not all there are. ``now`` must be aware. The order of the requests does not matter.
    """
    if now.tzinfo is None:
        raise ValueError("now must be an aware datetime")
    return _Allocator(ledger, requests, now.astimezone(UTC).replace(microsecond=0), rest, partial).run()


class _Allocator:
    """One allocation; each step builds on what the steps before it have taken."""

    def __init__(
        self, ledger: Ledger, requests: Iterable[Request], now: datetime, rest: timedelta, partial: bool
    ) -> None:
        self.ledger = ledger
        self.now = now
        self.rest = rest
        self.partial = partial
        self.findings: list[Finding] = []
        self.entries: dict[str, Entry] = {}
        self.taken: dict[str, dict[Value, str]] = defaultdict(dict)
        self.tombstones: dict[str, tuple[Tombstone, ...]] = {}
        self.resting: dict[str, dict[Value, messages.Resting]] = defaultdict(dict)
        self.returned: set[str] = set()
        self.requests = self._by_key(requests)

    def run(self) -> Allocation:
        if self.partial:
            self._keep_unseen()
        self._take_fixed()
        self._take_recorded()
        self._bury()
        self._take_back()
        self._give_free()
        values = {key: self.entries[key].value for key in self.requests if key in self.entries}
        if self.findings:
            return Allocation(values, self.ledger, in_order(self.findings), [])
        changes = self._changes()
        return Allocation(values, self._result() if changes else self.ledger, [], changes)

    def _by_key(self, requests: Iterable[Request]) -> dict[str, Request]:
        by_key: dict[str, Request] = {}
        for request in sorted(requests, key=attrgetter("key", "path")):
            if "#" in request.key:
                raise ValueError(f"{request.key!r}: '#' is reserved for the tombstones of a key")
            other = by_key.setdefault(request.key, request)
            if other is not request:
                self.findings.append(messages.same_key(request, other))
        return by_key

    def _keep_unseen(self) -> None:
        for key, entry in self.ledger.entries.items():
            if key not in self.requests:
                self._take(key, entry)

    def _take(self, key: str, entry: Entry) -> str:
        """Let the key have the value unless another one has it; return the key that has it."""
        holder = self.taken[entry.scope].setdefault(entry.value, key)
        if holder == key:
            self.entries[key] = entry
        return holder

    def _take_fixed(self) -> None:
        for key, request in self.requests.items():
            if request.fixed is None:
                continue
            entry = Entry(request.scope, request.candidates.normal(request.fixed))
            holder = self._take(key, entry)
            if holder != key:
                self._conflict(request, holder, entry.value)

    def _take_recorded(self) -> None:
        recorded = self.ledger.entries
        for key, request in self.requests.items():
            entry = recorded.get(key)
            if entry is None or request.fixed is not None or entry.scope != request.scope:
                continue
            if entry.value not in request.candidates:
                self.findings.append(messages.left_range(request, entry.value))
            holder = self._take(key, entry)
            if holder != key:
                self._conflict(request, holder, entry.value)

    def _conflict(self, request: Request, holder: str, value: Value) -> None:
        other = self.requests.get(holder)
        if request.fixed is not None and other is not None:
            finding = messages.both_fixed(request, other, value)
        elif request.fixed is not None:
            finding = messages.fixed_but_held(request, holder, None, value)
        elif other is not None and other.fixed is not None:
            finding = messages.fixed_but_held(other, request.key, request, value)
        else:
            finding = messages.recorded_twice(request, holder, other, value)
        self.findings.append(finding)

    def _bury(self) -> None:
        """Add tombstones for released values, drop those that have rested, and index the rest by scope."""
        former = dict(self.ledger.tombstones)
        for key, entry in self.ledger.entries.items():
            if self.entries.get(key) != entry:
                former[key] = (Tombstone(*entry, self.now), *former.get(key, ()))
        for key, stones in former.items():
            kept = tuple(stone for stone in stones if self.now - stone.released < self.rest)
            if kept:
                self.tombstones[key] = kept
            for stone in kept:
                self.resting[stone.scope][stone.value] = messages.Resting(stone.value, key, stone.released)

    def _take_back(self) -> None:
        for key in sorted(self.tombstones):
            request = self.requests.get(key)
            if request is None or request.fixed is not None or key in self.entries:
                continue
            value = self._own_resting(request, self.tombstones[key])
            if value is not None:
                self._take(key, Entry(request.scope, value))
                self.returned.add(key)

    def _own_resting(self, request: Request, stones: tuple[Tombstone, ...]) -> Value | None:
        taken = self.taken[request.scope]
        for stone in stones:
            if stone.scope == request.scope and stone.value not in taken and stone.value in request.candidates:
                return stone.value
        return None

    def _give_free(self) -> None:
        sequences: dict[tuple[str, Candidates], Iterator[Value]] = {}
        unserved: dict[tuple[str, Candidates], list[Request]] = defaultdict(list)
        for key, request in self.requests.items():
            if key in self.entries or request.fixed is not None or self._is_recorded(request):
                continue
            value = next(self._sequence(request.scope, request.candidates, sequences), None)
            if value is None:
                unserved[request.scope, request.candidates].append(request)
            else:
                self._take(key, Entry(request.scope, value))
        self.findings += [self._exhausted(requests) for requests in unserved.values()]

    def _is_recorded(self, request: Request) -> bool:
        """Whether the ledger has a value for it, which it keeps or is in a conflict about."""
        entry = self.ledger.entries.get(request.key)
        return entry is not None and entry.scope == request.scope

    def _sequence(
        self, scope: str, candidates: Candidates, sequences: dict[tuple[str, Candidates], Iterator[Value]]
    ) -> Iterator[Value]:
        """Return the free values for a request; equal candidates go on where the request before them stopped.

        So do equal parts of different candidates: what all tenants share is walked once, not once for each of them.
        """
        if isinstance(candidates, InOrder):
            return chain.from_iterable(self._sequence(scope, part, sequences) for part in candidates.parts)
        if not candidates.shared:
            return candidates.free(self.taken[scope], self.resting[scope])
        sequence = sequences.get((scope, candidates))
        if sequence is None:
            sequence = sequences[scope, candidates] = candidates.free(self.taken[scope], self.resting[scope])
        return sequence

    def _exhausted(self, requests: list[Request]) -> Finding:
        taken, resting = self.taken[requests[0].scope], self.resting[requests[0].scope]
        idle = [stone for value, stone in resting.items() if value not in taken]
        return messages.exhausted(requests, taken, idle, self.rest)

    def _result(self) -> Ledger:
        tombstones = {}
        for key, stones in self.tombstones.items():
            entry = self.entries.get(key)
            kept = tuple(stone for stone in stones if (stone.scope, stone.value) != entry)
            if kept:
                tombstones[key] = kept
        return replace(self.ledger, entries=self.entries, tombstones=tombstones)

    def _changes(self) -> list[Change]:
        """List the differences by key; of one key what expired comes first."""
        before = self.ledger.entries
        changes = [
            Change("expired", key, Entry(stone.scope, stone.value), None)
            for key, stones in self.ledger.tombstones.items()
            for stone in stones
            if stone not in self.tombstones.get(key, ())
        ]
        for key, entry in self.entries.items():
            old = before.get(key)
            if old is None:
                changes.append(Change("returned" if key in self.returned else "added", key, None, entry))
            elif old != entry:
                changes.append(Change("changed", key, old, entry))
        changes += [Change("released", key, entry, None) for key, entry in before.items() if key not in self.entries]
        return sorted(changes, key=attrgetter("key"))
