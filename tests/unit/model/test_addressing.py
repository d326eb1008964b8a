# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Address arithmetic."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import (
    Span,
    Vtep,
    VtepError,
    default_gateway,
    host_span,
    in_spans,
    mac_from_name,
    overlay_mtu,
    subnet_addresses,
    subnet_spans,
    vtep_in_cidr,
)

CIDR = IPv4Network("172.20.0.0/24")


def addresses(**by_interface: str) -> list[tuple[str, IPv4Interface]]:
    return [(name, IPv4Interface(item)) for name, listed in by_interface.items() for item in listed.split()]


def test_vtep() -> None:
    own = addresses(eth0="192.0.2.1/24", eth2="172.20.0.11/24 172.20.0.12/24")
    assert vtep_in_cidr(own, CIDR) == Vtep("eth2", IPv4Address("172.20.0.11"))
    assert vtep_in_cidr(own, CIDR, "eth2") == Vtep("eth2", IPv4Address("172.20.0.11"))


@pytest.mark.parametrize(
    ("own", "interface", "kind", "words"),
    [
        ("192.0.2.1/24", None, "missing", "its addresses are 192.0.2.1/24 on eth0, 10.0.0.1/8 on eth1"),
        ("172.20.0.11/24", "eth1", "interface", "on eth0, not on eth1"),
        ("172.20.0.11/24 10.9.9.9/8", None, "ambiguous", "172.20.0.11 on eth0 and 172.20.0.99 on eth2"),
    ],
)
def test_no_vtep(own: str, interface: str | None, kind: str, words: str) -> None:
    more = {"eth2": "172.20.0.99/24"} if kind == "ambiguous" else {"eth1": "10.0.0.1/8"}
    with pytest.raises(VtepError) as caught:
        vtep_in_cidr(addresses(eth0=own, **more), CIDR, interface)
    assert caught.value.kind == kind
    assert words in str(caught.value)


def test_no_address_at_all() -> None:
    with pytest.raises(VtepError, match="its addresses are none"):
        vtep_in_cidr([], CIDR)


def test_overlay_mtu() -> None:
    assert [overlay_mtu(1500), overlay_mtu(9000), overlay_mtu(1500, "vxlan", 6), overlay_mtu(1500, "gre")] == [
        1450,
        8950,
        1430,
        1458,
    ]
    with pytest.raises(ValueError, match="leaves less than 576"):
        overlay_mtu(600)
    with pytest.raises(ValueError, match="is not known"):
        overlay_mtu(1500, "stt")


@given(st.text(), st.integers(0, 5))
def test_macs_are_local_unicast_and_stable(name: str, salt: int) -> None:
    mac = mac_from_name(name, salt)
    assert int(mac[:2], 16) & 3 == 2
    assert len(mac) == 17
    assert mac == mac_from_name(name, salt) != mac_from_name(name, salt + 1)


def pair(start: str, end: str) -> tuple[IPv4Address, IPv4Address]:
    return IPv4Address(start), IPv4Address(end)


def test_spans() -> None:
    cidr = IPv4Network("192.168.0.0/29")
    base = int(cidr.network_address)
    assert default_gateway(cidr) == IPv4Address("192.168.0.1")
    assert host_span(cidr) == Span(base + 1, base + 6)
    assert host_span(IPv4Network("192.168.0.0/31")).size == 2
    around_three = (Span(base + 1, base + 2), Span(base + 4, base + 6))
    assert subnet_spans(cidr, gateway=IPv4Address("192.168.0.3")) == around_three
    assert subnet_spans(cidr, gateway=IPv4Address("192.168.0.6")) == (Span(base + 1, base + 5),)
    assert subnet_spans(cidr, [pair("10.0.0.1", "10.0.0.2")]) == ()


def test_subnet_addresses() -> None:
    ranges = [pair("192.168.0.5", "192.168.0.7"), pair("192.168.0.0", "192.168.0.2")]
    found = subnet_addresses(IPv4Network("192.168.0.0/29"), ranges, IPv4Address("192.168.0.1"))
    assert [str(address) for address in found] == ["192.168.0.2", "192.168.0.5", "192.168.0.6"]


def test_in_spans() -> None:
    spans = (Span(5, 6), Span(10, 20))
    inside = [value for value in range(30) if in_spans(IPv4Address(value), spans)]
    assert inside == [5, 6, *range(10, 21)]
    assert not in_spans(IPv4Address(5), ())
