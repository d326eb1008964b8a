"""How the router's checker shares slots out: by weights, in turn, and moving no more clients than it must."""

from __future__ import annotations

import runpy
from collections import Counter
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import SLOTS
from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import ROLES_DIRECTORY

lb_udp = SimpleNamespace(**runpy.run_path(f"{ROLES_DIRECTORY}/lb/templates/lb-udp.py.j2"))

CHECK = {"type": "icmp", "interval": 5, "timeout": 2, "rise": 2, "fall": 3, "port": None, "send": "", "expect": ""}


def listener(algorithm: str = "roundrobin") -> dict[str, Any]:
    return {"address": "10.0.0.1", "port": 53, "algorithm": algorithm, "slots": SLOTS, "check": CHECK}


def backends(weights: Sequence[int]) -> list[Any]:
    return [lb_udp.Backend(listener(), f"192.168.0.{number}", 53, weight) for number, weight in enumerate(weights)]


def held(algorithm: str, well: list[Any]) -> list[int]:
    return [well.index(one) for one in lb_udp.shares(listener(algorithm), well)]


@pytest.mark.parametrize(
    ("weights", "turns"),
    [
        ([1, 1, 1], [0, 1, 2, 0, 1, 2]),
        ([3, 1], [0, 0, 1, 0, 0, 0, 1, 0]),
        ([5], [0, 0, 0]),
        ([2, 1], [0, 1, 0, 0, 1, 0]),
    ],
)
def test_they_take_turns(weights: list[int], turns: list[int]) -> None:
    assert held("roundrobin", backends(weights))[: len(turns)] == turns


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_shares_are_weights_rounded(weights: list[int]) -> None:
    seats = Counter(held("roundrobin", backends(weights)))
    assert sum(seats.values()) == SLOTS
    for number, weight in enumerate(weights):
        exact = SLOTS * weight / sum(weights)
        assert seats[number] == exact if SLOTS % sum(weights) == 0 else abs(seats[number] - exact) < 2
        assert seats[number] >= 1


@pytest.mark.parametrize("algorithm", ["roundrobin", "source"])
def test_nobody_well_holds_nothing(algorithm: str) -> None:
    assert lb_udp.shares(listener(algorithm), []) == []


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.data())
def test_a_backend_that_goes_moves_its_own_slots_only(weights: list[int], data: st.DataObject) -> None:
    all_of_them = backends(weights)
    gone = data.draw(st.sampled_from(all_of_them))
    before = lb_udp.shares(listener("source"), all_of_them)
    after = lb_udp.shares(listener("source"), [one for one in all_of_them if one is not gone])
    assert all(new is old for old, new in zip(before, after, strict=True) if old is not gone)


def test_turning_takes_as_many_checks_as_asked_for() -> None:
    (one,) = backends([1])
    # One that is new is believed until it fails; one that is known has its failures counted.
    assert [one.end(False), one.up] == [True, False]
    assert [one.end(True), one.end(False), one.end(True), one.end(True)] == [False, False, False, True]
    assert [one.end(False), one.end(False), one.end(True), one.end(False), one.end(False)] == [False] * 5
    assert [one.end(False), one.up] == [True, False]


@pytest.mark.parametrize(
    ("told", "calls"),
    [
        ((*[f"Operation failed: {lb_udp.VANISHED}"] * 2, "7 flow entries have been deleted."), 3),
        (("0 flow entries have been deleted.",), 1),
        (("Operation failed: Operation not permitted",), 1),
    ],
)
def test_a_flow_that_ends_by_itself_saves_no_other(told: Sequence[str], calls: int) -> None:
    called: list[Sequence[str]] = []

    def conntrack(*words: str) -> SimpleNamespace:
        called.append(words)
        return SimpleNamespace(stderr=told[len(called) - 1])

    names = lb_udp.end_flows.__globals__
    names["command"], real = conntrack, names["command"]
    try:
        lb_udp.end_flows("10.0.0.1", 53, "192.168.0.2", 5353)
    finally:
        names["command"] = real
    assert len(called) == calls
    assert {one[:2] for one in called} == {("conntrack", "-D")}
