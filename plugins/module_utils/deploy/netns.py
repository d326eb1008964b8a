# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Sockets in another network namespace."""

from __future__ import annotations

import os
import socket
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.syscalls import CLONE_NEWNET, setns


def open_socket(family: int, kind: int, protocol: int, pid: Optional[int] = None) -> socket.socket:
    """A socket in the network namespace of process ``pid`` (None: our own). It stays there; we do not."""
    if pid is None:
        return socket.socket(family, kind, protocol)
    own = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        other = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(other, CLONE_NEWNET)
            try:
                return socket.socket(family, kind, protocol)
            finally:
                setns(own, CLONE_NEWNET)
        finally:
            os.close(other)
    finally:
        os.close(own)
