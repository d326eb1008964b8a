"""Runs in an instance: sends as fast as it can until a line comes from stdin, then prints how much it sent.

argv: broadcasts            UDP to everybody, as itself
      macs                  broadcasts from a new MAC each
      strays ADDRESS        IPv4 from its own MAC and address to a new MAC each
      connections TARGET    UDP to TARGET, to a new port each
      steady TARGET         UDP to port 9 of TARGET, not as fast as it can but a hundred a second
Says "ready" before it begins. Standard library only.
"""

from __future__ import annotations

import itertools
import random
import select
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

BROADCAST = b"\xff" * 6


def broadcasts() -> Iterator[Callable[[], object]]:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0")
    return itertools.repeat(partial(out.sendto, b"x", ("255.255.255.255", 9)))


def macs() -> Iterator[Callable[[], object]]:
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind(("eth0", 0))
    while True:
        mac = b"\x02" + random.randbytes(5)
        yield partial(out.send, BROADCAST + mac + struct.pack("!H", 0x88B5) + bytes(46))


def strays(address: str) -> Iterator[Callable[[], object]]:
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind(("eth0", 0))
    own = out.getsockname()[4] + struct.pack("!H", 0x0800)
    ends = socket.inet_aton(address) * 2
    words = (0x4500, 46, 0, 0, 64 << 8 | 253, *struct.unpack("!4H", ends))
    checksum = ~(sum(words) % 0xFFFF) & 0xFFFF
    packet = struct.pack("!6H", *words[:5], checksum) + ends + bytes(26)
    while True:
        yield partial(out.send, b"\x02" + random.randbytes(5) + own + packet)


def connections(target: str) -> Iterator[Callable[[], object]]:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for port in itertools.cycle(range(1024, 65536)):
        yield partial(out.sendto, b"x", (target, port))


def steady(target: str) -> Iterator[Callable[[], object]]:
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        yield partial(out.sendto, b"x", (target, 9))
        time.sleep(0.01)


kinds: dict[str, Callable[..., Iterator[Callable[[], object]]]] = {
    "broadcasts": broadcasts,
    "macs": macs,
    "strays": strays,
    "connections": connections,
    "steady": steady,
}
print("ready", flush=True)
sent = 0
for send in kinds[sys.argv[1]](*sys.argv[2:]):
    try:
        send()
        sent += 1
    except OSError:
        continue
    if sent % 64 == 0 and select.select([sys.stdin], [], [], 0)[0]:
        break
print(sent)
