# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ledger's text: what it looks like, and what is not taken for one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Entry, Ledger, Link, Tombstone, decode, encode
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.codec import FormatError

RELEASED = datetime(2026, 11, 20, 20, 0, tzinfo=UTC)
LEDGER = Ledger(
    "shanghai",
    {"t/v/n:vni": Entry("vni:vxlan-pool", 222), "t/i/0:ip": Entry("ip:t/v/n", "192.168.20.2")},
    {
        "t/v/gone:vni": (
            Tombstone("vni:vxlan-pool", 201, RELEASED),
            Tombstone("vni:vxlan-pool", 200, RELEASED.replace(hour=19)),
        )
    },
    {
        "hv1": {"eth2": Link(("172.20.0.11/24",), 1500), "eth1": Link((), 9000)},
        "gw1": {},
    },
)
TEXT = """\
{
"format": 1,
"fabric": "shanghai",
"entries": {
"t/i/0:ip": {"scope": "ip:t/v/n", "value": "192.168.20.2"},
"t/v/n:vni": {"scope": "vni:vxlan-pool", "value": 222}
},
"tombstones": {
"t/v/gone:vni": {"scope": "vni:vxlan-pool", "value": 201, "released": "2026-11-20T20:00:00Z"},
"t/v/gone:vni#2": {"scope": "vni:vxlan-pool", "value": 200, "released": "2026-11-20T19:00:00Z"}
},
"hosts": {
"gw1": {},
"hv1": {"eth1": {"addresses": [], "mtu": 9000}, "eth2": {"addresses": ["172.20.0.11/24"], "mtu": 1500}}
}
}
"""


def test_one_entry_a_line_sorted() -> None:
    assert encode(LEDGER) == TEXT


def test_what_was_written_is_read_back() -> None:
    assert decode(TEXT) == LEDGER
    empty = Ledger("shanghai")
    assert decode(encode(empty)) == empty


def changed(*path: str, to: Any) -> str:
    """Return the text with the value at a path replaced."""
    data = json.loads(TEXT)
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = to
    return json.dumps(data)


ENTRY = ("entries", "t/v/n:vni")
GONE = ("tombstones", "t/v/gone:vni")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not valid JSON"),
        (TEXT[:200], "is not valid JSON"),
        (TEXT + "x", "is not valid JSON"),
        ("[" * 200_000, "is not valid JSON"),
        ('{"format": ' + "9" * 5000 + "}", "is not valid JSON"),
        ("[]", "is not a JSON object"),
        ("{}", "has format null; this version of weft.vpc knows only format 1"),
        (changed("format", to=2), "has format 2;"),
        (changed("format", to="1"), "has format '1';"),
        (changed("format", to=True), "has format true;"),
        (changed("more", to={}), "something else than an object of entries, fabric, format, hosts, tombstones"),
        (changed("fabric", to=3), "names no fabric"),
        (changed("fabric", to=""), "names no fabric"),
        (changed("entries", to=[]), "at entries something else than an object"),
        (changed("tombstones", to=None), "at tombstones something else than an object"),
        (changed("hosts", to=7), "at hosts something else than an object"),
        (changed(*ENTRY, to=222), "at t/v/n:vni something else than an object of scope, value"),
        (changed(*ENTRY, "more", to=1), "at t/v/n:vni something else"),
        (changed(*ENTRY, "scope", to=1), "a scope that is not text"),
        (changed(*ENTRY, "value", to=True), "neither a whole number nor text"),
        (changed(*ENTRY, "value", to=1.5), "neither a whole number nor text"),
        (changed(*ENTRY, "value", to=None), "neither a whole number nor text"),
        (changed(*GONE, to={"scope": "s", "value": 1}), "something else than an object of released, scope, value"),
        (changed(*GONE, "released", to=5), "not one written like 2026-11-20T20:00:00Z"),
        (changed(*GONE, "released", to="2026-13-20T20:00:00Z"), "not one written like"),
        (changed(*GONE, "released", to="2026-11-20"), "not one written like"),
        (changed("hosts", "hv1", to=[]), "at hv1 something else than an object"),
        (changed("hosts", "hv1", "eth1", to={"mtu": 1}), "at hv1 something else than an object of addresses, mtu"),
        (changed("hosts", "hv1", "eth1", "mtu", to="9000"), "an MTU that is not a whole number"),
        (changed("hosts", "hv1", "eth1", "addresses", to=[1]), "addresses that are not a list of text"),
        (TEXT.replace('"gw1": {}', '"hv1": {}'), "has 'hv1' twice, as after a merge"),
        (TEXT.replace("t/i/0:ip", "t/v/n:vni"), "has 't/v/n:vni' twice"),
    ],
)
def test_what_is_not_a_ledger_is_refused_with_a_reason(text: str, words: str) -> None:
    with pytest.raises(FormatError) as caught:
        decode(text)
    assert words in str(caught.value)


def test_observed_hosts_replace_those_of_the_same_name() -> None:
    seen = {"hv1": {"eth9": Link(("10.0.0.1/8",), 1500)}, "hv2": {}}
    assert LEDGER.with_hosts(seen).hosts == {"gw1": {}, **seen}
    assert LEDGER.with_hosts(seen, inventory=["hv1", "hv2"]).hosts == seen
    assert LEDGER.with_hosts({}).hosts == LEDGER.hosts
