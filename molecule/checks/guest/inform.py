"""Asks a DHCP server for options without a lease (RFC 2131, DHCPINFORM): inform.py DEVICE OWN SERVER NUMBER...

Prints what each option was, in hexadecimal, as JSON.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import sys

COOKIE, MESSAGE_TYPE, REQUESTED, END, PAD = b"\x63\x82\x53\x63", 53, 55, 255, 0
INFORM, ACK = 8, 5
TRANSACTION = 0x77656674
SIOCGIFHWADDR = 0x8927


def question(device: str, own: str, wanted: list[int]) -> bytes:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        mac = fcntl.ioctl(any_socket, SIOCGIFHWADDR, device.encode().ljust(32, b"\0"))[18:24]
    begin = struct.pack("!4BIHH4s12x", 1, 1, 6, 0, TRANSACTION, 0, 0, socket.inet_aton(own))
    options = bytes([MESSAGE_TYPE, 1, INFORM, REQUESTED, len(wanted), *wanted, 57, 2, 0x05, 0xDC, END])
    return begin + mac.ljust(16, b"\0") + bytes(192) + COOKIE + options


def options(answer: bytes) -> dict[int, bytes]:
    """What is given in several parts is one option (RFC 3396)."""
    found: dict[int, bytes] = {}
    rest = answer[240:]
    while rest and rest[0] != END:
        code = rest[0]
        length = 0 if code == PAD else rest[1]
        found[code] = found.get(code, b"") + rest[2 : 2 + length]
        rest = rest[1:] if code == PAD else rest[2 + length :]
    return found


def main() -> None:
    device, own, server, *numbers = sys.argv[1:]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        client.bind((own, 68))
        client.settimeout(1)
        for _attempt in range(5):
            client.sendto(question(device, own, list(map(int, numbers))), (server, 67))
            try:
                found = options(client.recv(4096))
            except TimeoutError:
                continue
            if found.get(MESSAGE_TYPE) == bytes([ACK]):
                print(json.dumps({code: value.hex() for code, value in found.items()}))
                return
    sys.exit("No DHCP server answered.")


if __name__ == "__main__":
    main()
