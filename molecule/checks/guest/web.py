"""Runs in an instance: an HTTP server that says who it is and what it was asked.

argv: NAME PORT PROXIED_PORT. The second port wants the PROXY protocol, version 1 or 2, before the first request.
Answers are JSON: {"name", "uri", "peer", "client", "headers"}; `client` is what the PROXY protocol told. /session sets
the cookie APP to this server's name and a number; /health answers 503 while /run/web-NAME.sick exists. Says "ready",
and ends with a line on stdin. Standard library only.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import socket
import struct
import sys
from functools import partial
from typing import Any

NAME = sys.argv[1]
SESSIONS = itertools.count(1)
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


class Server(asyncio.Protocol):
    def __init__(self, proxied: bool) -> None:
        self.proxied, self.data = proxied, b""
        self.client: str | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.peer = transport.get_extra_info("peername")[0]

    def data_received(self, data: bytes) -> None:
        self.data += data
        if self.proxied and self.client is None and not self.take_header():
            return
        while b"\r\n\r\n" in self.data:
            head, self.data = self.data.split(b"\r\n\r\n", 1)
            self.transport.write(self.answer(head.decode("latin-1").split("\r\n")))

    def take_header(self) -> bool:
        """Take the PROXY protocol's header off, once all of it is there."""
        if self.data.startswith(SIGNATURE[: len(self.data)]) and len(self.data) < 16:
            return False
        if self.data.startswith(SIGNATURE):
            (length,) = struct.unpack_from("!H", self.data, 14)
            block, local = self.data[16 : 16 + length], not self.data[12] & 1
            self.client = "v2 local" if local else f"v2 {socket.inet_ntoa(block[:4])}"
            self.data = self.data[16 + length :]
        elif b"\r\n" in self.data:
            line, self.data = self.data.split(b"\r\n", 1)
            words = line.decode("latin-1").split()
            self.client = f"v1 {words[2]}" if words[:2] == ["PROXY", "TCP4"] else "none"
        return self.client is not None

    def answer(self, lines: list[str]) -> bytes:
        uri = lines[0].split()[1]
        fields = (line.partition(":") for line in lines[1:])
        headers = {key.strip().lower(): value.strip() for key, _colon, value in fields}
        sick = uri == "/health" and os.path.exists(f"/run/web-{NAME}.sick")
        said = {"name": NAME, "uri": uri, "peer": self.peer, "client": self.client, "headers": headers}
        body = json.dumps(said).encode()
        extra = f"Set-Cookie: APP={NAME}-{next(SESSIONS)}\r\n" if uri == "/session" else ""
        status = "503 Service Unavailable" if sick else "200 OK"
        return f"HTTP/1.1 {status}\r\n{extra}X-Name: {NAME}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def main() -> None:
    loop = asyncio.get_running_loop()
    for port, proxied in ((int(sys.argv[2]), False), (int(sys.argv[3]), True)):
        await loop.create_server(partial(Server, proxied), "0.0.0.0", port, backlog=1024)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    os._exit(0)


asyncio.run(main())
