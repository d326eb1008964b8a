"""The kernel's entries of tracked connections."""

from __future__ import annotations

import socket
import struct

from ansible_collections.weft.vpc.plugins.module_utils.deploy.flowtable import parse_entry
from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Translated


def attribute(kind: int, value: bytes, nested: bool = False) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind | (0x8000 if nested else 0)) + value + padding


def ends_of(source: str, destination: str, protocol: int, ports: tuple[int, int] | None) -> bytes:
    addresses = attribute(1, socket.inet_aton(source)) + attribute(2, socket.inet_aton(destination))
    numbers = attribute(1, bytes([protocol]))
    if ports:
        numbers += attribute(2, struct.pack("!H", ports[0])) + attribute(3, struct.pack("!H", ports[1]))
    return attribute(1, addresses, nested=True) + attribute(2, numbers, nested=True)


def test_a_forwarded_connection() -> None:
    original = attribute(1, ends_of("203.0.113.9", "10.1.1.1", 6, (40000, 2222)), nested=True)
    reply = attribute(2, ends_of("192.168.20.5", "203.0.113.9", 6, (23, 40000)), nested=True)
    number = attribute(12, b"\1\2\3\4")
    entry = parse_entry(original + reply + attribute(3, b"\0\0\0\1") + number)
    assert entry.flow == Flow("tcp", "203.0.113.9", "10.1.1.1", 40000, 2222)
    assert entry.actual == Translated("192.168.20.5", 23, None)
    assert entry.identity == original + number


def test_an_elastic_ip_outwards_and_a_ping() -> None:
    original = attribute(1, ends_of("192.168.20.5", "203.0.113.9", 1, None), nested=True)
    reply = attribute(2, ends_of("203.0.113.9", "10.1.1.4", 1, None), nested=True)
    entry = parse_entry(original + reply)
    assert entry.flow == Flow("icmp", "192.168.20.5", "203.0.113.9", icmp=(8, 0))
    assert entry.actual == Translated(source="10.1.1.4")


def test_the_type_of_an_icmp_request() -> None:
    addresses = attribute(1, socket.inet_aton("192.168.20.5")) + attribute(2, socket.inet_aton("192.168.21.5"))
    message = attribute(1, b"\1") + attribute(4, b"\0\7") + attribute(5, b"\x0d") + attribute(6, b"\0")
    ends = attribute(1, addresses, nested=True) + attribute(2, message, nested=True)
    entry = parse_entry(attribute(1, ends, nested=True) + attribute(2, ends, nested=True))
    assert entry.flow == Flow("icmp", "192.168.20.5", "192.168.21.5", icmp=(13, 0))


def test_an_untranslated_connection() -> None:
    original = attribute(1, ends_of("192.168.20.5", "192.168.21.5", 17, (1, 2)), nested=True)
    reply = attribute(2, ends_of("192.168.21.5", "192.168.20.5", 17, (2, 1)), nested=True)
    assert parse_entry(original + reply).actual == Translated()


def test_what_tells_connections_of_segments_and_messages_apart() -> None:
    message = attribute(1, bytes([1])) + attribute(5, b"\x0d") + attribute(6, b"\x01")
    addresses = attribute(1, socket.inet_aton("192.168.20.5")) + attribute(2, socket.inet_aton("192.168.20.6"))
    ends = attribute(1, addresses, nested=True) + attribute(2, message, nested=True)
    original, zone = attribute(1, ends, nested=True), attribute(18, struct.pack("!H", 40000))
    reply = attribute(2, ends_of("192.168.20.6", "192.168.20.5", 1, None), nested=True)
    entry = parse_entry(original + reply + zone + attribute(8, struct.pack("!I", 7)))
    assert (entry.flow.icmp, entry.zone, entry.mark) == ((13, 1), 40000, 7)
    assert entry.identity == original + zone
