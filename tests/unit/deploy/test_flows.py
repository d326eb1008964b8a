"""Which translation a router gives a connection, and which live ones a change of it ends."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Translated, Translation, ends, judge

CONFIG: dict[str, Any] = {
    "subnets": ["192.168.20.0/24", "192.168.21.0/24"],
    "public_interfaces": ["pub4"],
    "elastic_in": {"10.172.11.4": "192.168.20.5", "10.172.11.5": "192.168.20.5", "10.172.11.6": "192.168.21.99"},
    "elastic_out": {"192.168.20.5": "10.172.11.4"},
    "forwards": [
        ["10.172.11.93", "tcp", 2222, 2222, "192.168.20.154", 23],
        ["10.172.11.93", "udp", 5000, 5010, "192.168.21.9", 6000],
    ],
    "snat": [
        ["192.168.20.0/24", "10.172.11.91"],
        ["192.168.20.7/32", "10.172.11.93"],
        ["192.168.0.0/16", "10.172.11.90"],
    ],
    "without_default_route": ["192.168.21.99"],
    "router_addresses": {"lan1": "192.168.20.1", "lan2": "192.168.21.1"},
    "balancers": [["10.172.11.94", "tcp", 8080]],
    "udp_balancers": [
        {
            "place": ["10.172.11.94", 53],
            "allowed": ["203.0.113.0/24", "192.168.0.0/16"],
            "denied": ["203.0.113.128/25"],
            "backends": [["192.168.20.8", 5300, 0], ["192.168.20.9", 5300, 1], ["192.168.21.9", 53, 2]],
        },
        {"place": ["192.168.20.250", 53], "allowed": [], "denied": [], "backends": [["192.168.20.9", 53, 1]]},
    ],
}
ROUTER = Translation(CONFIG)


def tcp(source: str, destination: str, port: int = 80) -> Flow:
    return Flow("tcp", source, destination, 40000, port)


def dns(source: str, destination: str = "10.172.11.94") -> Flow:
    return Flow("udp", source, destination, 40000, 53)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        pytest.param(tcp("203.0.113.9", "10.172.11.4"), Translated("192.168.20.5"), id="elastic IP from outside"),
        pytest.param(Flow("icmp", "203.0.113.9", "10.172.11.5"), Translated("192.168.20.5"), id="second EIP, ping"),
        pytest.param(tcp("192.168.20.5", "203.0.113.9"), Translated(source="10.172.11.4"), id="elastic IP outwards"),
        pytest.param(tcp("192.168.20.6", "203.0.113.9"), Translated(source="10.172.11.91"), id="shared SNAT"),
        pytest.param(tcp("192.168.20.7", "203.0.113.9"), Translated(source="10.172.11.93"), id="longest prefix"),
        pytest.param(tcp("192.168.21.7", "203.0.113.9"), Translated(source="10.172.11.90"), id="shorter prefix"),
        pytest.param(tcp("172.31.0.1", "203.0.113.9"), Translated(), id="not from a subnet"),
        pytest.param(tcp("192.168.20.6", "192.168.21.7"), Translated(), id="east-west"),
        pytest.param(tcp("192.168.20.5", "192.168.21.7"), Translated(), id="east-west with an elastic IP"),
        pytest.param(Flow("udp", "192.168.20.6", "224.0.0.5"), Translated(), id="multicast"),
        pytest.param(tcp("203.0.113.9", "10.172.11.93", 2222), Translated("192.168.20.154", 23), id="forward"),
        pytest.param(tcp("203.0.113.9", "10.172.11.93", 2223), Translated(), id="no forward on that port"),
        pytest.param(
            Flow("udp", "203.0.113.9", "10.172.11.93", 1, 5003), Translated("192.168.21.9", 6003), id="range, shifted"
        ),
        pytest.param(tcp("203.0.113.9", "10.172.11.93", 5003), Translated(), id="other protocol"),
        pytest.param(
            tcp("192.168.20.6", "10.172.11.93", 2222), Translated("192.168.20.154", 23, "10.172.11.93"), id="hairpin"
        ),
        pytest.param(
            tcp("192.168.20.5", "10.172.11.93", 2222),
            Translated("192.168.20.154", 23, "10.172.11.4"),
            id="hairpin, EIP",
        ),
        pytest.param(
            tcp("192.168.20.5", "10.172.11.4"), Translated("192.168.20.5", None, "10.172.11.4"), id="hairpin to itself"
        ),
        pytest.param(
            Flow("udp", "192.168.20.6", "10.172.11.93", 1, 5000),
            Translated("192.168.21.9", 6000),
            id="hairpin into another subnet, as itself",
        ),
        pytest.param(tcp("192.168.20.6", "10.172.11.94", 8080), Translated(), id="balancer"),
        pytest.param(dns("203.0.113.9"), Translated("192.168.20.9", 5300), id="balancer of UDP, not a drained backend"),
        pytest.param(
            dns("192.168.20.6"), Translated("192.168.20.9", 5300, "10.172.11.94"), id="balancer of UDP, hairpin"
        ),
        pytest.param(dns("203.0.113.200"), Translated(), id="balancer of UDP, denied"),
        pytest.param(dns("198.51.100.1"), Translated(), id="balancer of UDP, not allowed"),
        pytest.param(tcp("203.0.113.9", "10.172.11.94", 53), Translated(), id="balancer of UDP, TCP"),
        pytest.param(
            dns("192.168.21.6", "192.168.20.250"),
            Translated("192.168.20.9", 53),
            id="balancer of UDP in a subnet, from another",
        ),
        pytest.param(
            dns("192.168.20.6", "192.168.20.250"),
            Translated("192.168.20.9", 53, "192.168.20.250"),
            id="balancer of UDP in a subnet, from that",
        ),
        pytest.param(
            tcp("203.0.113.9", "10.172.11.6"),
            Translated("192.168.21.99", None, "192.168.21.1"),
            id="to a NIC without default route, from outside",
        ),
        pytest.param(
            tcp("192.168.20.5", "10.172.11.6"),
            Translated("192.168.21.99", None, "192.168.21.1"),
            id="to a NIC without default route, with an elastic IP",
        ),
        pytest.param(tcp("192.168.20.5", "192.168.21.99"), Translated(), id="to a NIC without default route, directly"),
        pytest.param(
            dns("203.0.113.9", "192.168.20.250"), Translated(), id="balancer of UDP in a subnet, from outside"
        ),
        pytest.param(tcp("192.168.20.6", "192.168.21.1", 53), Translated(), id="router itself"),
    ],
)
def test_translation(flow: Flow, expected: Translated) -> None:
    assert judge(flow, ROUTER).translated == expected


def changed(**values: Any) -> Translation:
    return Translation({**copy.deepcopy(CONFIG), **values})


WITHOUT_SECOND = changed(elastic_in={"10.172.11.4": "192.168.20.5"})
MOVED = changed(elastic_in={**CONFIG["elastic_in"], "10.172.11.5": "192.168.20.6"})
OTHER_EXIT = changed(elastic_out={"192.168.20.5": "10.172.11.5"})
NEW_EXIT = changed(elastic_out={**CONFIG["elastic_out"], "192.168.20.6": "10.172.11.6"})
OTHER_PORT = changed(forwards=[["10.172.11.93", "tcp", 2222, 2222, "192.168.20.154", 24], CONFIG["forwards"][1]])
NARROWED = changed(forwards=[[*CONFIG["forwards"][0], ["198.51.100.0/24"]], CONFIG["forwards"][1]])
STILL_OPEN = changed(forwards=[[*CONFIG["forwards"][0], ["198.51.100.0/24", "203.0.113.0/24"]], CONFIG["forwards"][1]])
NO_BALANCER = changed(balancers=[], public_addresses=["10.172.11.94"])
ROUTED = changed(routes=[["198.51.100.0/24", "192.168.21.7", 1, "192.168.20.0/24"], ["203.0.113.0/24", None, 1, None]])
ALL = (WITHOUT_SECOND, MOVED, OTHER_EXIT, NEW_EXIT, OTHER_PORT)

CONNECTIONS = {
    "first EIP in": tcp("203.0.113.9", "10.172.11.4"),
    "second EIP in": tcp("203.0.113.9", "10.172.11.5"),
    "EIP out": tcp("192.168.20.5", "203.0.113.9"),
    "SNAT out": tcp("192.168.20.6", "203.0.113.9"),
    "forward": tcp("203.0.113.9", "10.172.11.93", 2222),
    "east-west": tcp("192.168.20.6", "192.168.21.7"),
    "hairpin": tcp("192.168.20.6", "10.172.11.5", 22),
    "balancer": tcp("203.0.113.9", "10.172.11.94", 8080),
    "SNAT out elsewhere": tcp("192.168.20.6", "198.51.100.9"),
}


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        pytest.param(WITHOUT_SECOND, {"second EIP in", "hairpin"}, id="EIP removed"),
        pytest.param(MOVED, {"second EIP in", "hairpin"}, id="EIP moved"),
        pytest.param(OTHER_EXIT, {"EIP out"}, id="outbound EIP changed"),
        pytest.param(NEW_EXIT, {"SNAT out", "SNAT out elsewhere", "hairpin"}, id="outbound EIP given"),
        pytest.param(OTHER_PORT, {"forward"}, id="forward's target port changed"),
        pytest.param(NARROWED, {"forward"}, id="forward for other sources"),
        pytest.param(STILL_OPEN, set(), id="forward for some sources, this one among them"),
        pytest.param(NO_BALANCER, {"balancer"}, id="load balancer removed"),
        pytest.param(
            ROUTED,
            {"first EIP in", "second EIP in", "EIP out", "SNAT out", "forward", "balancer", "SNAT out elsewhere"},
            id="routes: a black hole for the client, another way for a subnet",
        ),
        pytest.param(ROUTER, set(), id="nothing changed"),
    ],
)
def test_a_change_ends_exactly_what_it_must(new: Translation, expected: set[str]) -> None:
    ended = {name for name, flow in CONNECTIONS.items() if ends(flow, judge(flow, ROUTER).translated, ROUTER, new)}
    assert ended == expected


@pytest.mark.parametrize("new", ALL)
def test_what_lives_under_the_new_rules_already_lives_on(new: Translation) -> None:
    verdicts = {flow: judge(flow, new) for flow in CONNECTIONS.values()}
    live = {flow: verdict.translated for flow, verdict in verdicts.items() if verdict.action == "accept"}
    assert not any(ends(flow, actual, ROUTER, new) for flow, actual in live.items())


def test_a_connection_that_a_route_leads_elsewhere_lives_on() -> None:
    """It goes to 172.31.0.1 through an instance, so the source translation never reached it."""
    assert not ends(tcp("192.168.20.6", "172.31.0.1"), Translated(), ROUTER, NEW_EXIT)


def served(*backends: list[Any], **more: Any) -> Translation:
    """The router with other backends behind its public listener of UDP."""
    public, inner = CONFIG["udp_balancers"]
    return changed(udp_balancers=[{**public, "backends": list(backends), **more}, inner])


DRAINED, KEPT, OTHER = CONFIG["udp_balancers"][0]["backends"]


@pytest.mark.parametrize(
    ("new", "ended"),
    [
        pytest.param(served(DRAINED, KEPT), {"192.168.21.9"}, id="one goes: its own flows end"),
        pytest.param(served(KEPT, OTHER), {"192.168.20.8"}, id="a drained one goes"),
        pytest.param(
            served(DRAINED, [*KEPT[:2], 0], [*OTHER[:2], 5], ["192.168.20.7", 9, 1]), set(), id="weights, new"
        ),
        pytest.param(served(DRAINED, [KEPT[0], 5301, 1], OTHER), {"192.168.20.9"}, id="another port"),
        pytest.param(served(DRAINED, KEPT, OTHER, denied=["203.0.113.9/32"]), {"all"}, id="the client is denied"),
        pytest.param(served(DRAINED, KEPT, OTHER, allowed=[]), set(), id="everybody is allowed"),
        pytest.param(changed(udp_balancers=[]), {"all"}, id="the listener goes"),
    ],
)
def test_flows_of_a_listener_of_udp_stay_with_their_backends(new: Translation, ended: set[str]) -> None:
    live = {one[0]: Translated(one[0], one[1]) for one in (DRAINED, KEPT, OTHER)}
    gone = {backend for backend, actual in live.items() if ends(dns("203.0.113.9"), actual, ROUTER, new)}
    assert gone == (live.keys() if ended == {"all"} else ended)


def test_without_a_backend_for_new_flows_a_listener_of_udp_rejects() -> None:
    for asker in ("203.0.113.9", "192.168.20.6"):
        assert judge(dns(asker), served(DRAINED)).action == "reject"
    assert judge(dns("198.51.100.1"), ROUTER).action == "reject"
    assert judge(dns("203.0.113.9", "192.168.20.250"), ROUTER).action == "drop"


def test_an_empty_configuration_translates_nothing() -> None:
    assert all(judge(flow, Translation({})).translated == Translated() for flow in CONNECTIONS.values())
