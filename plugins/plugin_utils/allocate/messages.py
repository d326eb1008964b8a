# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the allocator finds wrong, in whole sentences that name both holders."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.candidates import Candidates, InOrder, Ranges
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import Value, moment
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.request import Request
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.words import noun, owner
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding

CONFLICT = "WEFT-A2-conflict"
EXHAUSTED = "WEFT-A2-exhausted"
RANGE_IN_USE = "WEFT-A1-range-in-use"

_NAMED = 3


class Resting(NamedTuple):
    """A resting value, the key that had it, and when it was released."""

    value: Value
    key: str
    released: datetime


def same_key(request: Request, other: Request) -> Finding:
    """Two objects go by one name."""
    return Finding(
        CONFLICT,
        request.path,
        request.key,
        f"is asked for by {_placed(request)} and also by {_placed(other)}",
        "Rename one of the two.",
    )


def both_fixed(request: Request, other: Request, value: Value) -> Finding:
    """The intent gives one value to two objects."""
    return Finding(
        CONFLICT,
        request.path,
        value,
        f"is given to {request.subject} and also to {_placed(other)}; the {noun(request.scope)} must be unique in "
        f"{owner(request.scope)}",
        "Give one of the two another value, or leave it out to have a free one allocated.",
    )


def fixed_but_held(request: Request, holder: str, other: Request | None, value: Value) -> Finding:
    """The intent gives one object the recorded value of another, which is ``holder``."""
    words = _placed(other) if other else f"{holder}, which is not part of this run"
    return Finding(
        CONFLICT,
        request.path,
        value,
        f"is given to {request.subject}, but the ledger records this {noun(request.scope)} of {owner(request.scope)} "
        f"for {words}",
        f"Give {request.subject} another value; or, to move the present holder, write another value for it into the "
        "inventory.",
    )


def recorded_twice(request: Request, holder: str, other: Request | None, value: Value) -> Finding:
    """The ledger itself gives one value to two objects."""
    words = _placed(other) if other else holder
    return Finding(
        CONFLICT,
        request.path,
        value,
        f"is recorded for {request.subject} and also for {words}, as after a merge of two versions of the ledger",
        f"Write the right {noun(request.scope)} of each of the two into the inventory, or take the newer of the two "
        "lines out of the ledger.",
    )


def left_range(request: Request, value: Value) -> Finding:
    """What may be given has changed so that a value in use is no longer part of it."""
    return Finding(
        RANGE_IN_USE,
        request.path,
        value,
        f"is the recorded {noun(request.scope)} of {request.subject}, but {owner(request.scope)} now gives only "
        f"{request.candidates.describe()}",
        f"Put the range that holds it back, or move {request.subject} on purpose by writing another value for it into "
        "the inventory.",
    )


def exhausted(
    requests: Sequence[Request], used: Collection[Value], resting: Sequence[Resting], rest: timedelta
) -> Finding:
    """Nothing is left for these requests, all of one scope and equal candidates.

    ``used`` and ``resting`` are the scope's; values outside the candidates are not counted.
    """
    first = requests[0]
    candidates = first.candidates
    count = sum(value in candidates for value in used)
    idle = sorted((item for item in resting if item.value in candidates), key=lambda item: (item.released, item.key))
    return Finding(
        EXHAUSTED,
        first.path,
        None,
        f"{owner(first.scope)} has no {noun(first.scope)} left for {_listed(requests)}: of {_size(candidates)}, "
        f"{_are(count)} in use and {_are(len(idle))} resting{_resting_words(idle, rest)}",
        _exhausted_remedy(first, idle, rest),
    )


def _exhausted_remedy(request: Request, idle: Sequence[Resting], rest: timedelta) -> str:
    widen = f"Widen the ranges of {owner(request.scope)} or remove what is no longer needed"
    if not idle:
        return f"{widen}."
    return (
        f"{widen}; or wait until {_rested(idle[0], rest)}, when {idle[0].value} has rested; or take a resting value at "
        f"once by writing it into the inventory for {request.subject}."
    )


def _resting_words(idle: Sequence[Resting], rest: timedelta) -> str:
    if not idle:
        return ""
    shown = [f"{item.value} of {item.key} until {_rested(item, rest)}" for item in idle[:_NAMED]]
    more = len(idle) - len(shown)
    return f" ({', '.join(shown)}{f' and {more} more' if more else ''})"


def _rested(item: Resting, rest: timedelta) -> str:
    try:
        return moment(item.released + rest)
    except OverflowError:  # a rest so long that it means for ever
        return moment(datetime.max.replace(tzinfo=UTC))


def _size(candidates: Candidates) -> str:
    if isinstance(candidates, Ranges | InOrder):
        return f"{candidates.size} ({candidates.describe()})"
    return candidates.describe()


def _listed(requests: Sequence[Request]) -> str:
    shown = [request.subject for request in requests[:_NAMED]]
    more = len(requests) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _placed(request: Request) -> str:
    return f"{request.subject} ({request.path})"


def _are(count: int) -> str:
    return f"{count} is" if count == 1 else f"{count} are"
