"""Runs in an instance: broadcasts ARP requests, and prints every ARP packet that its card meanwhile received.

argv: SECONDS [TARGET ...]. Says "ready" when it listens, sends on a line from stdin, then listens that long.
stdout: [[operation, sender's MAC, sender's address, target's address], ...]. Standard library only.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import sys
import time

ETH_P_ARP = 0x0806
BROADCAST = b"\xff" * 6
# RFC 826: Ethernet, IPv4, lengths, operation, sender's MAC and address, target's MAC and address.
ARP = struct.Struct("!HHBBH6s4s6s4s")
SIOCGIFADDR = 0x8915


def own_address(device: str) -> bytes:
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        return fcntl.ioctl(probe, SIOCGIFADDR, struct.pack("256s", device.encode()))[20:24]


def main(seconds: float, targets: list[str]) -> None:
    card = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ARP))
    card.bind(("eth0", ETH_P_ARP))
    mac, address = card.getsockname()[4], own_address("eth0")
    print("ready", flush=True)
    sys.stdin.readline()
    for target in targets:
        arp = ARP.pack(1, 0x0800, 6, 4, 1, mac, address, bytes(6), socket.inet_aton(target))
        card.send(BROADCAST + mac + struct.pack("!H", ETH_P_ARP) + arp)
    seen = []
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([card], [], [], left)[0]:
            packet, origin = card.recvfrom(2048)
            if origin[2] != socket.PACKET_OUTGOING:
                fields = ARP.unpack_from(packet, 14)
                addresses = [socket.inet_ntoa(fields[6]), socket.inet_ntoa(fields[8])]
                seen.append([fields[4], fields[5].hex(":"), *addresses])
    print(json.dumps(seen))


main(float(sys.argv[1]), sys.argv[2:])
