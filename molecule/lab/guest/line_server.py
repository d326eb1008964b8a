"""Answers every line, over TCP and UDP, with who heard it and whom it saw; logs what it received.

The answer is `NAME [TENANT ]saw ADDRESS:PORT`: the name shows which machine was reached, the peer's address what
translation did on the way. Standard library only; runs on wan and in every instance.
"""

from __future__ import annotations

import argparse
import contextlib
import selectors
import socket
import socketserver
import struct
import threading
import time
from typing import Any

IP_PKTINFO = 8  # Python names it only from 3.12 on
PKTINFO = struct.Struct("=I4s4s")  # struct in_pktinfo of ip(7): device, local address, address in the header

PUSH = b"push\n"  # asks for answers without end: a server that sends by itself


class Log:
    """One line per line received, written at once: a test reads it while the server runs."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "a", buffering=1)  # noqa: SIM115 - lives as long as the process
        self.lock = threading.Lock()

    def write(self, protocol: str, port: int, peer: tuple[Any, ...], line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r\n")
        with self.lock:
            self.file.write(f"{time.time():.3f} {protocol}/{port} {peer[0]}:{peer[1]} {text}\n")


class Tcp(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128


class Udp(socketserver.UDPServer):
    """Answers from the address it was asked on: wan and some instances have several, and the kernel would pick one."""

    allow_reuse_address = True

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        super().server_bind()

    def get_request(self) -> tuple[tuple[bytes, bytes], Any]:  # type: ignore[override]
        data, extra, _flags, peer = self.socket.recvmsg(self.max_packet_size, socket.CMSG_SPACE(PKTINFO.size))
        asked = next((value for _level, kind, value in extra if kind == IP_PKTINFO), bytes(PKTINFO.size))
        return (data, asked), peer

    def answer(self, text: bytes, asked: bytes, peer: Any) -> None:
        _device, address, _header = PKTINFO.unpack(asked)
        source = (socket.IPPROTO_IP, IP_PKTINFO, PKTINFO.pack(0, address, bytes(4)))
        with contextlib.suppress(OSError):  # no way back to the peer: what a real server meets, too
            self.socket.sendmsg([text], [source], 0, peer)


def handlers(who: str, log: Log, port: int) -> tuple[type[socketserver.BaseRequestHandler], ...]:
    def answer(peer: tuple[Any, ...]) -> bytes:
        return f"{who} saw {peer[0]}:{peer[1]}\n".encode()

    class Stream(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the peer left; that is its right
                # Every line of a connection is answered: a long-lived stream shows whether it survived a change.
                for line in self.rfile:
                    log.write("tcp", port, self.client_address, line)
                    self.wfile.write(answer(self.client_address))
                    while line == PUSH:
                        time.sleep(0.1)
                        self.wfile.write(answer(self.client_address))

    class Datagram(socketserver.BaseRequestHandler):
        server: Udp

        def handle(self) -> None:
            data, asked = self.request
            log.write("udp", port, self.client_address, data)
            self.server.answer(answer(self.client_address), asked, self.client_address)

    return Stream, Datagram


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--tenant", default="")
    parser.add_argument("--log", required=True)
    parser.add_argument("ports", nargs="+", type=int)
    options = parser.parse_args()
    who = f"{options.name} {options.tenant}".strip()
    log = Log(options.log)
    servers: list[Tcp | Udp] = []
    for port in options.ports:
        stream, datagram = handlers(who, log, port)
        servers += [Tcp(("", port), stream), Udp(("", port), datagram)]
    with selectors.DefaultSelector() as ready:
        for server in servers:
            ready.register(server, selectors.EVENT_READ, server)
        while True:
            for key, _events in ready.select():
                key.data.handle_request()


if __name__ == "__main__":
    main()
