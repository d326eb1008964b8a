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
import time
from typing import Any

# Seconds: between two lines, until the next one is sent without an answer, and until an answer counts as lost.
PAUSE, PATIENCE, LATE = 0.02, 0.3, 1.5


def fresh() -> dict[str, Any]:
    return {"answers": 0, "lost": 0, "refused": 0, "who": []}


def one(flow: socket.socket, report: dict[str, Any]) -> None:
    """Send a line and wait for its answer; `settle` may still hear one that is late."""
    try:
        flow.send(b"flow\n")
    except ConnectionRefusedError:
        report["refused"] += 1
        return
    if not hear(flow, report, PATIENCE):
        report["lost"] += 1


def hear(flow: socket.socket, report: dict[str, Any], seconds: float) -> bool:
    """Wait for an answer or a refusal; whether there was one."""
    flow.settimeout(seconds)
    try:
        name = flow.recv(2048).decode().partition(" ")[0]
    except (TimeoutError, BlockingIOError):
        return False
    except ConnectionRefusedError:
        report["refused"] += 1
    else:
        report["answers"] += 1
        if report["who"][-1:] != [name]:
            report["who"].append(name)
    return True


def settle(flow: socket.socket, report: dict[str, Any], seconds: float) -> None:
    """Hear the answers of lines that were taken for lost: on a busy computer they may just be late."""
    deadline = time.monotonic() + seconds
    while report["lost"] and hear(flow, report, max(0.0, deadline - time.monotonic())):
        report["lost"] -= 1


def main(address: str, port: int) -> None:
    report = fresh()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flow:
        flow.connect((address, port))
        while not report["answers"]:
            one(flow, report)
        print("ready", flush=True)
        line = ""
        while line.strip() != "stop":
            settle(flow, report, 0.0)
            one(flow, report)
            if select.select([sys.stdin], [], [], PAUSE)[0]:
                line = sys.stdin.readline() or "stop"
                settle(flow, report, LATE)
                print(json.dumps(report), flush=True)
                report = fresh()


main(sys.argv[1], int(sys.argv[2]))
