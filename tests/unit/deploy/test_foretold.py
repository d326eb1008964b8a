"""Check mode says exactly what the run does, over pairs of intents: each file, each action, in each call."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils import passwords
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.tests.tools.intents import everything, slices_of
from ansible_collections.weft.vpc.tests.unit.deploy.world import World

Slices = dict[str, dict[str, Any]]
CALLS = ("segments", "routers", "ports", "removal")
PAIRS = 60 if os.environ.get("WEFT_HYPOTHESIS") == "deep" else 5
#: So many things are missing from an intent at most.
MISSING = 6


def lists(value: Any) -> Iterator[list[Any]]:
    """All lists of an intent, from the outside in."""
    if isinstance(value, list):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from lists(one)


def some(rng: random.Random) -> Slices:
    """The fabric that has every key, without some of its things."""
    variables, hosts = everything()
    variables = passwords.seal(variables)
    for _time in range(rng.randrange(MISSING + 1)):
        less = copy.deepcopy(variables)
        there = [one for one in lists({name: value for name, value in less.items() if name != "weft_tenants"}) if one]
        chosen = rng.choice(there)
        del chosen[rng.randrange(len(chosen))]
        if _taken(less, hosts):
            variables = less
    return slices_of(variables, hosts)


def _taken(variables: dict[str, Any], hosts: Any) -> bool:
    try:
        slices_of(variables, hosts)
    except IntentError:
        return False
    return True


def foretold_and_done(world: World, slice_: dict[str, Any]) -> tuple[list[Any], list[Any]]:
    return tuple([world.call(slice_, phase, check=check) for phase in CALLS] for check in (True, False))  # type: ignore[return-value]


@pytest.mark.parametrize("number", range(PAIRS))
def test_any_pair_of_intents_is_foretold(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = f"{os.environ.get('WEFT_SEED', '0')}/{number}"
    rng = random.Random(seed)
    way = [some(rng), some(rng), {}]
    for host in way[0]:
        world = World(tmp_path / host, monkeypatch)
        for place, slices in enumerate(way):
            slice_ = slices.get(host) or nothing(way[0][host])
            foretold, done = foretold_and_done(world, slice_)
            assert foretold == done, f"WEFT_SEED={seed}, {host}, intent {place}"
            assert any(files or actions for files, actions in done) or place
            again = [world.call(slice_, phase, check=False) for phase in CALLS]
            assert again == [([], [])] * len(CALLS)


@cache
def empty() -> Slices:
    variables, hosts = everything()
    return slices_of({"weft_fabric": variables["weft_fabric"]}, hosts)


def nothing(slice_: dict[str, Any]) -> dict[str, Any]:
    """What a host is told that is to have nothing."""
    return empty().get(slice_["host"]) or {
        name: type(value)() if isinstance(value, list) else value for name, value in slice_.items()
    }
