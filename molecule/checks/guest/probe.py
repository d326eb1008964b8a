"""Runs in an instance or a node: one UDP datagram that must not be fragmented, and what its sender is told of it.

argv: ADDRESS PORT SIZE TOKEN; SIZE is that of the whole IP packet, which holds TOKEN. Prints {"mtu": of the path as
this sender knows it now, "answer": the line that came back, or null}. Standard library only.
"""

from __future__ import annotations

import json
import socket
import sys

IP_MTU_DISCOVER, IP_PMTUDISC_DO, IP_MTU = 10, 2, 14  # ip(7)
HEADERS = 28
PATIENCE = 1.0


def main(address: str, port: str, size: str, token: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO)
        probe.connect((address, int(port)))
        probe.settimeout(PATIENCE)
        answer = None
        try:
            probe.send(f"{token}\n".encode().rjust(int(size) - HEADERS, b"."))
            answer = probe.recv(2048).decode().rstrip()
        except OSError:
            pass  # too long for what is known of the path, or no answer: the MTU says which
        print(json.dumps({"mtu": probe.getsockopt(socket.IPPROTO_IP, IP_MTU), "answer": answer}))


main(*sys.argv[1:])
