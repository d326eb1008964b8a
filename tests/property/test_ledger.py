# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What holds for the ledger whatever is asked of it, and in whatever order."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import (
    Allocation,
    Candidates,
    Entry,
    Ledger,
    LedgerError,
    LedgerFile,
    Link,
    Request,
    Tombstone,
    Value,
    addresses,
    allocate,
    decode,
    describe_changes,
    encode,
    macs,
    numbers,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.faultpoints import VARIABLE

START = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
REST = timedelta(days=1)

# Scopes so small that values meet, rest and run out all the time.
SCOPES: Mapping[str, Candidates] = {
    "vni:east": numbers([(200, 204), (210, 211)]),
    "vni:west": numbers([(200, 202)]),
    "ip:t/v/n": addresses([("192.168.20.1", "192.168.20.6")], excluded=["192.168.20.1"]),
}
NAMES = [f"t/v/{name}" for name in ("a", "a-1", "b", "c", "d", "e", "f", "g")]


def possible(scope: str) -> list[Value]:
    """Return every value of a scope, and one that only the intent can give."""
    beyond: Value = "192.168.20.1" if scope.startswith("ip") else 250
    return [*SCOPES[scope].free((), ()), beyond]


@dataclass(frozen=True)
class Wish:
    """What an intent says about an object."""

    scope: str
    fixed: Value | None = None


def wishes() -> st.SearchStrategy[Wish]:
    def in_scope(scope: str) -> st.SearchStrategy[Wish]:
        return st.builds(Wish, st.just(scope), st.none() | st.none() | st.sampled_from(possible(scope)))

    return st.sampled_from(sorted(SCOPES)).flatmap(in_scope)


def request(name: str, wish: Wish) -> Request:
    path = f"weft_vpcs[0].networks[{len(NAMES) - NAMES.index(name)}]"  # the inventory's order is not the names'
    return Request(name, wish.scope, wish.fixed, SCOPES[wish.scope], path, f"network {name}")


def requests(intent: Mapping[str, Wish]) -> list[Request]:
    return [request(name, wish) for name, wish in intent.items()]


def shuffled(items: list[Request], seed: int) -> list[Request]:
    return random.Random(seed).sample(items, len(items))


INTENTS = st.dictionaries(st.sampled_from(NAMES), wishes(), max_size=len(NAMES))


