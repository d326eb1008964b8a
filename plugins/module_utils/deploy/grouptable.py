# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The connections that a host tracks for its security groups, and the end of those that a change no longer admits.

An entry that was deleted would be made anew by the next packet, perhaps one of the end that may send. So what ends is
marked, and the rules drop what has the mark for as long as somebody goes on sending.
"""

from __future__ import annotations

import json
import socket

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.flowtable import Tracked, delete, entries, mark
from ansible_collections.weft.vpc.plugins.module_utils.deploy.netlink import open_netfilter
from ansible_collections.weft.vpc.plugins.module_utils.flows import ACCEPT
from ansible_collections.weft.vpc.plugins.module_utils.groups import CUT_MARK, Groups, ends, judge

GROUPS = "/etc/weft/groups.json"


def clean(old: Groups, new: Groups) -> None:
    """End what the change from ``old`` to ``new`` no longer admits, and forget what is not tracked any more."""
    with open_netfilter(None) as link:
        for entry in list(entries(link)):
            if entry.zone in new.zones:
                _judge(link, entry, old, new)
            elif entry.zone in old.zones:
                delete(link, entry)


def _judge(link: socket.socket, entry: Tracked, old: Groups, new: Groups) -> None:
    if entry.mark == CUT_MARK:
        if judge(entry.flow, entry.zone, new).action == ACCEPT:
            delete(link, entry)
    elif ends(entry.flow, entry.zone, old, new):
        mark(link, entry, CUT_MARK)


def group_works(batch: Batch, confirmed: str) -> list[Work]:
    """The clean-up after a change of a host's groups; ``confirmed`` is what its connections were made under."""
    if not batch.touched([GROUPS]):
        return []
    old, new = _groups(confirmed), _groups(batch.text(GROUPS))
    if old.raw == new.raw:
        return []
    return [Work("end connections that security groups no longer admit", lambda: clean(old, new))]


def _groups(text: str) -> Groups:
    return Groups(json.loads(text) if text else {})
