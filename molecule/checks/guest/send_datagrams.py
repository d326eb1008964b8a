"""Runs on a node or in an instance: sends UDP payloads as they are given.

argv: SOURCE TARGET PORT PAYLOAD ...   payloads in hexadecimal. Standard library only.
"""

from __future__ import annotations

import socket
import sys

source, target, port, *payloads = sys.argv[1:]
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    out.bind((source, 0))
    for payload in payloads:
        out.sendto(bytes.fromhex(payload), (target, int(port)))
