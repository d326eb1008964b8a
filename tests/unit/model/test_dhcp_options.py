# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What guests get of DHCP options, byte for byte as dnsmasq's manual has it; and what is refused."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.model.dhcp_options import (
    MOST_ADDRESSES,
    OptionError,
    dhcp_option,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.render.sinks import dnsmasq
from ansible_collections.weft.vpc.tests.tools.readers import dnsmasq_options

NAMES = b"\x07example\x03net\x00\x01a\x00"


def sent(code: int, value: Any) -> bytes:
    """What the line of the option means to dnsmasq, in the longest line that there can be."""
    form, text = dhcp_option(code, value)
    line = f"dhcp-option=tag:lan1234567890ab,{code},{dnsmasq({'form': form, 'value': text})}\n"
    return dnsmasq_options(f"# before\n{line}domain=x\n")["lan1234567890ab", code]


@pytest.mark.parametrize(
    ("code", "value", "expected"),
    [
        (66, "boot", b"boot"),
        (66, "pxe # v2", b"pxe # v2"),
        (67, 'say "hi"', b'say "hi"'),
        (66, " a,b;$c`d`{{ e }}\\n'f'% ", b" a,b;$c`d`{{ e }}\\n'f'% "),
        (66, "8:9:ab", b"8:9:ab"),
        (66, "192.0.2.1", b"192.0.2.1"),
        (17, "é\u2028", "é\u2028".encode()),
        (67, "hex:626f6f74", b"boot"),
        (67, "hex:6865783a", b"hex:"),
        (66, '"' * 255, b'"' * 255),
        (114, "https://example.net/?a=b#c", b"https://example.net/?a=b#c"),
        (46, 8, b"\x08"),
        (46, "8", b"\x08"),
        (46, "hex:08", b"\x08"),
        (13, 258, b"\x01\x02"),
        (2, -3600, (-3600).to_bytes(4, "big", signed=True)),
        (35, 2**32 - 1, b"\xff" * 4),
        (19, True, b"\x01"),
        (19, 0, b"\x00"),
        (150, "192.0.2.1", IPv4Address("192.0.2.1").packed),
        (150, "192.0.2.1, 192.0.2.2", b"\xc0\x00\x02\x01\xc0\x00\x02\x02"),
        (150, ["192.0.2.1", "192.0.2.2"], b"\xc0\x00\x02\x01\xc0\x00\x02\x02"),
        (150, "hex:c0000201", b"\xc0\x00\x02\x01"),
        (33, ["192.0.2.0", "192.0.2.1"], b"\xc0\x00\x02\x00\xc0\x00\x02\x01"),
        (41, ["192.100.200.250"] * MOST_ADDRESSES, IPv4Address("192.100.200.250").packed * MOST_ADDRESSES),
        (119, "example.net,a", NAMES),
        (119, ["example.net", "a"], NAMES),
        (224, 'a: #"é', 'a: #"é'.encode()),
        (224, "7", b"7"),
        (224, "hex:00", b"\x00"),
        (224, "hex:" + "ff" * 255, b"\xff" * 255),
        (43, "hex:0104c0000201", b"\x01\x04\xc0\x00\x02\x01"),
    ],
)
def test_it_reaches_the_guest_byte_for_byte(code: int, value: Any, expected: bytes) -> None:
    assert sent(code, value) == expected


@pytest.mark.parametrize(
    ("code", "value"),
    [
        (66, "a\nserver=192.0.2.1"), (66, "a\0"), (66, ""), (66, "a" * 256), (66, "é" * 128), (66, 5), (66, ["a"]),
        (66, "\ud800"), (67, "hex:00"), (67, "hex:0a"), (67, "hex:ff"), (33, "word"), (33, "192.0.2.1"), (33, []),
        (150, "192.0.2.1,"), (150, ["192.0.2.1", 5]), (150, "hex:c00002"), (150, ["192.0.2.1"] * (MOST_ADDRESSES + 1)),
        (46, 256), (46, -1), (46, True), (46, "hex:0008"), (46, 10**400), (13, 2**16), (2, 2**31), (19, 2),
        (19, "false"), (19, "hex:02"), (119, "a b"), (119, "hex:00"), (119, ["a" * 63] * 5), (119, []), (224, 5),
        (224, True), (224, "hex:0"), (224, "hex:"), (224, "hex:zz"), (224, "hex:" + "ff" * 256), (224, [1]),
    ],
)  # fmt: skip
def test_what_no_guest_could_get_is_refused(code: int, value: Any) -> None:
    with pytest.raises(OptionError) as caught:
        dhcp_option(code, value)
    assert caught.value.reason[0].islower()
    assert caught.value.remedy.endswith(".")
