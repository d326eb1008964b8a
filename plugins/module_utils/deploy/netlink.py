# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The little of netlink that is needed to ask netfilter without starting a program."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.netns import open_socket

# linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
NETLINK_NETFILTER = 12
NLM_REQUEST, NLM_ACK, NLM_DUMP = 0x1, 0x4, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3
NFT_GETTABLE = 0xA01
NFTA_TABLE_NAME = 1
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}

_HEADER = struct.Struct("=IHHII")


def open_netfilter(pid: Optional[int]) -> socket.socket:
    """A netfilter socket in the network namespace of a process (None: our own)."""
    link = open_socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER, pid)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    link.bind((0, 0))
    return link


def attributes(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Type, value and whole form of each netlink attribute."""
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        padded = (length + 3) & ~3
        yield kind & 0x3FFF, data[at + 4 : at + length], data[at : at + padded]
        at += padded


def messages(link: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Type and payload of each message until the kernel says that it is done."""
    while True:
        data = link.recv(1 << 20)
        at = 0
        while at + 16 <= len(data):
            length, kind, *_rest = _HEADER.unpack_from(data, at)
            if kind == NLMSG_DONE:
                return
            yield kind, data[at + 16 : at + length]
            if kind == NLMSG_ERROR:
                return
            at += (length + 3) & ~3


def send(link: socket.socket, kind: int, flags: int, payload: bytes = b"", family: int = socket.AF_INET) -> None:
    """Send one request."""
    body = struct.pack("=BBH", family, 0, 0) + payload
    link.send(_HEADER.pack(16 + len(body), kind, NLM_REQUEST | flags, 1, 0) + body)


def error_number(payload: bytes) -> int:
    """The errno of an NLMSG_ERROR; 0 is an acknowledgement."""
    number: int = -struct.unpack_from("=i", payload)[0]
    return number


def tables(pid: Optional[int]) -> set[str]:
    """The nftables tables of a network namespace, as "inet weft"."""
    found: set[str] = set()
    with open_netfilter(pid) as link:
        send(link, NFT_GETTABLE, NLM_DUMP, family=0)
        for kind, payload in messages(link):
            if kind == NLMSG_ERROR:
                break
            names = [value for key, value, _nested in attributes(payload[4:]) if key == NFTA_TABLE_NAME]
            found.update(f"{FAMILIES.get(payload[0], payload[0])} {name.rstrip(bytes(1)).decode()}" for name in names)
    return found
