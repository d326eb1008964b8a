"""After a removal nothing of the removed is left on any host, and what remains still works, by packets."""

from __future__ import annotations

from collections.abc import Callable

from checks import leftovers, steps
from checks.cloud import SILENCE, Cloud, tcp, who
from checks.fabric import Fabric, Intent, drop


def prune(fabric: Fabric, edit: Callable[[Intent], None], *options: str) -> Cloud:
    """Change the inventory, apply it, let the owners stop their instances; a second run must find nothing to do."""
    fabric.change(edit)
    cloud = fabric.apply(*options)
    assert fabric.run().changed == 0
    return cloud


def nothing_left(cloud: Cloud, before: Intent, *words: str) -> None:
    """No trace on any host, and no answer at the addresses that were given back."""
    wanted = [*leftovers.tokens(before, leftovers.ledger(cloud)), *words]
    assert leftovers.traces(cloud, wanted) == []
    public = [word for word in wanted if word.startswith("10.")]
    answers = cloud.ask("wan", [tcp(address, seconds=SILENCE) for address in public])
    assert [one for one in answers if one and not one.startswith("!")] == []
    assert [address for address in public if cloud.ping("wan", address) is not None] == []


def test_traces_are_found_where_there_are_some(fabric: Fabric) -> None:
    """Before anything is removed, the search that must find nothing later finds it in files and in live state."""
    cloud = fabric.cloud
    wanted = {"2224": 2, cloud.public("vpc-1", "eip-b", "elastic_ip"): 3, "wvx200": 4}
    found = leftovers.traces(cloud, wanted)
    views = {word: len({line.partition(":")[0] for line in found if word in line}) for word in wanted}
    assert all(views[word] >= least for word, least in wanted.items()), views


def test_port_forward(fabric: Fabric) -> None:
    """Its map element goes; the two others keep working, and its port is closed (step 7)."""
    before = leftovers.ledger(fabric.cloud)
    cloud = prune(fabric, lambda intent: drop(intent["weft_vpcs"][0]["port_forwards"], "vpc-port3"))
    nothing_left(cloud, before, "vpc-port3", "2224")
    assert steps.failures(cloud) == []


def test_elastic_ip(fabric: Fabric) -> None:
    """Its address goes, from the router and from the public network."""
    before = leftovers.ledger(fabric.cloud)
    cloud = prune(fabric, lambda intent: drop(intent["weft_vpcs"][0]["elastic_ips"], "eip-b"))
    nothing_left(cloud, before)
    assert steps.failures(cloud) == []


def test_network(fabric: Fabric) -> None:
    """With its instance and the route that led there; its segment goes from every host."""

    def edit(intent: Intent) -> None:
        drop(intent["weft_vpcs"][0]["networks"], "vpc-1-2")
        drop(intent["weft_instances"], "vpc-ins2")
        del intent["weft_vpcs"][0]["routes"][0]

    before = leftovers.ledger(fabric.cloud)
    cloud = prune(fabric, edit)
    nothing_left(cloud, before, "172.31.0.0/16")
    assert steps.failures(cloud, [2, 3, 4, 5, 7, 8, 9, 10, 12]) == []


def test_vpc(fabric: Fabric) -> None:
    """Too much to go unasked; then its router's machine, its segments and its addresses all go."""

    def edit(intent: Intent) -> None:
        drop(intent["weft_vpcs"], "vpc-1")
        intent["weft_instances"] = [one for one in intent["weft_instances"] if one["tenant"] != "admin"]

    old = fabric.cloud
    before, forward = leftovers.ledger(old), tcp(old.public("vpc-1", "vip-pf", "virtual_ip"), 2222)
    fabric.change(edit)
    refused = fabric.try_run()
    assert refused.status != 0 and "weft_max_removal_percent" in refused.output, refused.output[-2000:]
    assert who(old.ask("wan", [forward])[0]) == "vpc-port-test-1 admin"

    cloud = prune(fabric, lambda _intent: None, "-e", "weft_max_removal_percent=100")
    nothing_left(cloud, before)
    assert steps.failures(cloud, [2, 3, 5, 10]) == []
