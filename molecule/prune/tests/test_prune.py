"""After a removal nothing of the removed is left on any host, and what remains still works, by packets."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from checks import instances, leftovers, play, steps
from checks.cloud import SILENCE, Cloud, tcp, who

from lab.api import Lab
from lab.paths import ROOT

LAB = Lab()
STATE = ROOT / ".cache" / "molecule" / LAB.id
INVENTORY = STATE / "inventory"
CHANGED = re.compile(r"changed=([1-9]\d*)")

Intent = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def inventory() -> Path:
    """A copy of the inventory that tests may change."""
    shutil.rmtree(INVENTORY, ignore_errors=True)
    shutil.copytree(ROOT / "inventories" / "walkthrough", INVENTORY)
    return INVENTORY


def change(edit: Callable[[Intent], None]) -> None:
    path = INVENTORY / "group_vars" / "all" / "fabric.yml"
    intent = yaml.safe_load(path.read_text())
    edit(intent)
    path.write_text(yaml.safe_dump(intent, sort_keys=False))


def drop(things: list[Intent], name: str) -> None:
    (found,) = (one for one in things if one["name"] == name)
    things.remove(found)


def site(*options: str) -> None:
    done = play.play(LAB, "site", INVENTORY, STATE, options)
    assert done.returncode == 0, done.stdout[-2000:]


def prune(edit: Callable[[Intent], None], *options: str) -> Cloud:
    """Change the inventory, apply it, let the owners stop their instances; a second run must find nothing to do."""
    change(edit)
    site(*options)
    cloud = Cloud(LAB, INVENTORY, STATE)
    instances.start(cloud)
    again = play.play(LAB, "site", INVENTORY, STATE)
    assert again.returncode == 0 and not CHANGED.search(again.stdout), again.stdout[-2000:]
    return cloud


def nothing_left(cloud: Cloud, before: Intent, *words: str) -> None:
    """No trace on any host, and no answer at the addresses that were given back."""
    wanted = [*leftovers.tokens(before, leftovers.ledger(cloud)), *words]
    assert leftovers.traces(cloud, wanted) == []
    public = [word for word in wanted if word.startswith("10.")]
    answers = cloud.ask("wan", [tcp(address, seconds=SILENCE) for address in public])
    assert [one for one in answers if one and not one.startswith("!")] == []
    assert [address for address in public if cloud.ping("wan", address) is not None] == []


def test_traces_are_found_where_there_are_some() -> None:
    """Before anything is removed, the search that must find nothing later finds it in files and in live state."""
    cloud = Cloud(LAB, INVENTORY, STATE)
    wanted = {"2224": 2, cloud.public("vpc-1", "eip-b", "elastic_ip"): 3, "wvx200": 4}
    found = leftovers.traces(cloud, wanted)
    views = {word: len({line.partition(":")[0] for line in found if word in line}) for word in wanted}
    assert all(views[word] >= least for word, least in wanted.items()), views


def test_port_forward() -> None:
    """Its map element goes; the two others keep working, and its port is closed (step 7)."""
    before = leftovers.ledger(Cloud(LAB, INVENTORY, STATE))
    cloud = prune(lambda intent: drop(intent["weft_vpcs"][0]["port_forwards"], "vpc-port3"))
    nothing_left(cloud, before, "vpc-port3", "2224")
    assert steps.failures(cloud) == []


def test_elastic_ip() -> None:
    """Its address goes, from the router and from the public network."""
    before = leftovers.ledger(Cloud(LAB, INVENTORY, STATE))
    cloud = prune(lambda intent: drop(intent["weft_vpcs"][0]["elastic_ips"], "eip-b"))
    nothing_left(cloud, before)
    assert steps.failures(cloud) == []


def test_network() -> None:
    """With its instance and the route that led there; its segment goes from every host."""

    def edit(intent: Intent) -> None:
        drop(intent["weft_vpcs"][0]["networks"], "vpc-1-2")
        drop(intent["weft_instances"], "vpc-ins2")
        del intent["weft_vpcs"][0]["routes"][0]

    before = leftovers.ledger(Cloud(LAB, INVENTORY, STATE))
    cloud = prune(edit)
    nothing_left(cloud, before, "172.31.0.0/16")
    assert steps.failures(cloud, [2, 3, 4, 5, 7, 8, 9, 10, 12]) == []


def test_vpc() -> None:
    """Too much to go unasked; then its router's machine, its segments and its addresses all go."""

    def edit(intent: Intent) -> None:
        drop(intent["weft_vpcs"], "vpc-1")
        intent["weft_instances"] = [one for one in intent["weft_instances"] if one["tenant"] != "admin"]

    old = Cloud(LAB, INVENTORY, STATE)
    before, forward = leftovers.ledger(old), tcp(old.public("vpc-1", "vip-pf", "virtual_ip"), 2222)
    change(edit)
    refused = play.play(LAB, "site", INVENTORY, STATE)
    assert refused.returncode != 0 and "weft_max_removal_percent" in refused.stdout, refused.stdout[-2000:]
    assert who(old.ask("wan", [forward])[0]) == "vpc-port-test-1 admin"

    cloud = prune(lambda _intent: None, "-e", "weft_max_removal_percent=100")
    nothing_left(cloud, before)
    assert steps.failures(cloud, [2, 3, 5, 10]) == []
