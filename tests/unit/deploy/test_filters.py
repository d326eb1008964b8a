"""What a list of rules says of a connection."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.filters import Asked, Decision, Filter

NO_MESSAGE = [None, None]
RULES: list[list[Any]] = [
    ["bad", "deny", "any", None, NO_MESSAGE, ["203.0.113.8/29"], []],
    ["web", "allow", "tcp", [80, 81], NO_MESSAGE, [], ["192.168.20.0/28", "192.168.20.32/32"]],
    ["late", "deny", "tcp", [80, 80], NO_MESSAGE, [], []],
    ["ping", "allow", "icmp", None, [8, None], [], []],
    ["stamp", "allow", "icmp", None, [13, 0], [], []],
    ["rest", "allow", "udp", None, NO_MESSAGE, ["203.0.113.0/24"], []],
]
GUEST, OTHER, OUTSIDE, BAD = "192.168.20.5", "192.168.20.33", "203.0.113.1", "203.0.113.9"


@pytest.mark.parametrize(
    ("asked", "admits", "rule"),
    [
        (Asked("tcp", OUTSIDE, GUEST, 80), True, "web"),
        (Asked("tcp", OUTSIDE, "192.168.20.32", 81), True, "web"),
        (Asked("tcp", OUTSIDE, GUEST, 82), False, ""),
        (Asked("tcp", OUTSIDE, OTHER, 80), False, "late"),
        (Asked("tcp", BAD, GUEST, 80), False, "bad"),
        (Asked("udp", OUTSIDE, GUEST, 80), True, "rest"),
        (Asked("udp", "198.51.100.1", GUEST, 80), False, ""),
        (Asked("icmp", OUTSIDE, GUEST), True, "ping"),
        (Asked("icmp", OUTSIDE, GUEST, icmp=(8, 3)), True, "ping"),
        (Asked("icmp", OUTSIDE, GUEST, icmp=(13, 0)), True, "stamp"),
        (Asked("icmp", OUTSIDE, GUEST, icmp=(13, 1)), False, ""),
        (Asked("47", OUTSIDE, GUEST), False, ""),
    ],
)
def test_the_first_rule_that_matches_decides(asked: Asked, admits: bool, rule: str) -> None:
    assert Filter({"end": "deny", "rules": RULES}).decide(asked) == Decision(admits, rule)


@pytest.mark.parametrize("end", ["allow", "deny"])
def test_what_no_rule_is_about_has_an_end(end: str) -> None:
    assert Filter({"end": end, "rules": []}).decide(Asked("47", OUTSIDE, GUEST)) == Decision(end == "allow", "")
