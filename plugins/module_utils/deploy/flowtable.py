# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connections that a router tracks, and the end of those that a change translates otherwise."""

from __future__ import annotations

import errno
import json
import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.netlink import (
    NLM_ACK,
    NLM_DUMP,
    NLMSG_ERROR,
    attributes,
    error_number,
    messages,
    open_netfilter,
    send,
)
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope
from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Translated, Translation, ends

TRANSLATION = "/etc/weft/translation.json"

# linux/netfilter/nfnetlink_conntrack.h
CT_NEW, CT_GET, CT_DELETE = 0x100, 0x101, 0x102
CTA_TUPLE_ORIG, CTA_TUPLE_REPLY, CTA_MARK, CTA_ID, CTA_ZONE = 1, 2, 8, 12, 18
TUPLE_IP, TUPLE_PROTO = 1, 2
IP_V4_SOURCE, IP_V4_DESTINATION = 1, 2
PROTO_NUMBER, PROTO_SOURCE, PROTO_DESTINATION, PROTO_ICMP_TYPE, PROTO_ICMP_CODE = 1, 2, 3, 5, 6

ECHO = b"\x08"

_PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp"}


@dataclass(frozen=True)
class Tracked:
    """One tracked connection: as it came, what was made of it, and the attributes by which the kernel knows it."""

    flow: Flow
    actual: Translated
    identity: bytes
    zone: int = 0
    mark: int = 0


def _tuple(data: bytes) -> Flow:
    parts = {kind: value for kind, value, _nested in attributes(data)}
    addresses = {kind: value for kind, value, _nested in attributes(parts.get(TUPLE_IP, b""))}
    protocol = {kind: value for kind, value, _nested in attributes(parts.get(TUPLE_PROTO, b""))}
    number = protocol[PROTO_NUMBER][0]
    return Flow(
        _PROTOCOLS.get(number, str(number)),
        socket.inet_ntoa(addresses[IP_V4_SOURCE]),
        socket.inet_ntoa(addresses[IP_V4_DESTINATION]),
        int.from_bytes(protocol.get(PROTO_SOURCE, b""), "big"),
        int.from_bytes(protocol.get(PROTO_DESTINATION, b""), "big"),
        (protocol.get(PROTO_ICMP_TYPE, ECHO)[0], protocol.get(PROTO_ICMP_CODE, b"\0")[0]),
    )


def parse_entry(data: bytes) -> Tracked:
    """An entry from the attributes of a conntrack message."""
    values, identity = {}, b""
    for kind, value, whole in attributes(data):
        values[kind] = value
        if kind in (CTA_TUPLE_ORIG, CTA_ID, CTA_ZONE):
            identity += whole
    flow, reply = _tuple(values[CTA_TUPLE_ORIG]), _tuple(values[CTA_TUPLE_REPLY])
    redirected = reply.source != flow.destination or reply.source_port != flow.destination_port
    actual = Translated(
        target=reply.source if redirected else None,
        target_port=reply.source_port if redirected else None,
        source=reply.destination if reply.destination != flow.source else None,
    )
    zone, mark = (int.from_bytes(values.get(kind, b""), "big") for kind in (CTA_ZONE, CTA_MARK))
    return Tracked(flow, actual, identity, zone, mark)


def entries(link: socket.socket) -> Iterator[Tracked]:
    """All IPv4 connections tracked in the socket's network namespace."""
    send(link, CT_GET, NLM_DUMP)
    for kind, payload in messages(link):
        if kind == NLMSG_ERROR:
            raise DeployError(f"The tracked connections cannot be listed: {os.strerror(error_number(payload))}.")
        yield parse_entry(payload[4:])


def delete(link: socket.socket, entry: Tracked) -> None:
    """End one connection; one that ended by itself is no error."""
    _change(link, CT_DELETE, entry, entry.identity, "ended")


def mark(link: socket.socket, entry: Tracked, value: int) -> None:
    """Mark one connection; one that ended by itself is no error."""
    whole = struct.pack("=HH", 8, CTA_MARK) + value.to_bytes(4, "big")
    _change(link, CT_NEW, entry, entry.identity + whole, "marked")


def _change(link: socket.socket, kind: int, entry: Tracked, payload: bytes, words: str) -> None:
    send(link, kind, NLM_ACK, payload)
    for _kind, answer in messages(link):
        number = error_number(answer)
        if number not in (0, errno.ENOENT):
            raise DeployError(f"The connection {entry.flow} cannot be {words}: {os.strerror(number)}.")


def clean(scope: Scope, old: Translation, new: Translation) -> int:
    """End the scope's connections that are translated otherwise now; returns how many."""
    with open_netfilter(scope.leader if scope.machine else None) as link:
        gone = [entry for entry in entries(link) if ends(entry.flow, entry.actual, old, new)]
        for entry in gone:
            delete(link, entry)
    return len(gone)


def flow_works(batch: Batch, confirmed: str) -> list[Work]:
    """The clean-up after a change of a router's translation; ``confirmed`` is what its connections were made under."""
    touched = TRANSLATION in batch.unsure or batch.new.get(TRANSLATION) is not None
    if not touched or not confirmed or batch.fresh or not batch.scope.running:
        return []
    old, new = Translation(json.loads(confirmed)), Translation(json.loads(batch.text(TRANSLATION)))
    if old.raw == new.raw:
        return []
    return [Work(f"end connections translated otherwise{batch.scope.suffix}", lambda: _clean(batch.scope, old, new))]


def _clean(scope: Scope, old: Translation, new: Translation) -> None:
    clean(scope, old, new)
