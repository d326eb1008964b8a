"""Ranges of user ids: no two overlap, and none is systemd's (its table of users and groups, UIDS-GIDS)."""

from __future__ import annotations

from itertools import pairwise

from ansible_collections.weft.vpc.plugins.plugin_utils.plan.names import LAST_UIDS, UID_BASE, UIDS, uid_base

#: The last of those that systemd-nspawn picks from, and the first of foreign images.
NSPAWN, FOREIGN = 1879048191, 2147352576


def test_ranges_are_apart_and_nobodys() -> None:
    bases = [UID_BASE, *map(uid_base, range(1, LAST_UIDS + 1))]
    assert bases[0] > NSPAWN and bases[-1] + UIDS == FOREIGN
    assert all(base + UIDS == following for base, following in pairwise(bases))
