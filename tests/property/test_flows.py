"""What holds for a router's verdicts whatever its rules are: they have no order, and each is about its own flows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Reason, Translation, ends, judge

SUBNETS = ["192.168.20.0/24", "192.168.21.0/24"]
GUESTS = ["192.168.20.5", "192.168.20.6", "192.168.21.5", "192.168.21.200"]
PUBLIC = ["10.0.0.2", "10.0.0.3", "10.0.0.4"]
OUTSIDE = ["203.0.113.9", "198.51.100.7", "10.0.0.200"]
SITE = "172.28.0.9"
OTHERS = ["192.168.20.1", "10.0.0.1", "172.31.0.1", "224.0.0.5", "255.255.255.255", "0.0.0.0"]
PORTS = [0, 22, 53, 80, 81, 82]
PREFIXES = ["192.168.20.0/24", "192.168.20.5/32", "192.168.20.4/30", "192.168.0.0/16", "203.0.113.0/24", "0.0.0.0/1"]
TARGETS = ["172.31.0.0/16", "203.0.113.0/24", "203.0.113.8/29", "198.51.100.0/24"]
SENDERS = [None, None, "192.168.20.0/24", "192.168.20.5/32"]
PROTOCOLS = st.sampled_from(["tcp", "udp"])
ICMP = st.sampled_from([(8, 0), (13, 0)])
FILTERS = ["in", "out"]

addresses = st.sampled_from([*GUESTS, *PUBLIC, *OUTSIDE, *OTHERS, SITE])
flows = st.builds(
    Flow, st.sampled_from(["tcp", "udp", "icmp"]), addresses, addresses, st.just(40000), st.sampled_from(PORTS), ICMP
)
places_of_filters = st.tuples(
    st.sampled_from(["in", "out", "local"]),
    st.sampled_from([*SUBNETS, "10.0.0.0/8", "198.51.100.0/24"]),
    st.just("link"),
)
public, guests = st.sampled_from(PUBLIC), st.sampled_from(GUESTS)

tunnels = st.tuples(
    st.just("10.0.0.2"), st.lists(st.sampled_from(SUBNETS), min_size=1, unique=True), st.just(["172.28.0.0/24"])
)

# Each example is several flows through a whole router: that many more of them would take too long.
SOME = settings(max_examples=max(50, settings.get_profile(settings.get_current_profile_name()).max_examples // 5))


@st.composite
def filters(draw: st.DrawFn) -> dict[str, Any]:
    """A list of rules, whose names are their own."""
    prefixes = st.lists(st.sampled_from(PREFIXES), max_size=1)
    about = st.one_of(
        st.tuples(st.just("any"), st.none(), st.just([None, None])),
        st.tuples(PROTOCOLS, st.sampled_from([None, [80, 81], [22, 22]]), st.just([None, None])),
        st.tuples(st.just("icmp"), st.none(), st.sampled_from([[None, None], [8, None], [13, 0]])),
    )
    actions = st.sampled_from(["allow", "deny"])
    found = draw(st.lists(st.tuples(actions, about, prefixes, prefixes), max_size=3))
    rules = [[str(number), action, *what, *places] for number, (action, what, *places) in enumerate(found)]
    return {"end": draw(actions), "rules": rules}


@st.composite
def routers(draw: st.DrawFn) -> dict[str, Any]:
    """A translation.json that a plan could have rendered: what one key means, means one thing."""
    elastic = draw(st.dictionaries(public, guests, max_size=2))
    places = st.tuples(st.sampled_from([one for one in PUBLIC if one not in elastic]), PROTOCOLS)
    widths = draw(st.dictionaries(st.tuples(places, st.sampled_from([22, 80])), st.integers(0, 2), max_size=4))
    allowed = st.lists(st.sampled_from(PREFIXES), max_size=2, unique=True)
    routes = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(TARGETS), st.integers(1, 3), st.sampled_from(SENDERS)),
            st.sampled_from([None, *GUESTS, "10.0.0.77"]),
        )
    )
    listeners = draw(st.lists(places, max_size=2, unique=True))
    translated = draw(st.lists(st.sampled_from(PREFIXES[:4]), unique=True))
    balanced = draw(
        st.lists(st.sampled_from([*(one for one in PUBLIC if one not in elastic), "192.168.20.9"]), unique=True)
    )
    backends = st.lists(
        st.tuples(guests, st.just(53), st.integers(0, 2)), min_size=1, max_size=3, unique_by=lambda one: one[0]
    )
    return {
        "subnets": SUBNETS,
        "router_addresses": {"lan1": "192.168.20.1", "lan2": "192.168.21.1"},
        "public_addresses": ["10.0.0.1", *(one for one in PUBLIC if one not in elastic)],
        "elastic_in": elastic,
        "elastic_out": {target: address for address, target in elastic.items()},
        "forwards": [
            [address, protocol, port, port + width, draw(guests), port + draw(st.integers(0, 1)), draw(allowed)]
            for ((address, protocol), port), width in widths.items()
        ],
        "snat": [[cidr, draw(st.none() | public)] for cidr in translated],
        "routes": [[destination, hop, distance, senders] for (destination, distance, senders), hop in routes.items()],
        "main_only": ["192.168.20.0/24", "192.168.21.0/24", "198.51.100.0/25", "172.28.0.0/24"],
        "tunnels": draw(st.lists(tunnels, max_size=1)),
        "peers": [["198.51.100.7/32", "10.0.0.2", "udp", 80]],
        "balancers": [[address, protocol, 81 + 20 * (protocol == "udp")] for address, protocol in listeners],
        "udp_balancers": [
            {"place": [address, 53], "allowed": draw(allowed), "denied": draw(allowed), "backends": draw(backends)}
            for address in balanced
        ],
        "filters": {name: draw(filters()) for name in (*FILTERS, "public", "link")},
        "address_firewalls": draw(st.dictionaries(public, st.just("public"))),
        "interface_firewalls": draw(st.lists(places_of_filters, max_size=3, unique_by=lambda one: one[:2])),
        "public_links": {"0.0.0.0/0": "10.0.0.0/8", "192.168.20.0/24": "198.51.100.0/24"},
        "network_acls": draw(st.dictionaries(st.sampled_from(SUBNETS), st.just(FILTERS))),
    }


def rules(raw: Mapping[str, Any]) -> dict[Reason, dict[str, Any]]:
    """Each rule of a router, by what verdicts call it, with the router's rules without it."""
    found: dict[Reason, dict[str, Any]] = {}
    for kind in ("elastic_in", "elastic_out"):
        for key in raw[kind]:
            found[Reason(kind, (key,))] = {**raw, kind: {one: raw[kind][one] for one in raw[kind] if one != key}}
    for kind, name in (("forwards", "forward"), ("snat", "snat"), ("routes", "route"), ("balancers", "listener")):
        for one in raw[kind]:
            key = {"forward": one[:3], "snat": one[:1], "listener": one}.get(name) or [
                one[0],
                one[1] or "",
                one[2],
                one[3] or "",
            ]
            found[Reason(name, tuple(key))] = {**raw, kind: [other for other in raw[kind] if other is not one]}
    for one in raw["udp_balancers"]:
        others = [other for other in raw["udp_balancers"] if other is not one]
        found[Reason("balanced", (one["place"][0], "udp", 53))] = {**raw, "udp_balancers": others}
    if raw["tunnels"]:
        found[Reason("tunnel", ("172.28.0.0/24",))] = {**raw, "tunnels": []}
    for name, one in raw["filters"].items():
        for rule in one["rules"]:
            less = {**one, "rules": [other for other in one["rules"] if other is not rule]}
            found[Reason("filter", (name, rule[0]))] = {**raw, "filters": {**raw["filters"], name: less}}
    return found


