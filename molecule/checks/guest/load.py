"""Runs in a node or an instance: HTTP requests as fast as they are answered, on many connections, until stdin ends.

argv: ADDRESS PORT KEPT FRESH. KEPT connections carry request after request, FRESH ones a request each. Says "ready"
after the first answer. stdout then: {"requests", "seconds", "failures", "failed": [[seconds since start, what,
backend], ...], "by": {backend: answers}, "late": {backend: answers after the last line "mark" on stdin}}. Standard
library only.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from typing import Any

ADDRESS, PORT, KEPT, FRESH = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
REQUEST = f"GET / HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n".encode()


class Load:
    def __init__(self) -> None:
        self.running, self.ready = True, asyncio.Event()
        self.by: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.marked = False
        self.failed: list[list[Any]] = []
        self.start = time.monotonic()

    def fail(self, what: str, last: str) -> None:
        self.failed.append([round(time.monotonic() - self.start, 2), what, last])

    def answered(self, name: str) -> None:
        self.by[name] += 1
        if self.marked:
            self.late[name] += 1
        self.ready.set()

    async def client(self, kept: bool) -> None:
        last = ""
        while self.running:
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(ADDRESS, PORT), 10)
            except (OSError, TimeoutError) as error:
                self.fail(f"connect: {error!r}", last)
                continue
            try:
                last = await asyncio.wait_for(self.requests(reader, writer, kept), 3600)
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.fail(f"request: {error!r}", last)
            writer.close()

    async def requests(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bool) -> str:
        """One connection's requests, until it is to be closed; the backend that answered last."""
        while True:
            writer.write(REQUEST)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            fields = dict(line.partition(": ")[::2] for line in head.split("\r\n")[1:])
            await reader.readexactly(int(fields["content-length"]))
            if not head.startswith("http/1.1 200"):
                raise ValueError(head.partition("\r\n")[0])
            self.answered(fields["x-name"])
            if not kept or fields.get("connection") == "close" or not self.running:
                return fields["x-name"]


async def main() -> None:
    load, loop = Load(), asyncio.get_running_loop()
    clients = [asyncio.create_task(load.client(index < KEPT)) for index in range(KEPT + FRESH)]
    await load.ready.wait()
    print("ready", flush=True)
    while (await loop.run_in_executor(None, sys.stdin.readline)) == "mark\n":
        load.marked = True
        load.late.clear()
    load.running = False
    seconds = time.monotonic() - load.start
    await asyncio.wait(clients, timeout=10)
    told = {"requests": sum(load.by.values()), "seconds": round(seconds, 2), "failed": load.failed[:50]}
    print(json.dumps({**told, "failures": len(load.failed), "by": load.by, "late": load.late}))


asyncio.run(main())
