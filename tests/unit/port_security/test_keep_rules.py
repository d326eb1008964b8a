"""What the keeper of a host's rules makes of the kernel's messages; that it loads them is tested with packets."""

from __future__ import annotations

import errno
import os
import runpy
import socket
import struct
from collections.abc import Iterable
from types import SimpleNamespace

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import ROLES_DIRECTORY

keep_rules = SimpleNamespace(**runpy.run_path(f"{ROLES_DIRECTORY}/port_security/templates/keep-rules.py.j2"))

# linux/netfilter/nf_tables.h: NEWTABLE, DELTABLE, NEWSETELEM, NEWGEN
MADE, DELETED, ELEMENT, GENERATION = (10 << 8 | number for number in (0, 2, 12, 15))


def messages(*kinds: int) -> bytes:
    """Messages of these types, whose payloads are not as long as they are padded to be."""
    return b"".join(struct.pack("=IHHII", 21, kind, 0, 0, 0) + bytes(8) for kind in kinds)


class Events:
    """A socket that gives these, or fails with their number; before a None it has nothing for now."""

    def __init__(self, given: Iterable[bytes | int | None]) -> None:
        self.given = list(given)

    def recv(self, _size: int, flags: int) -> bytes:
        waits = not flags & socket.MSG_DONTWAIT
        while waits and self.given[0] is None:
            self.given.pop(0)
        one = self.given[0] if self.given else None
        if one is None:
            raise BlockingIOError
        self.given.pop(0)
        if isinstance(one, int):
            raise OSError(one, os.strerror(one))
        return one


@pytest.mark.parametrize(
    ("given", "left"),
    [
        ([messages(ELEMENT, MADE, DELETED, GENERATION), None, b"later"], 2),
        ([messages(MADE, ELEMENT), None, messages(GENERATION), messages(DELETED), messages(GENERATION)], 0),
        ([messages(ELEMENT), errno.ENOBUFS, messages(ELEMENT), messages(ELEMENT), None, b"later"], 2),
        ([b"", messages(ELEMENT)[:10], None, messages(DELETED), None, b"later"], 2),
    ],
)
def test_it_waits_for_a_deleted_table_or_lost_messages(given: list[bytes | int | None], left: int) -> None:
    events = Events(given)
    keep_rules.await_a_deleted_table(events)
    assert len(events.given) == left


def test_it_ends_if_it_cannot_listen() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        keep_rules.await_a_deleted_table(Events([errno.EBADF]))
