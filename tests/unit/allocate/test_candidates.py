# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which values may be given, and in which order."""

from __future__ import annotations

from itertools import islice

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import mac_from_name
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import addresses, macs, numbers


def test_ranges_are_sorted_merged_and_cut() -> None:
    candidates = numbers([(10, 12), (1, 3), (3, 5), (6, 6), (9, 8)], excluded=[2, 6, 10, 12, 99])
    assert candidates.ranges == ((1, 1), (3, 5), (11, 11))
    assert candidates.size == 5
    assert list(candidates.free((), ())) == [1, 3, 4, 5, 11]


def test_nothing_but_exclusions_leaves_nothing() -> None:
    candidates = numbers([(1, 2)], excluded=[1, 2])
    assert list(candidates.free((), ())) == []
    assert candidates.describe() == "no value at all"


def test_what_is_taken_or_rests_is_passed_over_even_when_it_was_taken_after_the_start() -> None:
    taken = {1}
    free = numbers([(1, 9)]).free(taken, {2})
    assert next(free) == 3
    taken |= {3, 4}
    assert next(free) == 5


def test_a_great_range_costs_no_more_than_a_small_one() -> None:
    candidates = numbers([(1, 2**60)])
    assert list(islice(candidates.free((), ()), 3)) == [1, 2, 3]
    assert 2**59 in candidates


def test_addresses_may_be_text_objects_or_numbers_and_come_out_as_text() -> None:
    candidates = addresses([(0x0A000001, "10.0.0.3")], excluded=["10.0.0.2"])
    assert list(candidates.free((), ())) == ["10.0.0.1", "10.0.0.3"]
    assert candidates.describe() == "10.0.0.1, 10.0.0.3"


@pytest.mark.parametrize("value", ["10.0.0.9", "10.0.1", "010.0.0.1", "ten", "", "10.0.0.1\0", 0x0A000001, None, True])
def test_only_the_canonical_text_of_an_address_is_one_of_them(value: object) -> None:
    assert value not in addresses([("10.0.0.1", "10.0.0.3")])


@pytest.mark.parametrize("value", [0, 4, "1", True, None, 1.0])
def test_only_a_whole_number_is_one_of_the_numbers(value: object) -> None:
    assert value not in numbers([(1, 3)])


def test_many_ranges_are_described_by_the_first() -> None:
    candidates = numbers([(start, start + 1) for start in range(0, 60, 10)])
    assert candidates.describe() == "0-1, 10-11, 20-21, 30-31 and 2 more ranges"


def test_macs_come_from_the_name_and_are_written_in_one_way() -> None:
    candidates = macs("t/i/0")
    first, second = islice(candidates.free((), ()), 2)
    assert (first, second) == (mac_from_name("t/i/0"), mac_from_name("t/i/0", 1))
    assert next(candidates.free({first}, ())) == next(candidates.free((), {first})) == second
    assert candidates.normal("02-AB-00-00-00-01") == "02:ab:00:00:00:01"
    assert first in candidates
    assert "02:AB:00:00:00:01" not in candidates
    assert 2 not in candidates
