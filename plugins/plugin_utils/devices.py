# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of network devices of hosts: which ones are ours."""

from __future__ import annotations

import re

# As plan/names.py makes them.
_OURS = re.compile(r"w(br|vx|pn|vl|p|q[bio])\d+", re.ASCII)

# The loopback device, and what the kernel's settings (net.ipv4.conf) say instead of a device.
_NO_NICS = {"lo": "is the loopback device", "all": "means every device", "default": "means devices to come"}


def is_ours(device: str) -> bool:
    """Whether a device of a host has a name that a plan gives, so that it is no part of the underlay."""
    return _OURS.fullmatch(device) is not None


def no_nic(device: str) -> str | None:
    """Why a name is not that of a host's NIC, in words that go on from it; None if it can be one's."""
    return "is a name of devices that weft.vpc makes" if is_ours(device) else _NO_NICS.get(device)
