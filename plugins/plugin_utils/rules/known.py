# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Remedies for names that are not known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property

from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import suggestion

# Comparing names costs time, and a slip that concerns thousands of references is one slip.
MOST_SUGGESTIONS = 100

# The group of names that all may use.
EVERYBODY = ""


class Known:
    """The names that a reference can have: pairs of a group (such as a tenant) and a name, made when first needed."""

    def __init__(self, names: Callable[[], Iterable[tuple[str, str]]]) -> None:
        self._names = names
        self._remedies: dict[tuple[str, str], str] = {}

    def remedy(self, name: str, otherwise: str, group: str = EVERYBODY) -> str:
        """What to do about a name that is not known in its group: use the nearest one, or `otherwise`."""
        if (group, name) not in self._remedies:
            if len(self._remedies) >= MOST_SUGGESTIONS:
                return otherwise
            known = dict.fromkeys((*self._groups.get(group, ()), *self._groups.get(EVERYBODY, ())))
            self._remedies[group, name] = suggestion(name, known, otherwise)
        return self._remedies[group, name]

    @cached_property
    def _groups(self) -> dict[str, list[str]]:
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for group, name in self._names():
            groups[group].append(name)
        return dict(groups)
