# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the allocator says when it cannot give every request its value, word by word."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import (
    Allocation,
    Candidates,
    Entry,
    Ledger,
    Request,
    Tombstone,
    Value,
    allocate,
    numbers,
)

NOW = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
DAY = timedelta(days=1)
POOL = numbers([(200, 202)])


def vni(index: int, name: str, fixed: Value | None = None, candidates: Candidates = POOL) -> Request:
    path = f"weft_vpcs[0].networks[{index}]"
    return Request(f"t/v/{name}:vni", "vni:pool", fixed, candidates, path, f"network {name}")


def recorded(**values: Value) -> Ledger:
    return Ledger("shanghai", {f"t/v/{name}:vni": Entry("vni:pool", value) for name, value in values.items()})


def messages(ledger: Ledger, *requests: Request, rest: timedelta = DAY, partial: bool = False) -> list[str]:
    outcome: Allocation = allocate(ledger, requests, NOW, rest, partial=partial)
    assert outcome.ledger is ledger, "with findings there must be nothing to write"
    assert outcome.changes == []
    return [str(finding) for finding in outcome.findings]


def test_a_value_given_twice_names_both() -> None:
    assert messages(recorded(), vni(0, "a", 200), vni(1, "b", 200)) == [
        "weft_vpcs[0].networks[1]: 200 is given to network b and also to network a "
        "(weft_vpcs[0].networks[0]); the VNI must be unique in VXLAN pool pool. [WEFT-A2-conflict]\n"
        "    Remedy: Give one of the two another value, or leave it out to have a free one allocated."
    ]


def test_a_value_given_to_one_and_recorded_for_another_names_both() -> None:
    assert messages(recorded(b=201), vni(0, "a", 201), vni(1, "b")) == [
        "weft_vpcs[0].networks[0]: 201 is given to network a, but the ledger records this VNI of VXLAN "
        "pool pool for network b (weft_vpcs[0].networks[1]). [WEFT-A2-conflict]\n"
        "    Remedy: Give network a another value; or, to move the present holder, write another value for "
        "it into the inventory."
    ]


def test_a_value_of_an_object_that_a_partial_run_does_not_see() -> None:
    assert messages(recorded(b=201), vni(0, "a", 201), partial=True) == [
        "weft_vpcs[0].networks[0]: 201 is given to network a, but the ledger records this VNI of VXLAN "
        "pool pool for t/v/b:vni, which is not part of this run. [WEFT-A2-conflict]\n"
        "    Remedy: Give network a another value; or, to move the present holder, write another value for "
        "it into the inventory."
    ]


def test_a_value_recorded_twice_names_both() -> None:
    assert messages(recorded(a=201, b=201), vni(0, "a"), vni(1, "b")) == [
        "weft_vpcs[0].networks[1]: 201 is recorded for network b and also for network a "
        "(weft_vpcs[0].networks[0]), as after a merge of two versions of the ledger. [WEFT-A2-conflict]\n"
        "    Remedy: Write the right VNI of each of the two into the inventory, or take the newer of the "
        "two lines out of the ledger."
    ]


def test_a_value_recorded_twice_one_of_them_unseen() -> None:
    assert messages(recorded(a=201, b=201), vni(0, "a"), partial=True) == [
        "weft_vpcs[0].networks[0]: 201 is recorded for network a and also for t/v/b:vni, as after a "
        "merge of two versions of the ledger. [WEFT-A2-conflict]\n"
        "    Remedy: Write the right VNI of each of the two into the inventory, or take the newer of the "
        "two lines out of the ledger."
    ]


def test_a_value_recorded_twice_is_mended_by_the_intent() -> None:
    outcome = allocate(recorded(a=201, b=201), [vni(0, "a"), vni(1, "b", 202)], NOW, DAY)
    assert outcome.findings == []
    assert outcome.values == {"t/v/a:vni": 201, "t/v/b:vni": 202}


def test_a_range_in_use_cannot_be_removed() -> None:
    assert messages(recorded(a=201), vni(0, "a", candidates=numbers([(300, 310), (320, 320)]))) == [
        "weft_vpcs[0].networks[0]: 201 is the recorded VNI of network a, but VXLAN pool pool now gives "
        "only 300-310, 320. [WEFT-A1-range-in-use]\n"
        "    Remedy: Put the range that holds it back, or move network a on purpose by writing another "
        "value for it into the inventory."
    ]


def test_one_name_for_two_objects() -> None:
    assert messages(recorded(), vni(0, "a"), vni(1, "a")) == [
        "weft_vpcs[0].networks[1]: 't/v/a:vni' is asked for by network a (weft_vpcs[0].networks[1]) and "
        "also by network a (weft_vpcs[0].networks[0]). [WEFT-A2-conflict]\n"
        "    Remedy: Rename one of the two."
    ]


def test_an_exhausted_pool_says_its_size_and_use() -> None:
    assert messages(recorded(), *(vni(index, f"n{index}") for index in range(8))) == [
        "weft_vpcs[0].networks[3]: VXLAN pool pool has no VNI left for network n3, network n4, network "
        "n5 and 2 more: of 3 (200-202), 3 are in use and 0 are resting. [WEFT-A2-exhausted]\n"
        "    Remedy: Widen the ranges of VXLAN pool pool or remove what is no longer needed."
    ]


def test_an_exhausted_pool_names_what_rests() -> None:
    ledger = Ledger(
        "shanghai",
        {"t/v/a:vni": Entry("vni:pool", 200)},
        {f"t/v/old{value}:vni": (Tombstone("vni:pool", value, NOW - DAY / value),) for value in (201, 202, 999)},
    )
    assert messages(ledger, vni(0, "a"), vni(1, "b")) == [
        "weft_vpcs[0].networks[1]: VXLAN pool pool has no VNI left for network b: of 3 (200-202), 1 is "
        "in use and 2 are resting (201 of t/v/old201:vni until 2026-11-21T19:52:50Z, 202 of "
        "t/v/old202:vni until 2026-11-21T19:52:52Z). [WEFT-A2-exhausted]\n"
        "    Remedy: Widen the ranges of VXLAN pool pool or remove what is no longer needed; or wait until "
        "2026-11-21T19:52:50Z, when 201 has rested; or take a resting value at once by writing it into "
        "the inventory for network b."
    ]


def test_a_rest_for_ever() -> None:
    ledger = Ledger("shanghai", {}, {"t/v/a:vni": (Tombstone("vni:pool", 200, NOW),)})
    pool = numbers([(200, 200)])
    assert "9999-12-31" in messages(ledger, vni(0, "b", candidates=pool), rest=timedelta.max)[0]
