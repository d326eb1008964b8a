# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What gets which value, one situation a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from time import process_time

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import (
    Allocation,
    Candidates,
    Change,
    Entry,
    Ledger,
    Request,
    Tombstone,
    Value,
    addresses,
    allocate,
    describe_changes,
    encode,
    macs,
    numbers,
)

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)
POOL = numbers([(200, 204)])


def vni(name: str, fixed: Value | None = None, candidates: Candidates = POOL) -> Request:
    return Request(
        f"t/v/{name}:vni", "vni:pool", fixed, candidates, f"weft_vpcs[0].networks[{name}]", f"network {name}"
    )


def run(
    ledger: Ledger, *requests: Request, now: datetime = NOW, rest: timedelta = DAY, partial: bool = False
) -> Allocation:
    return allocate(ledger, requests, now, rest, partial=partial)


def good(
    ledger: Ledger, *requests: Request, now: datetime = NOW, rest: timedelta = DAY, partial: bool = False
) -> Ledger:
    outcome = run(ledger, *requests, now=now, rest=rest, partial=partial)
    assert outcome.findings == []
    return outcome.ledger


def held(ledger: Ledger) -> dict[str, Value]:
    return {key.split("/")[-1].split(":")[0]: entry.value for key, entry in ledger.entries.items()}


EMPTY = Ledger("shanghai")


def test_new_keys_get_the_lowest_free_values_in_the_order_of_their_names() -> None:
    assert held(good(EMPTY, vni("c"), vni("a"), vni("b"))) == {"a": 200, "b": 201, "c": 202}


def test_a_fixed_value_is_reserved_before_any_other_is_given() -> None:
    assert held(good(EMPTY, vni("a"), vni("b"), vni("z", 200))) == {"a": 201, "b": 202, "z": 200}


def test_a_recorded_value_stays_whatever_comes_before_it() -> None:
    ledger = good(EMPTY, vni("m"))
    assert held(good(ledger, vni("a"), vni("m"))) == {"a": 201, "m": 200}


def test_a_value_stays_when_the_intent_no_longer_fixes_it() -> None:
    ledger = good(EMPTY, vni("a", 203))
    assert run(ledger, vni("a")) == Allocation({"t/v/a:vni": 203}, ledger, [], [])


def test_nothing_new_returns_the_very_same_ledger() -> None:
    ledger = good(EMPTY, vni("a"), vni("b", 204))
    assert run(ledger, vni("b", 204), vni("a")).ledger is ledger


def test_equal_values_in_different_scopes_do_not_meet() -> None:
    other = vni("b")._replace(scope="vni:other")
    assert held(good(EMPTY, vni("a"), other)) == {"a": 200, "b": 200}


def test_a_released_value_rests_and_is_free_again_afterwards() -> None:
    ledger = good(good(EMPTY, vni("a")))
    assert ledger.tombstones == {"t/v/a:vni": (Tombstone("vni:pool", 200, NOW),)}
    assert held(good(ledger, vni("b"), now=NOW + DAY - timedelta(seconds=1))) == {"b": 201}
    later = good(ledger, vni("b"), now=NOW + DAY)
    assert held(later) == {"b": 200}
    assert later.tombstones == {}


def test_a_key_that_comes_back_gets_its_resting_value() -> None:
    ledger = good(good(EMPTY, vni("a"), vni("b")), vni("a"))
    back = good(ledger, vni("a"), vni("aa"), vni("b"))
    assert held(back) == {"a": 200, "aa": 202, "b": 201}
    assert back.tombstones == {}


def test_the_intent_may_take_a_resting_value_and_its_key_gets_another_when_it_comes_back() -> None:
    ledger = good(good(EMPTY, vni("a")), vni("b", 200))
    assert held(good(ledger, vni("a"), vni("b", 200))) == {"a": 201, "b": 200}


def test_a_key_whose_resting_value_is_taken_is_new() -> None:
    ledger = good(good(EMPTY, vni("a")), vni("b", 200))
    assert [change.kind for change in run(ledger, vni("a"), vni("b", 200)).changes] == ["added"]


def test_a_key_whose_resting_value_left_the_ranges_gets_another() -> None:
    ledger = good(good(EMPTY, vni("a")))
    assert held(good(ledger, vni("a", candidates=numbers([(300, 310)])))) == {"a": 300}


def test_of_two_keys_that_rest_with_one_value_the_first_gets_it_back() -> None:
    ledger = good(good(good(EMPTY, vni("b")), vni("a", 200)))
    assert held(good(ledger, vni("a"), vni("b"))) == {"a": 200, "b": 201}


def test_without_rest_a_value_is_free_at_once() -> None:
    ledger = good(EMPTY, vni("a"))
    assert good(ledger, vni("b"), rest=timedelta(0)) == Ledger("shanghai", {"t/v/b:vni": Entry("vni:pool", 200)})


def test_a_former_value_rests_when_the_intent_fixes_another() -> None:
    ledger = good(good(EMPTY, vni("a")), vni("a", 203), vni("b"))
    assert held(ledger) == {"a": 203, "b": 201}
    ledger = good(ledger, vni("b"), now=NOW + timedelta(hours=1))
    assert [stone.value for stone in ledger.tombstones["t/v/a:vni"]] == [203, 200]
    assert held(good(ledger, vni("b"), vni("c"))) == {"b": 201, "c": 202}


