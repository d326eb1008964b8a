# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Address arithmetic shared by the filters, the rules and the planner. Pure functions on IPv4 objects."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import NamedTuple

# Bytes that an encapsulation adds to a guest's packet, by version of the underlay's IP. The inner Ethernet header (14)
# counts, because it travels inside the underlay's payload.
# VXLAN: IPv4 20 + UDP 8 + VXLAN 8 + 14 (RFC 7348). GRE with a key: IPv4 20 + 8 + 14 (RFC 2890).
OVERHEAD = {("vxlan", 4): 50, ("vxlan", 6): 70, ("gre", 4): 42, ("gre", 6): 62}

# An IPv4 host must be able to take datagrams of 576 bytes (RFC 791), whatever link they come over.
MINIMUM_MTU = 576


class Vtep(NamedTuple):
    """Where a host's VXLAN traffic starts. `interface` is None when the address came from `weft_vtep_ip` alone."""

    interface: str | None
    address: IPv4Address


class Span(NamedTuple):
    """Addresses from `first` to `last`, both included, as integers."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many addresses there are."""
        return self.last - self.first + 1


class VtepError(ValueError):
    """No VTEP, or more than one. The message goes on from the host's name; `remedy` says what to do."""

    def __init__(self, kind: str, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.remedy = remedy


def addresses_text(addresses: Iterable[tuple[str, IPv4Interface]]) -> str:
    """A host's addresses for a message: `172.20.0.11/24 on eth2, 10.0.0.5/8 on eth1`."""
    return ", ".join(f"{address} on {interface}" for interface, address in addresses) or "none"


def vtep_in_cidr(
    addresses: Sequence[tuple[str, IPv4Interface]], cidr: IPv4Network, interface: str | None = None
) -> Vtep:
    """The one of a host's `(interface, address)` pairs that lies in `cidr`, on `interface` if that is named.

    Of several addresses on the same interface the first (the primary one) is taken. Raises VtepError when none lies in
    it (kind `missing`), when only other interfaces have one (`interface`) or when several do and none is named
    (`ambiguous`).
    """
    inside = [Vtep(name, address.ip) for name, address in addresses if address.ip in cidr]
    if not inside:
        raise VtepError(
            "missing",
            f"has no address in {cidr}; its addresses are {addresses_text(addresses)}",
            "Correct the CIDR, give the host an address in it, or set weft_vtep_ip on the host.",
        )
    named = [vtep for vtep in inside if interface is None or vtep.interface == interface]
    if not named:
        raise VtepError(
            "interface",
            f"has its address in {cidr} on {inside[0].interface}, not on {interface}; "
            f"its addresses are {addresses_text(addresses)}",
            f"Name the interface {inside[0].interface}, or none at all.",
        )
    if len({vtep.interface for vtep in named}) > 1:
        listed = " and ".join(f"{vtep.address} on {vtep.interface}" for vtep in named)
        raise VtepError(
            "ambiguous",
            f"has several addresses in {cidr}: {listed}",
            "Name the interface in the pool's cluster, or set weft_vtep_ip on the host.",
        )
    return named[0]


def overlay_mtu(underlay_mtu: int, encapsulation: str = "vxlan", ip_version: int = 4) -> int:
    """The largest packet a guest may send so that it fits, encapsulated, into the underlay's MTU. In bytes.

    Raises ValueError for an encapsulation or IP version that is not known, and when what is left is below 576.
    """
    overhead = OVERHEAD.get((encapsulation, ip_version))
    if overhead is None:
        raise ValueError(
            f"encapsulation {encapsulation!r} over IP version {ip_version!r} is not known: vxlan or gre, 4 or 6"
        )
    if underlay_mtu - overhead < MINIMUM_MTU:
        raise ValueError(
            f"an underlay MTU of {underlay_mtu} leaves less than {MINIMUM_MTU} bytes inside {encapsulation}"
        )
    return underlay_mtu - overhead


def mac_from_name(name: str, salt: int = 0) -> str:
    """A locally administered unicast MAC made from a name: always the same for the same name and salt.

    `02:` plus 40 bits of SHA-256, so that clashes are rare (a million names: one in two); the ledger
    counts `salt` up until the address is free.
    """
    digest = hashlib.sha256(f"{name}\0{salt}".encode() if salt else name.encode("utf-8", "surrogatepass")).digest()
    return ":".join(f"{byte:02x}" for byte in b"\x02" + digest[:5])


def default_gateway(cidr: IPv4Network) -> IPv4Address:
    """The first host address of a subnet, where the gateway lies unless the intent says otherwise."""
    return IPv4Address(host_span(cidr).first)


def host_span(cidr: IPv4Network) -> Span:
    """The addresses of a subnet that hosts can have: all but the network's and the broadcast's (RFC 3021: /31, all)."""
    first, last = int(cidr.network_address), int(cidr.broadcast_address)
    return Span(first, last) if cidr.prefixlen >= 31 else Span(first + 1, last - 1)


def subnet_spans(
    cidr: IPv4Network,
    ranges: Iterable[tuple[IPv4Address, IPv4Address]] = (),
    gateway: IPv4Address | None = None,
) -> tuple[Span, ...]:
    """The addresses to give out: the ranges (or the whole subnet) less network, broadcast and gateway, in order."""
    hosts = host_span(cidr)
    given = [Span(int(start), int(end)) for start, end in ranges] or [hosts]
    clipped = [Span(max(span.first, hosts.first), min(span.last, hosts.last)) for span in given]
    spans = sorted(span for span in clipped if span.first <= span.last)
    return tuple(spans) if gateway is None else tuple(_without(spans, int(gateway)))


def _without(spans: Iterable[Span], value: int) -> Iterator[Span]:
    for span in spans:
        if not span.first <= value <= span.last:
            yield span
            continue
        if span.first < value:
            yield Span(span.first, value - 1)
        if value < span.last:
            yield Span(value + 1, span.last)


def subnet_addresses(
    cidr: IPv4Network,
    ranges: Iterable[tuple[IPv4Address, IPv4Address]] = (),
    gateway: IPv4Address | None = None,
) -> Iterator[IPv4Address]:
    """Every address of `subnet_spans`, one by one, lowest first."""
    for span in subnet_spans(cidr, ranges, gateway):
        yield from map(IPv4Address, range(span.first, span.last + 1))


def in_spans(address: IPv4Address, spans: Sequence[Span]) -> bool:
    """Whether the address lies in one of the spans, which are sorted and do not overlap."""
    index = bisect_right(spans, int(address), key=lambda span: span.first)
    return index > 0 and int(address) <= spans[index - 1].last
