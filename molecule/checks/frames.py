"""Frames and packets made byte by byte, and which of them arrive; each carries a name in brackets."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack

from checks.cloud import GUEST, Cloud
from checks.failure import CheckFailedError
from checks.streams import Background

BROADCAST = "ff:ff:ff:ff:ff:ff"
IPV4, ARP, VLAN, IPV6, OTHER = 0x0800, 0x0806, 0x8100, 0x86DD, 0x88B5
VXLAN_PORT = 4789
_NAME_BYTES = 46
_FRAMES, _DATAGRAMS = ((GUEST / f"{name}.py").read_text() for name in ("frames", "send_datagrams"))


def mac(text: str) -> bytes:
    return bytes.fromhex(text.replace(":", ""))


def frame(sender: str, kind: int, payload: bytes, name: str, target: str = BROADCAST) -> bytes:
    """An Ethernet frame with its name at its end."""
    return mac(target) + mac(sender) + struct.pack("!H", kind) + payload + f"[{name}]".encode().rjust(_NAME_BYTES, b".")


def checksum(header: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def datagram(
    source: str, ports: tuple[int, int] = (5000, 5000), target: str = "255.255.255.255", within: bytes = b""
) -> bytes:
    """IPv4 and UDP headers for what is within and for a name."""
    size = 8 + len(within) + _NAME_BYTES
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + size, 1, 0, 64, 17, 0) + addresses
    udp = struct.pack("!HHHH", *ports, size, 0)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + udp + within


def arp(sender: str, address: str, operation: int = 2, target: str = "0.0.0.0") -> bytes:
    pair = mac(sender) + socket.inet_aton(address)
    return struct.pack("!HHBBH", 1, IPV4, 6, 4, operation) + pair + mac(BROADCAST) + socket.inet_aton(target)


def vxlan(vni: int, inner: bytes) -> bytes:
    """What UDP carries of a frame in a tunnel (RFC 7348)."""
    return struct.pack("!II", 1 << 27, vni << 8) + inner


def send(cloud: Cloud, where: str, frames: Iterable[bytes]) -> None:
    """Send frames by an instance's card."""
    _run(cloud, where, [_FRAMES, "send", *(one.hex() for one in frames)])


def send_datagrams(cloud: Cloud, where: str, source: str, target: str, payloads: Iterable[bytes]) -> None:
    """Send UDP from an address of a node or an instance to the port of VXLAN."""
    _run(cloud, where, [_DATAGRAMS, source, target, str(VXLAN_PORT), *(one.hex() for one in payloads)])


def _run(cloud: Cloud, where: str, script: list[str]) -> None:
    done = cloud.on(where, ["python3", "-c", *script])
    if done.returncode:
        raise CheckFailedError(f"nothing could be sent from {where}: {done.stderr[-300:]}")


def heard(cloud: Cloud, names: Iterable[str], where: Iterable[str], sending: Callable[[], None]) -> dict[str, set[str]]:
    """Which of the names each instance hears while something is sent."""
    tokens = [f"[{name}]" for name in names]
    with ExitStack() as stack:
        ears = {
            one: stack.enter_context(Background(cloud, one, ["python3", "-c", _FRAMES, "hear", *tokens]))
            for one in where
        }
        sending()
        # What has passed arrives within milliseconds, what is sent last has followed all others by then.
        time.sleep(0.5)
    return {one: {token.strip("[]") for token in json.loads(ear.report)} for one, ear in ears.items()}
