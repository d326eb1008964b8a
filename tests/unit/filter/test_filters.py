# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The filters: values in the forms that templates have, errors as whole sentences, and examples that are true."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError

from ansible_collections.weft.vpc.plugins.filter.weft import FilterModule

FILTERS = FilterModule().filters()
FOLDER = Path(__file__).resolve().parents[3] / "plugins/filter"
POOL = {"name": "vxlan-pool", "vni_ranges": [{"start": 300, "end": 301}, {"start": 200, "end": 205}]}
LEDGER = {
    "entries": {
        "admin/vpc-1/a:vni": {"scope": "vni:vxlan-pool", "value": 202},
        "admin/vpc-1/b:vni": {"scope": "vni:vxlan-pool", "value": 200},
        "admin/vpc-1/c:vni": {"scope": "vni:other", "value": 201},
        "admin/web/0:mac": {"scope": "mac", "value": "02:00:00:00:00:01"},
    },
    "tombstones": {"admin/vpc-1/d:vni": {"scope": "vni:vxlan-pool", "value": 301, "released": "2026-11-20T20:00:00Z"}},
}


@pytest.mark.parametrize(
    "addresses",
    [
        {"eth0": ["192.0.2.11/24"], "eth2": ["fd00::1/64", "172.20.0.11/24"]},
        {"eth2": {"addresses": ["172.20.0.11/24"], "mtu": 1500}},
        {"eth2": "172.20.0.11/24"},
    ],
)
def test_vtep(addresses: dict[str, Any]) -> None:
    assert FILTERS["vtep"](addresses, "172.20.0.0/24") == "172.20.0.11"


def test_overlay_mtu() -> None:
    assert FILTERS["overlay_mtu"](1500) == FILTERS["overlay_mtu"]("1500") == 1450
    assert FILTERS["overlay_mtu"](1500, "gre") == 1458


def test_subnet_addresses() -> None:
    listed = FILTERS["subnet_addresses"]("192.168.20.0/29", gateway="192.168.20.6")
    assert listed == [f"192.168.20.{last}" for last in range(1, 6)]
    assert len(FILTERS["subnet_addresses"]("10.0.0.0/16")) == 65533


def test_vnis() -> None:
    assert FILTERS["allocated_vnis"](POOL, LEDGER) == {"admin/vpc-1/b": 200, "admin/vpc-1/a": 202}
    free = [{"start": 201, "end": 201}, {"start": 203, "end": 205}, {"start": 300, "end": 300}]
    assert FILTERS["free_vnis"](POOL, LEDGER) == free
    assert FILTERS["free_vnis"](POOL, LEDGER, resting=True)[-1] == {"start": 300, "end": 301}
    assert FILTERS["free_vnis"](POOL, {}) == [{"start": 200, "end": 205}, {"start": 300, "end": 301}]


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("vtep", ({"eth0": ["10.0.0.1/8"]}, "172.20.0.0/24"), "its addresses are 10.0.0.1/8 on eth0"),
        ("vtep", ({"eth0": ["x"]}, "172.20.0.0/24"), "'x' of eth0 is not an IPv4 address"),
        ("vtep", (["10.0.0.1"], "172.20.0.0/24"), "by interface is needed"),
        ("vtep", ({}, "172.20.0.1/24"), "is not an IPv4 network"),
        ("overlay_mtu", (600,), "leaves less than 576"),
        ("overlay_mtu", ("x",), "invalid literal"),
        ("subnet_addresses", ("10.0.0.0/8",), "at most 65536"),
        ("subnet_addresses", ("10.0.0.0/24", ["10.0.0.1"]), "a range with start and end"),
        ("subnet_addresses", ("10.0.0.0/24", [], "x"), "is not an IPv4 address"),
        ("mac", (7,), "is not a text"),
        ("free_vnis", ("vxlan-pool", {}), "a pool of weft_vxlan_pools is needed"),
        ("free_vnis", (POOL, "x"), "the content of the ledger is needed"),
        ("free_vnis", ({}, {}), "the pool needs name"),
        ("allocated_vnis", (POOL, {"entries": {"a": 1}}), "the ledger scopes"),
    ],
)
def test_errors(name: str, arguments: tuple[Any, ...], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=f"^{name}: .*{re.escape(words)}"):
        FILTERS[name](*arguments)


def test_every_filter_is_documented() -> None:
    assert {path.stem for path in FOLDER.glob("*.yml")} == FILTERS.keys()
    for name in FILTERS:
        document = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
        assert document["DOCUMENTATION"]["name"] == name
        assert f"weft.vpc.{name}" in document["EXAMPLES"]


def test_examples_are_true() -> None:
    mac = yaml.safe_load((FOLDER / "mac.yml").read_text())
    assert mac["RETURN"]["_value"]["sample"] == FILTERS["mac"]("admin/vpc-ins1/0")
    assert mac["RETURN"]["_value"]["sample"] in mac["EXAMPLES"]
    assert FILTERS["subnet_addresses"]("192.168.20.0/29") == [f"192.168.20.{last}" for last in range(2, 7)]
