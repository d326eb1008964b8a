# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The values a request may get, as numbers in ranges or as a sequence derived from a name.

Ranges are never materialised: a pool of sixteen million VNIs costs as much as one of sixteen.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import count
from socket import AF_INET, inet_ntoa, inet_pton
from typing import Protocol

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import mac_from_name
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import Value

Address = IPv4Address | str | int
Range = tuple[int, int]

_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_SHOWN_RANGES = 4


class Candidates(Protocol):
    """What ``allocate`` needs to know about the values that may be given."""

    @property
    def shared(self) -> bool:
        """Whether equal candidates of several requests yield the same sequence, which is then walked only once."""

    def normal(self, value: Value) -> Value:
        """Return the one spelling under which the value is recorded."""

    def __contains__(self, value: object) -> bool: ...

    def free(self, taken: Container[Value], resting: Container[Value]) -> Iterator[Value]:
        """Yield values that are in neither container at the moment they are asked for, best first."""

    def describe(self) -> str:
        """Say in words which values these are."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How a recorded value and its number correspond. ``decode`` raises OSError, TypeError or ValueError."""

    encode: Callable[[int], Value]
    decode: Callable[[object], int]


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(value)
    return value


def _encode_address(number: int) -> str:
    return inet_ntoa(number.to_bytes(4, "big"))


def _decode_address(value: object) -> int:
    if not isinstance(value, str):
        raise TypeError(value)
    return int.from_bytes(inet_pton(AF_INET, value), "big")


_NUMBERS = Codec(int, _number)
_ADDRESSES = Codec(_encode_address, _decode_address)


@dataclass(frozen=True, slots=True)
class Ranges:
    """Values of sorted, disjoint, inclusive ranges of numbers, lowest first."""

    ranges: tuple[Range, ...]
    codec: Codec

    @property
    def shared(self) -> bool:
        return True

    @property
    def size(self) -> int:
        """How many values there are."""
        return sum(last - first + 1 for first, last in self.ranges)

    def normal(self, value: Value) -> Value:
        return value

    def __contains__(self, value: object) -> bool:
        try:
            number = self.codec.decode(value)
        except (OSError, TypeError, ValueError):
            return False
        index = bisect_right(self.ranges, number, key=_first) - 1
        return index >= 0 and number <= self.ranges[index][1]

    def free(self, taken: Container[Value], resting: Container[Value]) -> Iterator[Value]:
        encode = self.codec.encode
        for first, last in self.ranges:
            for number in range(first, last + 1):
                value = encode(number)
                if value not in taken and value not in resting:
                    yield value

    def describe(self) -> str:
        encode = self.codec.encode
        shown = [
            f"{encode(first)}" if first == last else f"{encode(first)}-{encode(last)}"
            for first, last in self.ranges[:_SHOWN_RANGES]
        ]
        more = len(self.ranges) - len(shown)
        return (", ".join(shown) or "no value at all") + (f" and {more} more ranges" if more else "")


@dataclass(frozen=True, slots=True)
class InOrder:
    """The values of several ranges, those of the first before those of the next; ``whose`` says for whom they are."""

    parts: tuple[Ranges, ...]
    whose: str

    @property
    def shared(self) -> bool:
        return True

    @property
    def size(self) -> int:
        """How many values there are."""
        return sum(part.size for part in self.parts)

    def normal(self, value: Value) -> Value:
        return value

    def __contains__(self, value: object) -> bool:
        return any(value in part for part in self.parts)

    def free(self, taken: Container[Value], resting: Container[Value]) -> Iterator[Value]:
        for part in self.parts:
            yield from part.free(taken, resting)

    def describe(self) -> str:
        shown = ", then ".join(part.describe() for part in self.parts if part.size)
        return f"{shown or 'no value at all'} for {self.whose}"


@dataclass(frozen=True, slots=True)
class Macs:
    """MACs hashed from a name: the same name gives the same MAC in an empty ledger whatever else there is."""

    name: str

    @property
    def shared(self) -> bool:
        return False

    def normal(self, value: Value) -> Value:
        return str(value).lower().replace("-", ":")

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str) and _MAC.fullmatch(value) is not None

    def free(self, taken: Container[Value], resting: Container[Value]) -> Iterator[Value]:
        for salt in count():
            mac = mac_from_name(self.name, salt)
            if mac not in taken and mac not in resting:
                yield mac

    def describe(self) -> str:
        return "MAC addresses like 02:00:00:00:00:01"


def numbers(ranges: Iterable[Range], excluded: Iterable[int] = ()) -> Ranges:
    """Candidates for a VNI or an id: inclusive ranges of numbers, which may touch or overlap, less the excluded."""
    return Ranges(_without(_merged(ranges), sorted(set(excluded))), _NUMBERS)


def addresses(ranges: Iterable[tuple[Address, Address]], excluded: Iterable[Address] = ()) -> Ranges:
    """Candidates for an IPv4 address: inclusive ranges of addresses less the excluded ones (the gateway)."""
    pairs = [(int(IPv4Address(first)), int(IPv4Address(last))) for first, last in ranges]
    return Ranges(_without(_merged(pairs), sorted({int(IPv4Address(address)) for address in excluded})), _ADDRESSES)


def macs(name: str) -> Macs:
    """Candidates for the MAC of what has this name, for instance the ledger key of a NIC."""
    return Macs(name)


def _first(item: Range) -> int:
    return item[0]


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for first, last in sorted(ranges):
        if last < first:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _without(ranges: list[Range], holes: list[int]) -> tuple[Range, ...]:
    """Cut the sorted holes out of sorted, disjoint ranges."""
    pieces: list[Range] = []
    position = 0
    for first, last in ranges:
        while position < len(holes) and holes[position] <= last:
            hole = holes[position]
            if hole > first:
                pieces.append((first, hole - 1))
            first = max(first, hole + 1)
            position += 1
        if first <= last:
            pieces.append((first, last))
    return tuple(pieces)
