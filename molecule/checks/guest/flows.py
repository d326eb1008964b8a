"""Runs in an instance or a node: long-lived flows, TCP connections or UDP sockets, a line on each every tenth of a
second, its answer awaited. Of `push`, which is TCP, the other end sends by itself.

argv: PATIENCE in seconds. stdin: [[name, protocol, address, port], ...] on one line; says "ready" once each has had an
answer. Every further line is answered by a report: {name: {"answers", "seen": who answered and saw whom, "broken": why
it ended, or null}}; "stop" ends it. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

PAUSE = 0.1
Reports = dict[str, dict[str, Any]]


class Datagrams(asyncio.DatagramProtocol):
    """A UDP socket that can be read like a stream."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.put_nowait(data)

    async def readline(self) -> bytes:
        return await self.heard.get()


async def opened(protocol: str, address: str, port: int) -> tuple[Any, Any]:
    """Something to read from, and a function that sends."""
    if protocol != "udp":
        reader, writer = await asyncio.open_connection(address, port)
        return reader, writer.write
    loop = asyncio.get_running_loop()
    transport, datagrams = await loop.create_datagram_endpoint(Datagrams, remote_addr=(address, port))
    return datagrams, transport.sendto


async def flow(report: dict[str, Any], patience: float, protocol: str, address: str, port: int) -> None:
    try:
        reader, send = await asyncio.wait_for(opened(protocol, address, port), patience)
        send(b"push\n" if protocol == "push" else b"flow\n")
        while True:
            answer = await asyncio.wait_for(reader.readline(), patience)
            if not answer:
                raise ConnectionError("closed")
            seen = answer.decode().rpartition(":")[0]
            if seen not in report["seen"]:
                report["seen"].append(seen)
            report["answers"] += 1
            await asyncio.sleep(PAUSE)
            if protocol != "push":
                send(b"flow\n")
    except (OSError, TimeoutError) as error:
        report["broken"] = type(error).__name__


async def main(patience: float) -> None:
    loop = asyncio.get_running_loop()
    wanted = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    reports: Reports = {name: {"answers": 0, "seen": [], "broken": None} for name, *_where in wanted}
    tasks = [loop.create_task(flow(reports[name], patience, *where)) for name, *where in wanted]
    while not all(one["answers"] or one["broken"] for one in reports.values()):
        await asyncio.sleep(PAUSE)
    print("ready", flush=True)
    line = ""
    while line.strip() != "stop":
        line = await loop.run_in_executor(None, sys.stdin.readline) or "stop"
        print(json.dumps(reports), flush=True)
    for task in tasks:
        task.cancel()


asyncio.run(main(float(sys.argv[1])))
