"""Runs in an instance or a node: sends a UDP line with somebody else's source address.

argv: SOURCE TARGET PORT LINE. Standard library only.
"""

from __future__ import annotations

import socket
import struct
import sys


def main(source: str, target: str, port: int, line: str) -> None:
    payload = line.encode() + b"\n"
    datagram = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload  # 0: no checksum, as IPv4 allows
    # The kernel fills in the checksum and the length of the header (raw(7)).
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack("!BBHHHBBH", 0x45, 0, 0, 0, 0, 64, socket.IPPROTO_UDP, 0) + addresses
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as out:
        out.sendto(header + datagram, (target, 0))


main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