def test_a_former_value_that_the_intent_fixes_again_no_longer_rests() -> None:
    ledger = good(good(good(EMPTY, vni("a")), vni("a", 203)), vni("a", 200))
    assert [stone.value for stone in ledger.tombstones["t/v/a:vni"]] == [203]


def test_an_object_that_moves_to_another_scope_gets_a_value_there() -> None:
    ledger = good(EMPTY, vni("a", 203))
    moved = good(ledger, vni("a")._replace(scope="vni:other"))
    assert moved.entries == {"t/v/a:vni": Entry("vni:other", 200)}
    assert moved.tombstones == {"t/v/a:vni": (Tombstone("vni:pool", 203, NOW),)}


def test_two_objects_can_swap_their_values_by_intent() -> None:
    ledger = good(EMPTY, vni("a"), vni("b"))
    assert held(good(ledger, vni("a", 201), vni("b", 200))) == {"a": 201, "b": 200}


def test_a_partial_run_releases_nothing_and_gives_nothing_away() -> None:
    ledger = good(EMPTY, vni("a"), vni("b"))
    assert held(good(ledger, vni("c"), partial=True)) == {"a": 200, "b": 201, "c": 202}
    assert good(ledger, partial=True) is ledger


def test_addresses_skip_what_is_excluded() -> None:
    candidates = addresses([("192.168.20.1", "192.168.20.9")], excluded=["192.168.20.1"])
    request = Request("t/i/0:ip", "ip:t/v/n", None, candidates, "p", "s")
    assert run(EMPTY, request).values == {"t/i/0:ip": "192.168.20.2"}


def test_a_mac_comes_from_the_name_unless_it_is_taken() -> None:
    def nic(key: str, fixed: str | None = None) -> Request:
        return Request(key, "mac", fixed, macs(key), "p", key)

    first = run(EMPTY, nic("t/i/0:mac")).values["t/i/0:mac"]
    alone = run(EMPTY, nic("t/i/0:mac"), nic("t/j/0:mac")).values
    assert alone["t/i/0:mac"] == first
    crowded = run(EMPTY, nic("t/i/0:mac"), nic("t/j/0:mac", str(first).upper())).values
    assert crowded["t/j/0:mac"] == first
    assert crowded["t/i/0:mac"] != first


def test_the_order_of_the_requests_and_of_the_inventory_does_not_matter() -> None:
    requests = [vni("c")._replace(path="1"), vni("a", 203)._replace(path="2"), vni("b")._replace(path="3")]
    ledger = good(EMPTY, *requests)
    assert held(ledger) == {"a": 203, "b": 200, "c": 201}
    assert encode(ledger) == encode(good(EMPTY, *reversed(requests)))


def test_the_order_of_requests_for_one_key_does_not_matter() -> None:
    requests = [vni("a")._replace(path="2"), vni("a", 203)._replace(path="1")]
    assert run(EMPTY, *requests) == run(EMPTY, *reversed(requests))


def test_the_moment_is_recorded_in_utc_and_whole_seconds() -> None:
    local = datetime(2026, 11, 20, 21, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert good(good(EMPTY, vni("a")), now=local).tombstones["t/v/a:vni"][0].released == NOW


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        run(EMPTY, now=NOW.replace(tzinfo=None))


def test_a_key_with_the_mark_of_tombstones_is_refused() -> None:
    with pytest.raises(ValueError, match="reserved"):
        run(EMPTY, vni("a#2"))


def test_changes_are_said_in_sentences() -> None:
    ledger = good(EMPTY, vni("gone", 203), vni("moved", 202))
    rested = Tombstone("mac", "02:00:00:00:00:01", NOW - DAY)
    ledger = replace(ledger, tombstones={"t/i/0:mac": (rested,), "t/v/back:vni": (Tombstone("vni:pool", 200, NOW),)})
    outcome = run(ledger, vni("back"), vni("moved", 204), vni("new"))
    assert outcome.changes[0] == Change("expired", "t/i/0:mac", Entry("mac", rested.value), None)
    assert describe_changes(outcome.changes) == [
        "MAC 02:00:00:00:00:01 of the fabric, last of t/i/0:mac, has rested and is free again.",
        "t/v/back:vni gets VNI 200 of VXLAN pool pool back.",
        "t/v/gone:vni releases VNI 203 of VXLAN pool pool.",
        "t/v/moved:vni changes from VNI 202 of VXLAN pool pool to VNI 204 of VXLAN pool pool.",
        "t/v/new:vni gets VNI 201 of VXLAN pool pool.",
    ]


def test_the_cost_grows_with_the_number_of_requests_not_with_its_square() -> None:
    pool = numbers([(1, 16_000_000)])
    requests = [vni(f"n{number}", candidates=pool) for number in range(40_000)]
    begin = process_time()
    ledger = good(EMPTY, *requests)
    ledger = good(ledger, *requests[20_000:])
    assert (
        len(good(ledger, *requests[20_000:], *(vni(f"m{number}", candidates=pool) for number in range(20_000))).entries)
        == 40_000
    )
    assert process_time() - begin < 10, "seconds of CPU; a second is usual, a square takes minutes"
