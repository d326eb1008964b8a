"""Runs in an instance or a node: sends many bytes over TCP, both ways, and measures.

argv: `server PORT`, or `client ADDRESS PORT DIRECTION AMOUNT [SOURCE]`. DIRECTION is `up` (the client sends), `down`
or `both` (one after the other, on one connection); AMOUNT is bytes like `3000000b`, or seconds like `3s`. The client
prints one object per direction: {"direction", "bytes", "seconds", "bits", "first", "segment", "retransmits"}: `bits`
per second of payload, `segment` the payload of a full packet, `first` what that was when the connection began, both and
`retransmits` of the side that sent. Standard library only.
"""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import sys
import threading
import time
from typing import Any

PATIENCE = 15.0
PIECE = bytes(65536)
TOLD: dict[str, dict[str, Any]] = {}  # by token: what this side found
TCP_INFO_SEGMENT, TCP_INFO_RETRANSMITS = 16, 100  # offsets in struct tcp_info: tcpi_snd_mss, tcpi_total_retrans


def info(connection: socket.socket, offset: int) -> int:
    data = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
    return int(struct.unpack_from("=I", data, offset)[0])


def send(connection: socket.socket, amount: str) -> dict[str, Any]:
    """Send for so long or so much, then say how it went on the same connection, after a line that ends the data."""
    limit, begin = float(amount[:-1]), time.monotonic()
    sent, first = 0, info(connection, TCP_INFO_SEGMENT)
    while (sent if amount.endswith("b") else time.monotonic() - begin) < limit:
        connection.sendall(PIECE)
        sent += len(PIECE)
    retransmits = info(connection, TCP_INFO_RETRANSMITS)
    return {"first": first, "segment": info(connection, TCP_INFO_SEGMENT), "retransmits": retransmits}


def receive(connection: socket.socket) -> dict[str, Any]:
    """Count what comes until the sender ends its data, and the time between the first and the last byte."""
    begin = end = 0.0
    got = 0
    while data := connection.recv(262144):
        end = time.monotonic()
        begin, got = begin or end, got + len(data)
    seconds = max(end - begin, 1e-6)
    return {"bytes": got, "seconds": round(seconds, 3), "bits": round(got * 8 / seconds)}


class Handler(socketserver.BaseRequestHandler):
    """One connection: a line with direction and amount, the data, and what this side has to say on another one."""

    def handle(self) -> None:
        request = b""
        while not request.endswith(b"\n"):
            request += self.request.recv(1)
        verb, token, amount = request.decode().split()
        if verb == "told":
            while token not in TOLD:
                time.sleep(0.01)
            self.request.sendall(json.dumps(TOLD.pop(token)).encode())
        else:
            TOLD[token] = receive(self.request) if verb == "up" else send(self.request, amount)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def open_to(address: str, port: int, source: str) -> socket.socket:
    return socket.create_connection((address, port), PATIENCE, (source, 0) if source else None)


def measure(address: str, port: int, direction: str, amount: str, source: str) -> dict[str, Any]:
    token = f"{time.monotonic_ns():x}"
    with open_to(address, port, source) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(f"{direction} {token} {amount}\n".encode())
        if direction == "up":
            here = send(connection, amount)
            connection.shutdown(socket.SHUT_WR)
            # What is still on the way belongs to it: the server has all of it once it closes.
            while connection.recv(1):
                pass
            here["retransmits"] = info(connection, TCP_INFO_RETRANSMITS)
        else:
            here = receive(connection)
    with open_to(address, port, source) as connection:
        connection.settimeout(PATIENCE)
        connection.sendall(f"told {token} 0\n".encode())
        there = b""
        while data := connection.recv(4096):
            there += data
    return {"direction": direction, **here, **json.loads(there)}


def main(role: str, *arguments: str) -> None:
    if role == "server":
        with Server(("", int(arguments[0])), Handler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            print("ready", flush=True)
            sys.stdin.readline()
            server.shutdown()
        return
    address, port, direction, amount, *source = arguments
    wanted = ("up", "down") if direction == "both" else (direction,)
    print(json.dumps([measure(address, int(port), one, amount, "".join(source)) for one in wanted]))


main(*sys.argv[1:])
