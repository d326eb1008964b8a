"""Runs in an instance or a node: one TCP connection, a line every 10 ms, each answer awaited, until stdin ends.

argv: ADDRESS PORT. Says "ready" after the first answer. stdout then: {"lines", "answers", "gap", "broken"}.
Standard library only.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time

PATIENCE = 5.0


def main(address: str, port: int) -> None:
    lines = answers = 0
    gap, broken = 0.0, None
    connection = socket.create_connection((address, port), PATIENCE)
    connection.settimeout(PATIENCE)
    reader = connection.makefile("rb")
    while not (answers and select.select([sys.stdin], [], [], 0.01)[0]):
        start = time.monotonic()
        try:
            lines += 1
            connection.sendall(f"stream {lines}\n".encode())
            if not reader.readline():
                broken = "closed"
        except OSError as error:
            broken = type(error).__name__
        if broken:
            break
        answers += 1
        gap = max(gap, time.monotonic() - start)
        if answers == 1:
            print("ready", flush=True)
    print(json.dumps({"lines": lines, "answers": answers, "gap": round(gap, 3), "broken": broken}))


main(sys.argv[1], int(sys.argv[2]))
