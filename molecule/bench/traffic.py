"""What runs in the namespaces of a path: `python traffic.py serve|connect|stream|flood`. Python's library only.

`connect`, `stream` and `flood` read `seconds` and `targets` (pairs of address and port) as JSON from stdin and print
what they achieved: per second, and per second of the client's CPU time. The work of forwarding is done in the name of
who sends, so the second number tells what a packet costs however busy the computer is with other things.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import threading
import time
from itertools import cycle

ABORT = struct.pack("ii", 1, 0)
BLOCK, DATAGRAM = bytes(1 << 20), bytes(64)
LINE, SINK = 9000, 9001


def serve() -> None:
    """Accept and close on LINE, swallow what comes on SINK by TCP; datagrams to it are left to be dropped unread."""
    line, sink = (socket.create_server(("", port), backlog=4096) for port in (LINE, SINK))
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(("", SINK))
    threading.Thread(target=_swallow, args=(sink,), daemon=True).start()
    print("ready", flush=True)
    while True:
        line.accept()[0].close()


def _swallow(listener: socket.socket) -> None:
    buffer = bytearray(BLOCK)
    while True:
        connection, _peer = listener.accept()
        while connection.recv_into(buffer):
            pass
        connection.close()


class Meter:
    """Counts until the time is up."""

    def __init__(self, seconds: float) -> None:
        self.count = 0.0
        self._start, self._cpu, self._seconds = time.monotonic(), time.process_time(), seconds

    def running(self) -> bool:
        return time.monotonic() - self._start < self._seconds

    def rates(self) -> tuple[float, float]:
        """The count per second, and per second of this process's CPU time."""
        return self.count / (time.monotonic() - self._start), self.count / (time.process_time() - self._cpu)


def connect(seconds: float, targets: list[tuple[str, int]]) -> tuple[float, float]:
    """TCP connections opened, one after the other, to all targets in turn; ended by a reset, so that no port waits."""
    meter = Meter(seconds)
    for target in cycle(targets):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            client.settimeout(2.0)
            client.connect(target)
        meter.count += 1
        if not meter.running():
            break
    return meter.rates()


def stream(seconds: float, targets: list[tuple[str, int]]) -> tuple[float, float]:
    """Bits that one TCP connection carried."""
    with socket.create_connection(targets[0], timeout=5) as client:
        client.settimeout(None)
        meter = Meter(seconds)
        while meter.running():
            meter.count += client.send(BLOCK) * 8
        return meter.rates()


def flood(seconds: float, targets: list[tuple[str, int]]) -> tuple[float, float]:
    """UDP datagrams of one flow that were sent; on a path of veth links each is forwarded before the next is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(targets[0])
        meter = Meter(seconds)
        while meter.running():
            for _ in range(100):
                client.send(DATAGRAM)
            meter.count += 100
        return meter.rates()


def main() -> None:
    """Do what the first argument says."""
    if sys.argv[1] == "serve":
        serve()
    work = {"connect": connect, "stream": stream, "flood": flood}[sys.argv[1]]
    wanted = json.load(sys.stdin)
    print(*work(wanted["seconds"], [(str(address), int(port)) for address, port in wanted["targets"]]))


if __name__ == "__main__":
    main()
