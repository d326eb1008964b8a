"""Runs in an instance or a node: sends one line to many places at once, prints what each answered.

stdin: [[protocol, address, port, line, seconds], ...]; stdout: [answer or null, ...] in the same order. null is no
answer in time; a refusal or an unreachable is an answer of its own and starts with "!". Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any


async def tcp(address: str, port: int, line: str) -> str:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(line.encode() + b"\n")
    answer = await reader.readline()
    writer.close()
    return answer.decode().rstrip("\n") or "!closed"


class Datagram(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(data.decode().rstrip("\n"))

    def error_received(self, exc: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(exc)


async def udp(address: str, port: int, line: str) -> str:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Datagram, remote_addr=(address, port))
    transport.sendto(line.encode() + b"\n")
    try:
        return await protocol.answer
    finally:
        transport.close()


async def one(protocol: str, address: str, port: int, line: str, seconds: float) -> str | None:
    try:
        return await asyncio.wait_for({"tcp": tcp, "udp": udp}[protocol](address, port, line), seconds)
    except TimeoutError:
        return None
    except OSError as error:
        return f"!{os.strerror(error.errno) if error.errno else error}"


async def main() -> list[str | None]:
    return list(await asyncio.gather(*[one(*question) for question in json.load(sys.stdin)]))


print(json.dumps(asyncio.run(main())))
