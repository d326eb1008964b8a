"""Runs in a node or an instance: HTTP requests as fast as they are answered, on many connections, until stdin ends.

argv: ADDRESS PORT KEPT FRESH. KEPT connections carry request after request, FRESH ones a request each. Says "ready"
after the first answer, and notes the time of every line "mark" on stdin. stdout then: {"requests", "seconds", "marks",
"failures", "failed": [[seconds since start, what], ...], "by": {backend: answers}, "late": {backend: answers after the
last mark}}. Standard library only.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter

ADDRESS, PORT, KEPT, FRESH = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
REQUEST = f"GET / HTTP/1.1\r\nHost: {ADDRESS}\r\n\r\n".encode()


class Load:
    def __init__(self) -> None:
        self.running, self.ready = True, asyncio.Event()
        self.by: Counter[str] = Counter()
        self.late: Counter[str] = Counter()
        self.marks: list[float] = []
        self.failed: list[tuple[float, str]] = []
        self.start = time.monotonic()

    def since(self) -> float:
        return round(time.monotonic() - self.start, 2)

    async def client(self, kept: bool) -> None:
        while self.running:
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(ADDRESS, PORT), 10)
            except (OSError, TimeoutError) as error:
                self.failed.append((self.since(), f"connect: {error!r}"))
                continue
            try:
                while await self.request(reader, writer) and kept and self.running:
                    pass
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.failed.append((self.since(), f"request: {error!r}"))
            writer.close()

    async def request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask once; whether the connection may be used again."""
        writer.write(REQUEST)
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)).decode("latin-1").lower()
        fields = dict(line.partition(": ")[::2] for line in head.split("\r\n")[1:])
        await reader.readexactly(int(fields["content-length"]))
        if not head.startswith("http/1.1 200"):
            raise ValueError(head.partition("\r\n")[0])
        self.by[fields["x-name"]] += 1
        self.late[fields["x-name"]] += 1
        self.ready.set()
        return fields.get("connection") != "close"


async def main() -> None:
    load, loop = Load(), asyncio.get_running_loop()
    clients = [asyncio.create_task(load.client(index < KEPT)) for index in range(KEPT + FRESH)]
    await load.ready.wait()
    print("ready", flush=True)
    while (await loop.run_in_executor(None, sys.stdin.readline)) == "mark\n":
        load.marks.append(load.since())
        load.late.clear()
    load.running = False
    told = {"requests": sum(load.by.values()), "seconds": load.since(), "marks": load.marks, "late": dict(load.late)}
    await asyncio.wait(clients, timeout=10)
    print(json.dumps({**told, "failures": len(load.failed), "failed": load.failed[:50], "by": load.by}))


asyncio.run(main())
