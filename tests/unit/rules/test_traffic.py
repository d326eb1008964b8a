# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What rules of filters are about."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Traffic
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.traffic import covers, icmp_faults, port_faults

WEB: dict[str, Any] = {"protocol": "tcp", "ports": "80-90"}
PING: dict[str, Any] = {"protocol": "icmp", "icmp_type": 8}


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ({}, WEB, True),
        ({}, PING, True),
        (WEB, {}, False),
        (WEB, WEB, True),
        (WEB, {**WEB, "ports": 85}, True),
        (WEB, {**WEB, "ports": "85-91"}, False),
        (WEB, {**WEB, "protocol": "udp"}, False),
        ({"protocol": "tcp"}, WEB, True),
        (WEB, {"protocol": "tcp"}, False),
        (PING, {**PING, "icmp_code": 0}, True),
        ({**PING, "icmp_code": 0}, PING, False),
        ({"protocol": "icmp"}, PING, True),
        (PING, {"protocol": "icmp"}, False),
    ],
)
def test_what_covers_what(wide: dict[str, Any], narrow: dict[str, Any], covered: bool) -> None:
    assert covers(Traffic.model_validate(wide), Traffic.model_validate(narrow)) is covered


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (WEB, []),
        ({**PING, "icmp_code": 0}, []),
        ({"ports": 80}, ["ports"]),
        ({"protocol": "icmp", "ports": 80}, ["ports"]),
        ({**WEB, "icmp_type": 8, "icmp_code": 0}, ["icmp_type", "icmp_code"]),
        ({"protocol": "icmp", "icmp_code": 0}, ["icmp_code"]),
    ],
)
def test_what_a_rule_cannot_say(given: dict[str, Any], wrong: list[str]) -> None:
    items = [Traffic.model_validate(given)]
    assert [one.path.lstrip(".") for one in (*port_faults(items), *icmp_faults(items))] == wrong
