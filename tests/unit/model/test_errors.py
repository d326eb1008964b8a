# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How findings read."""

from __future__ import annotations

from datetime import date

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError, path_key, value_text


def test_text() -> None:
    finding = Finding("WEFT-R3-overlap", "weft_vpcs[0].networks[1].cidr", "10.0.0.0/8", "overlaps it.", "Move it.")
    assert str(finding) == (
        "weft_vpcs[0].networks[1].cidr: '10.0.0.0/8' overlaps it. [WEFT-R3-overlap]\n    Remedy: Move it."
    )
    assert str(Finding("R", "a", None, "is missing", "Add it.")) == "a: is missing. [R]\n    Remedy: Add it."


def test_order_is_that_of_the_inventory_and_nothing_is_said_twice() -> None:
    paths = ["weft_vpcs[10].a", "weft_vpcs[2].a", "weft_fabric", "weft_vpcs[2].a"]
    error = IntentError(Finding("R", path, 1, "is", "Do.") for path in paths)
    assert [finding.path for finding in error.findings] == ["weft_fabric", "weft_vpcs[2].a", "weft_vpcs[10].a"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "'a'"),
        ("a\nb", "'a\\nb'"),
        (True, "true"),
        (None, "null"),
        (7, "7"),
        ([1, "x", None], "[1, 'x', null]"),
        ({"a": False}, "{'a': false}"),
        (date(2026, 1, 2), "'2026-01-02'"),
        (10**5000, "a huge number"),
    ],
    ids=lambda item: item if isinstance(item, str) else type(item).__name__,
)
def test_values(value: object, text: str) -> None:
    assert value_text(value) == text


def test_values_are_short_whatever_is_in_them() -> None:
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    for value in ("x" * 10_000, list(range(10_000)), deep, {str(i): "y" * 100 for i in range(1000)}, "\ud800"):
        text = value_text(value)
        assert len(text) < 400
        text.encode()


def test_path_key_takes_anything() -> None:
    assert sorted(["a[10]", "a", "b", "a[2]", "a[²]", "7"], key=path_key)[-1] == "b"
