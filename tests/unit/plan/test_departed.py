# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hosts that left the inventory: what is said of them, and whose records speak."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils import info
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import diff
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.departed import Departed, declared, present
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

KNOWN = {"hv1", "gw1", "gw2"}


@pytest.fixture(scope="module")
def applied() -> dict[str, dict[str, Any]]:
    return slices_of(*walkthrough())


def test_who_left_is_named_with_what_it_has(applied: dict[str, dict[str, Any]]) -> None:
    left = Departed(applied, KNOWN, [])
    (warning,) = left.warnings()
    assert (left.holding, left.forgettable) == (["hv2"], [])
    assert str(warning) == (
        "host: 'hv2' left the inventory, and as far as is known still has 3 segments (admin/vpc-1/vpc-1-1, "
        "admin/vpc-1/vpc-1-2, admin1/vpc-2/vpc-2-1) and 4 ports (admin/vpc-ins2/0, admin/vpc-port-test-2/0, "
        "admin/vpc-port-test-3/0, admin1/other-2/0), which no run looks after. [WEFT-O2-left]\n"
        "    Remedy: Let it leave: while it is in the inventory, weft.vpc.leave -e host=hv2 removes all of that. If it "
        "is dead, or has another name now, write weft_gone_hosts: [hv2]."
    )


def test_a_router_node_is_named_with_its_routers(applied: dict[str, dict[str, Any]]) -> None:
    (warning,) = Departed({"gw1": applied["gw1"]}, [], []).warnings()
    assert "2 routers (admin/vpc-1, admin1/vpc-2)" in warning.reason


def test_who_is_declared_gone_or_has_nothing_is_forgotten(applied: dict[str, dict[str, Any]]) -> None:
    for record, gone in ((applied["hv2"], ["hv2"]), ({"fabric": "shanghai", "host": "hv2", "segments": []}, [])):
        left = Departed({**applied, "hv2": record}, KNOWN, gone)
        assert (left.holding, left.forgettable, list(left.warnings())) == ([], ["hv2"], [])


def test_records_of_hosts_that_are_nowhere_do_not_speak(applied: dict[str, dict[str, Any]]) -> None:
    """`plan` said "to destroy" of what no run destroys, and guests were started by ports of a host that was gone."""
    planned = {host: copy.deepcopy(applied[host]) for host in KNOWN & applied.keys()}
    assert diff.changes(present(applied, KNOWN), planned) == []
    assert "hv2" in {port["host"] for port in info.ports(applied)}
    assert "hv2" not in {port["host"] for port in info.ports(present(applied, KNOWN))}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("hv1", r"weft_gone_hosts\[0\]: 'hv1' is declared gone and is in the inventory"),
        (["hv9", "hv1"], r"weft_gone_hosts\[1\]: 'hv1' is declared gone and is in the inventory"),
        ({"hv9": True}, "is no list of names of hosts"),
        ([7], "is no list of names of hosts"),
    ],
)
def test_who_cannot_be_gone_is_refused(value: object, message: str) -> None:
    with pytest.raises(IntentError, match=message):
        declared(value, KNOWN)


def test_gone_hosts_are_a_list_or_nothing() -> None:
    assert declared(None, KNOWN) == []
    assert declared("hv9", KNOWN) == declared(["hv9"], KNOWN) == ["hv9"]
