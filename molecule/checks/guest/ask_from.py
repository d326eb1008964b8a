"""Runs in an instance or a node: asks several places from one address of its own, one after another.

argv: OWN_ADDRESS ADDRESS:PORT...; prints each answer on a line, or the error instead. Standard library only.
"""

import socket
import sys

for place in sys.argv[2:]:
    address, port = place.split(":")
    try:
        link = socket.create_connection((address, int(port)), 5, (sys.argv[1], 0))
        link.sendall(b"hello\n")
        print(link.recv(200).decode().strip())
    except OSError as error:
        print(error)