class Life(RuleBasedStateMachine):
    """A fabric's ledger through a life of edits and runs."""

    def __init__(self) -> None:
        super().__init__()
        self.intent: dict[str, Wish] = {}
        self.ledger = Ledger("shanghai")
        self.now = START

    @rule(name=st.sampled_from(NAMES), wish=wishes())
    def write(self, name: str, wish: Wish) -> None:
        self.intent[name] = wish

    @rule(name=st.sampled_from(NAMES))
    def remove(self, name: str) -> None:
        self.intent.pop(name, None)

    @rule(hours=st.sampled_from([1, 11, 24, 30]))
    def wait(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(seed=st.integers(0, 99))
    def run(self, seed: int) -> None:
        self.apply(self.intent, seed, partial=False)

    @rule(seed=st.integers(0, 99), seen=st.sets(st.sampled_from(NAMES)))
    def run_partially(self, seed: int, seen: set[str]) -> None:
        part = {name: wish for name, wish in self.intent.items() if name in seen}
        before = self.ledger
        self.apply(part, seed, partial=True)
        for name, entry in before.entries.items():
            assert name in part or self.ledger.entries[name] == entry

    def apply(self, intent: Mapping[str, Wish], seed: int, *, partial: bool) -> None:
        before = self.ledger
        outcome = allocate(before, shuffled(requests(intent), seed), self.now, REST, partial=partial)
        if outcome.findings:
            assert outcome.ledger is before
            assert outcome.changes == []
            assert self.has_reason(intent, partial)
            return
        self.ledger = outcome.ledger
        after = outcome.ledger.entries
        assert outcome.values == {name: after[name].value for name in intent}
        assert list(outcome.values) == sorted(intent)
        self.check_wishes(intent, before)
        self.check_resting(intent, before)
        self.check_released(before)
        self.check_changes(before, outcome)
        again = allocate(self.ledger, requests(intent), self.now, REST, partial=partial)
        assert (again.ledger, again.changes, again.values) == (self.ledger, [], outcome.values)

    def has_reason(self, intent: Mapping[str, Wish], partial: bool) -> bool:
        """Whether some scope has too few values, or a fixed value meets another, or one recorded left the ranges."""
        held = {
            name: entry
            for name, entry in self.ledger.entries.items()
            if (name in intent and intent[name] == Wish(entry.scope)) or (partial and name not in intent)
        }
        fixed = [Entry(wish.scope, wish.fixed) for wish in intent.values() if wish.fixed is not None]
        met = max(Counter([*fixed, *held.values()]).values(), default=0) > 1
        left = any(name in intent and entry.value not in SCOPES[entry.scope] for name, entry in held.items())
        return met or left or any(self.is_full(scope, intent, held, fixed) for scope in SCOPES)

    def is_full(self, scope: str, intent: Mapping[str, Wish], held: Mapping[str, Entry], fixed: list[Entry]) -> bool:
        """Whether nothing would be left for a key that no longer has a value of its own."""
        used = {entry.value for entry in [*held.values(), *fixed] if entry.scope == scope}
        used |= {entry.value for entry in self.ledger.entries.values() if entry.scope == scope}
        stones = [stone for stones in self.ledger.tombstones.values() for stone in stones if stone.scope == scope]
        used |= {stone.value for stone in stones if self.now - stone.released < REST}
        new = [name for name, wish in intent.items() if wish == Wish(scope) and name not in held]
        return sum(value not in used for value in possible(scope)[:-1]) < len(new)

    def check_wishes(self, intent: Mapping[str, Wish], before: Ledger) -> None:
        for name, wish in intent.items():
            scope, value = self.ledger.entries[name]
            assert scope == wish.scope
            if wish.fixed is not None:
                assert value == wish.fixed
                continue
            assert value in SCOPES[scope]
            old = before.entries.get(name)
            if old and old.scope == scope:
                assert value == old.value, "renumbered"

    def check_resting(self, intent: Mapping[str, Wish], before: Ledger) -> None:
        """A value at rest goes to its own key or where the intent wants it, and to nobody else."""
        resting: dict[Entry, set[str]] = {}
        for name, stones in before.tombstones.items():
            for stone in stones:
                if self.now - stone.released < REST:
                    resting.setdefault(Entry(stone.scope, stone.value), set()).add(name)
        for name, wish in intent.items():
            entry, old = self.ledger.entries[name], before.entries.get(name)
            if wish.fixed is not None or (old and old.scope == wish.scope):
                continue
            assert entry not in before.entries.values(), "a value was given away in the run that released it"
            assert name in resting.get(entry, {name}), "a resting value was given to another key"
            own = {mine for mine, names in resting.items() if name in names and mine.scope == wish.scope}
            own = {mine for mine in own if mine.value in SCOPES[mine.scope]}
            assert entry in own or own <= set(self.ledger.entries.values()), "a key did not get its value back"

    def check_released(self, before: Ledger) -> None:
        """What a key no longer has is in its tombstones."""
        for name, entry in before.entries.items():
            if self.ledger.entries.get(name) != entry:
                assert Tombstone(*entry, self.now) in self.ledger.tombstones[name]

    def check_changes(self, before: Ledger, outcome: Allocation) -> None:
        """The changes lead from the old entries to the new ones."""
        entries = dict(before.entries)
        for change in outcome.changes:
            if change.kind == "expired":
                continue
            assert entries.pop(change.key, None) == change.before
            if change.after:
                entries[change.key] = change.after
        assert entries == outcome.ledger.entries
        assert len(describe_changes(outcome.changes)) == len(outcome.changes)

    @invariant()
    def nothing_is_allocated_twice(self) -> None:
        assert max(Counter(self.ledger.entries.values()).values(), default=1) == 1

    @invariant()
    def what_rests_is_not_in_use_by_its_own_key(self) -> None:
        for name, stones in self.ledger.tombstones.items():
            assert stones
            assert self.ledger.entries.get(name) not in [Entry(stone.scope, stone.value) for stone in stones]
            assert sorted(stones, key=lambda stone: stone.released, reverse=True) == list(stones)

    @invariant()
    def the_text_holds_everything(self) -> None:
        text = encode(self.ledger)
        assert decode(text) == self.ledger
        assert encode(decode(text)) == text


Life.TestCase.settings = settings(stateful_step_count=40)
TestLife = Life.TestCase


@given(first=INTENTS, second=INTENTS, seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)))
def test_the_same_inputs_give_the_same_bytes_in_any_order(
    first: dict[str, Wish], second: dict[str, Wish], seeds: tuple[int, int]
) -> None:
    def bytes_and_words(seed: int) -> tuple[list[str], list[str]]:
        ledger, words = Ledger("shanghai"), []
        for hours, intent in enumerate((first, second)):
            outcome = allocate(ledger, shuffled(requests(intent), seed), START + timedelta(hours=hours), REST)
            ledger = outcome.ledger
            words += [encode(ledger), *map(str, outcome.findings), *describe_changes(outcome.changes)]
        return list(map(str, outcome.values.items())), words

    assert bytes_and_words(seeds[0]) == bytes_and_words(seeds[1])


