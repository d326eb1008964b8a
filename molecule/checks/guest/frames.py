"""Runs in an instance: sends Ethernet frames as they are given, or prints what frames with certain tokens arrive.

argv: send FRAME ...       frames in hexadecimal, sent by eth0 as they are
      hear TOKEN ...       says "ready" when it listens; on a line from stdin prints as JSON which tokens it heard
Standard library only.
"""

from __future__ import annotations

import json
import select
import socket
import sys

ETH_P_ALL = 0x0003


def card() -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened.bind(("eth0", ETH_P_ALL))
    return opened


def send(frames: list[str]) -> None:
    with card() as out:
        for frame in frames:
            out.send(bytes.fromhex(frame))


def hear(tokens: list[str]) -> None:
    heard = set()
    with card() as listener:
        print("ready", flush=True)
        while True:
            readable = select.select([listener, sys.stdin], [], [])[0]
            if listener in readable:
                packet, origin = listener.recvfrom(4096)
                if origin[2] != socket.PACKET_OUTGOING:
                    heard |= {token for token in tokens if token.encode() in packet}
            elif sys.stdin in readable:
                break
    print(json.dumps(sorted(heard)))


{"send": send, "hear": hear}[sys.argv[1]](sys.argv[2:])