def decided(flow: Flow, raw: Mapping[str, Any]) -> set[Reason]:
    """The rules of a verdict; a forward or a listener that refuses is the same rule as one that takes."""
    same = {"refused": "forward", "unserved": "balanced"}
    return {one._replace(kind=same.get(one.kind, one.kind)) for one in judge(flow, Translation(raw)).reasons}


@SOME
@given(routers(), st.lists(flows, min_size=1, max_size=8))
def test_rules_have_no_order(raw: dict[str, Any], asked: list[Flow]) -> None:
    turned = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value[::-1] for key, value in raw.items()
    }
    one, other = Translation(raw), Translation(turned)
    for flow in asked:
        assert judge(flow, one) == judge(flow, other)
        assert judge(flow, one).reasons == judge(flow, other).reasons
        assert not ends(flow, judge(flow, one).translated, one, other)


@SOME
@given(routers(), st.lists(flows, min_size=1, max_size=8))
def test_a_rule_that_goes_changes_and_ends_only_what_it_decided(raw: dict[str, Any], asked: list[Flow]) -> None:
    config = Translation(raw)
    for rule, without in rules(raw).items():
        less = Translation(without)
        for flow in asked:
            if rule not in decided(flow, raw):
                assert judge(flow, config) == judge(flow, less)
                assert not ends(flow, judge(flow, config).translated, config, less)


@SOME
@given(routers(), routers(), st.lists(flows, min_size=1, max_size=8))
def test_what_ends_is_what_is_no_longer_as_it_was(old: dict[str, Any], new: dict[str, Any], asked: list[Flow]) -> None:
    before, after = Translation(old), Translation(new)
    for flow in asked:
        was, is_now = judge(flow, before), judge(flow, after)
        if was.action != "accept":
            continue
        gone = ends(flow, was.translated, before, after)
        if is_now.action != "accept":
            assert gone
        elif was == is_now:
            assert not gone
        if gone:
            assert was != is_now


@SOME
@given(routers(), flows)
def test_every_verdict_names_a_rule(raw: dict[str, Any], flow: Flow) -> None:
    verdict = judge(flow, Translation(raw))
    assert verdict.reasons
    assert verdict.action in ("accept", "reject", "drop")
    assert (verdict.translated.target is None) or not verdict.local
