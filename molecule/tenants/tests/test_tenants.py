"""Two tenants side by side, by packets: as declared, after a recall that check mode foretold, and after both."""

from __future__ import annotations

from checks import leftovers
from checks.cloud import SILENCE, WAN_ADDRESS, WAN_PORT, Cloud, saw, tcp, who
from checks.fabric import Fabric, Intent, drop

FRONT, NEIGHBOUR, SERVICE, GUEST = "192.168.40.10", "192.168.40.11", "192.168.41.10", "192.168.41.20"
BLUE, RED = "blue-web blue", "red-web red"
#: Who answers whom, by asker and address; nobody is an answer too.
DECLARED = {
    ("blue-web", SERVICE): "blue-db blue",
    ("blue-web", GUEST): "red-guest red",
    ("blue-web", NEIGHBOUR): "nobody",
    ("blue-db", FRONT): BLUE,
    ("red-job", FRONT): RED,
    ("red-job", SERVICE): "nobody",
    ("red-web", NEIGHBOUR): "red-job red",
    ("red-guest", SERVICE): "blue-db blue",
    ("red-guest", FRONT): BLUE,
}


def answers(cloud: Cloud, wanted: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    found = {(asker, address): who(cloud.ask(asker, [tcp(address, seconds=SILENCE)])[0]) for asker, address in wanted}
    return {place: answer if answer in wanted.values() else "nobody" for place, answer in found.items()}


def recall(intent: Intent) -> None:
    """The guest goes, and what it was let into is its owner's alone again; red gets blue's offering."""
    drop(intent["weft_instances"], "red-guest")
    del intent["weft_vpcs"][0]["networks"][1]["shared_with"]
    intent["weft_router_offerings"][1]["shared_with"] = []
    intent["weft_vpcs"][1]["router"]["offering"] = "small"


def test_tenants_are_apart_but_where_they_share(fabric: Fabric) -> None:
    cloud = fabric.cloud
    assert answers(cloud, DECLARED) == DECLARED
    ledger = leftovers.ledger(cloud)["entries"]
    seen = {
        name: saw(cloud.ask(name, [tcp(WAN_ADDRESS, WAN_PORT)])[0]) for name in ("blue-web", "red-web", "red-guest")
    }
    owner = {
        name: ledger[key]["value"] for name, key in (("blue", "blue/shop:public_ip"), ("red", "red/shop:public_ip"))
    }
    assert seen == {
        "blue-web": str(ledger["blue/shop/eip:elastic_ip"]["value"]),
        "red-web": owner["red"],
        "red-guest": owner["blue"],
    }


def test_what_is_used_is_not_recalled(fabric: Fabric) -> None:
    def too_soon(intent: Intent) -> None:
        del intent["weft_vpcs"][0]["networks"][1]["shared_with"]
        intent["weft_router_offerings"][1]["shared_with"] = ["blue"]
        intent["weft_tenants"][0]["quotas"]["networks"] = 1

    fabric.change(too_soon)
    refused = fabric.try_run()
    fabric.restore()
    assert refused.status != 0 and refused.changed == 0
    for words in (
        "weft_instances[4].nics[0].network: 'blue/shop/services' belongs to tenant blue",
        "weft_vpcs[1].router.offering: 'reds' is not shared with tenant red",
        "weft_tenants[0].quotas.networks: 1 is the quota of networks of tenant blue",
    ):
        assert words in " ".join(refused.output.split()), words


def test_a_recall_is_foretold(fabric: Fabric) -> None:
    fabric.change(recall)
    fabric.run_as_foretold()
    cloud = fabric.apply()
    left = {place: answer for place, answer in DECLARED.items() if GUEST not in place and "red-guest" not in place}
    assert answers(cloud, left) == left
    assert cloud.ping("blue-web", GUEST) is None


def test_nothing_is_left_of_what_is_taken_out(fabric: Fabric) -> None:
    fabric.empty()
    assert leftovers.left_of_fabric(fabric.lab) == []