@given(
    present=st.sets(st.integers(0, 60)),
    added=st.sets(st.integers(0, 60)),
    removed=st.sets(st.integers(0, 60)),
    seed=st.integers(0, 99),
)
def test_neighbours_come_and_go_without_renumbering(
    present: set[int], added: set[int], removed: set[int], seed: int
) -> None:
    def wanted(names: set[int]) -> list[Request]:
        pool, subnet = numbers([(200, 2500)]), addresses([("10.0.0.1", "10.0.1.254")])
        found = []
        for name in names:
            found.append(Request(f"t/{name}:vni", "vni:pool", None, pool, "p", "s"))
            found.append(Request(f"t/{name}:ip", "ip:n", None, subnet, "p", "s"))
            found.append(Request(f"t/{name}:mac", "mac", None, macs(f"t/{name}"), "p", "s"))
        return shuffled(found, seed)

    before = allocate(Ledger("shanghai"), wanted(present), START, REST)
    after = allocate(before.ledger, wanted((present | added) - removed), START, REST)
    assert before.findings == after.findings == []
    for key in before.values.keys() & after.values.keys():
        assert after.values[key] == before.values[key]
    assert len(set(after.values.values())) == len(after.values)


@given(
    ranges=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
    excluded=st.sets(st.integers(0, 40)),
    taken=st.sets(st.integers(0, 40)),
)
def test_ranges_mean_the_set_of_their_numbers(
    ranges: list[tuple[int, int]], excluded: set[int], taken: set[int]
) -> None:
    meant = {number for first, last in ranges for number in range(first, last + 1)} - excluded
    candidates = numbers(ranges, excluded)
    assert candidates.size == len(meant)
    assert {number for number in range(42) if number in candidates} == meant
    assert list(candidates.free(taken, ())) == sorted(meant - taken)
    assert numbers(candidates.ranges) == candidates


KEYS = st.text(st.characters(exclude_characters="#"), max_size=12)
VALUES = st.integers() | st.text(max_size=12)
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
TOMBSTONES = st.builds(
    Tombstone, st.text(max_size=5), VALUES, MOMENTS.map(lambda moment: moment.replace(microsecond=0))
)
LINKS = st.builds(Link, st.lists(st.text(max_size=8), max_size=3).map(tuple), st.integers())
LEDGERS = st.builds(
    Ledger,
    st.text(min_size=1, max_size=8),
    st.dictionaries(KEYS, st.builds(Entry, st.text(max_size=5), VALUES), max_size=6),
    st.dictionaries(KEYS, st.lists(TOMBSTONES, min_size=1, max_size=3).map(tuple), max_size=4),
    st.dictionaries(st.text(max_size=5), st.dictionaries(st.text(max_size=5), LINKS, max_size=3), max_size=3),
)


@given(LEDGERS)
def test_every_ledger_survives_its_text(ledger: Ledger) -> None:
    text = encode(ledger)
    assert decode(text) == ledger
    assert len(text.splitlines()) <= 12 + len(ledger.entries) + 3 * len(ledger.tombstones) + len(ledger.hosts)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw a ledger's text from which a piece was cut, or into which something was written."""
    content = encode(draw(LEDGERS)).encode()
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 40)))
    return (
        content[:start]
        + draw(st.binary(max_size=4) | st.sampled_from([b"{}", b"null", b"1e999", b'"']))
        + content[end:]
    )


@given(damaged() | st.binary(max_size=40))
def test_a_damaged_file_is_read_or_refused_and_what_is_refused_stays(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "weft-ledger.json")
        path.write_bytes(content)
        store = LedgerFile(path, "shanghai")
        with store.locked():
            try:
                ledger = store.read()
            except LedgerError as error:
                assert error.finding.remedy
                with pytest.raises((LedgerError, RuntimeError)):
                    store.write(Ledger("shanghai"))
                assert path.read_bytes() == content
            else:
                store.write(ledger)
                assert store.read() == ledger


WRITER = Path(__file__).parents[1] / "unit" / "allocate" / "ledger_writer.py"


def writer(path: Path, name: str, kill_at: int | None) -> subprocess.Popen[str]:
    """Start a process that adds three keys, or dies at a step of its writing."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        VARIABLE: f"ledger:{kill_at}" if kill_at else "",
    }
    arguments = [sys.executable, str(WRITER), str(path), name, "3"]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)


@settings(max_examples=12)
@given(st.lists(st.none() | st.integers(1, 12), min_size=2, max_size=4))
def test_writers_at_once_lose_nothing_even_if_some_are_killed(kills: list[int | None]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "weft-ledger.json")
        writers = [writer(path, f"writer{number}", kill_at) for number, kill_at in enumerate(kills)]
        printed = [process.communicate(timeout=60)[0].split() for process in writers]
        assert [process.returncode for process in writers] == [-signal.SIGKILL if kill else 0 for kill in kills]
        entries = LedgerFile(path, "shanghai").read().entries
        assert {key for keys in printed for key in keys} <= entries.keys()
        assert len(set(entries.values())) == len(entries)
        for kill_at, keys in zip(kills, printed, strict=True):
            assert len(keys) == (3 if kill_at is None else (kill_at - 1) // 4)
