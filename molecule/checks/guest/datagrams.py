"""Runs in an instance or a node: one UDP flow, a line at a time from one socket, whatever comes of it.

argv: ADDRESS PORT. Says "ready" once there was an answer. Every line on stdin is answered by a report of what was since
the last one: {"answers", "lost", "refused": how many lines; "who": who answered, one after the other}; "stop" ends it.
Standard library only.
"""

from __future__ import annotations

import json
import select
import socket
import sys
from typing import Any

# Seconds. On a busy computer an answer may be late, and is not lost.
PAUSE, PATIENCE = 0.02, 1.5


def fresh() -> dict[str, Any]:
    return {"answers": 0, "lost": 0, "refused": 0, "who": []}


def one(flow: socket.socket, report: dict[str, Any]) -> None:
    try:
        flow.send(b"flow\n")
        name = flow.recv(2048).decode().partition(" ")[0]
    except TimeoutError:
        report["lost"] += 1
    except ConnectionRefusedError:
        report["refused"] += 1
    else:
        report["answers"] += 1
        if report["who"][-1:] != [name]:
            report["who"].append(name)


def main(address: str, port: int) -> None:
    report = fresh()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
        flow.settimeout(PATIENCE)
        flow.connect((address, port))
        while not report["answers"]:
            one(flow, report)
        print("ready", flush=True)
        line = ""
        while line.strip() != "stop":
            one(flow, report)
            if select.select([sys.stdin], [], [], PAUSE)[0]:
                line = sys.stdin.readline() or "stop"
                print(json.dumps(report), flush=True)
                report = fresh()


main(sys.argv[1], int(sys.argv[2]))
