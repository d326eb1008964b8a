"""Concatenations that every supported nft and kernel takes together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).resolve().parents[3] / "roles"
# nft 1.0.6 asks the kernel to turn around the one byte of `meta l4proto` in a look-up of ranges; 6.12.117 and later
# kernels refuse that. The byte of `ip protocol` is the same, and is looked up as it comes.
REFUSED = re.compile(r"\. meta l4proto|meta l4proto (\.|@)")


def refused(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if REFUSED.search(line)]


def test_no_set_is_looked_up_by_meta_l4proto() -> None:
    files = sorted(TEMPLATES.glob("*/templates/*.j2"))
    assert any("ip protocol . th dport" in path.read_text() for path in files)
    assert {path.name: lines for path in files if (lines := refused(path.read_text()))} == {}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("ip daddr . meta l4proto . th dport @listeners accept", True),
        ("meta l4proto . ip daddr @egress_protocols return", True),
        ("meta l4proto @protocols accept", True),
        ("meta l4proto icmp accept", False),
        ("ip daddr . ip protocol . th dport @listeners accept", False),
    ],
)
def test_what_is_refused_is_found(line: str, found: bool) -> None:
    assert bool(refused(line)) is found
