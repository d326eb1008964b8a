"""Whatever is dedicated, reserved and wanted, in run after run: nobody gets what is not theirs (row A8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import pairwise
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, Value, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import load

START, REST = datetime(2026, 1, 1, tzinfo=UTC), timedelta(hours=24)
TENANTS = ("blue", "green", "red")
NAMES = tuple("abcdef")
HOSTS = Hosts({"gw1": HostFacts("gw1", vtep_ip="172.20.0.1")}, {"nodes": ["gw1"]})
SIZE = 24


class Piece(NamedTuple):
    """Numbers of one range, whose they are, and whether they are given out at all."""

    first: int
    last: int
    tenant: str | None


class World(NamedTuple):
    """A fabric with one public network and one pool, both of the same pieces, and each tenant with a VPC."""

    pieces: tuple[Piece, ...]
    reserved: frozenset[int]
    switches: Mapping[str, bool]
    given: Mapping[str, int | None]  # NAMES that are wanted; each is an elastic IP, and a network with a VNI

    def owner(self, name: str) -> str:
        return TENANTS[NAMES.index(name) % len(TENANTS)]

    def lawful(self, tenant: str, number: int, *, address: bool) -> bool:
        if address and number in self.reserved:
            return False
        owners = [piece.tenant for piece in self.pieces if piece.first <= number <= piece.last]
        return owners == [tenant] or (owners == [None] and self.switches[tenant])

    def variables(self) -> dict[str, Any]:
        ranges = [(piece.first, piece.last, {"tenant": piece.tenant} if piece.tenant else {}) for piece in self.pieces]
        switches = {name: {"use_system_public_ips": on, "use_system_vnis": on} for name, on in self.switches.items()}
        return {
            "weft_fabric": {"name": "f"},
            "weft_tenants": [{"name": name, **switches[name]} for name in TENANTS],
            "weft_provider_networks": [
                {
                    "name": "public",
                    "interface": "eth1",
                    "clusters": ["nodes"],
                    "cidr": "198.51.100.0/24",
                    "services": ["public"],
                    "ip_ranges": [{"start": ip(first), "end": ip(last), **whose} for first, last, whose in ranges],
                    "reserved_ips": [ip(number) for number in sorted(self.reserved)],
                }
            ],
            "weft_vxlan_pools": [
                {
                    "name": "pool",
                    "vni_ranges": [{"start": first, "end": last, **whose} for first, last, whose in ranges],
                    "clusters": [{"group": "nodes", "vtep_cidr": "172.20.0.0/24"}],
                }
            ],
            "weft_router_images": [{"name": "debian", "suite": "bookworm"}],
            "weft_router_offerings": [
                {"name": "small", "cpus": 1, "memory": "128M", "image": "debian", "public_network": "public"}
            ],
            "weft_vpcs": [self.vpc(tenant) for tenant in TENANTS],
        }

    def vpc(self, tenant: str) -> dict[str, Any]:
        own = {name: number for name, number in self.given.items() if self.owner(name) == tenant}
        return {
            "name": "v",
            "tenant": tenant,
            "router": {"offering": "small", "nodes": ["gw1"]},
            "networks": [
                {
                    "name": f"n-{name}",
                    "pool": "pool",
                    "cidr": f"192.168.{NAMES.index(name)}.0/24",
                    **({} if number is None else {"vni": number}),
                }
                for name, number in own.items()
            ],
            "elastic_ips": [
                {"name": f"e-{name}", "network": "public", **({} if number is None else {"ip": ip(number)})}
                for name, number in own.items()
            ],
        }


def ip(number: int) -> str:
    return f"198.51.100.{number}"


@st.composite
def worlds(draw: st.DrawFn) -> World:
    edges = sorted(draw(st.sets(st.integers(1, SIZE), min_size=2, max_size=8)))
    pieces = [
        Piece(first, last - 1, draw(st.sampled_from([None, None, *TENANTS])))
        for first, last in pairwise(edges)
        if draw(st.integers(0, 5))
    ]
    number = st.one_of(st.none(), st.none(), st.none(), st.integers(1, SIZE))
    return World(
        tuple(draw(st.permutations(pieces))) or (Piece(1, SIZE, None),),
        frozenset(draw(st.sets(st.integers(1, SIZE), max_size=3))),
        {tenant: draw(st.integers(0, 3)) > 0 for tenant in TENANTS},
        {name: draw(number) for name in draw(st.sets(st.sampled_from(NAMES)))},
    )


def number_of(value: Value) -> int:
    return value if isinstance(value, int) else int(IPv4Address(value)) - int(IPv4Address("198.51.100.0"))


def lawful(world: World, key: str, value: Value) -> bool:
    return world.lawful(key.partition("/")[0], number_of(value), address=not key.endswith(":vni"))


def relevant(values: Mapping[str, Value]) -> dict[str, Value]:
    return {key: value for key, value in values.items() if key.endswith((":vni", ":public_ip", ":elastic_ip"))}


def own_first(world: World, before: Ledger, after: Mapping[str, Value]) -> bool:
    """Whether what was newly given from everybody's ranges was so because nothing of the tenant's own was left."""
    for key, value in after.items():
        tenant, kind = key.partition("/")[0], key.endswith(":vni")
        number = number_of(value)
        given = world.given.get(key.rpartition("-")[2][0]) if ":public_ip" not in key else None
        everybodys = any(piece.first <= number <= piece.last and piece.tenant is None for piece in world.pieces)
        if key in before.entries or key in before.tombstones or given is not None or not everybodys:
            continue
        own = {
            candidate
            for piece in world.pieces
            if piece.tenant == tenant
            for candidate in range(piece.first, piece.last + 1)
            if kind or candidate not in world.reserved
        }
        held = {number_of(one) for name, one in after.items() if name.endswith(":vni") == kind}
        scope = "vni:pool" if kind else "ip:public"
        held |= {number_of(entry.value) for entry in before.entries.values() if entry.scope == scope}
        held |= {number_of(one.value) for some in before.tombstones.values() for one in some if one.scope == scope}
        if not own <= held:
            return False
    return True


@given(st.lists(worlds(), min_size=1, max_size=3))
def test_nobody_gets_what_is_another_tenants_or_reserved(lives: list[World]) -> None:
    ledger = Ledger("f")
    for hours, world in enumerate(lives):
        try:
            intent, _warnings = load(world.variables(), HOSTS)
        except IntentError as error:
            assert any(finding.rule.startswith(("WEFT-A", "WEFT-N", "WEFT-P")) for finding in error.findings)
            continue
        outcome = allocate(ledger, list(requests(intent)), START + timedelta(hours=hours), REST)
        if outcome.findings:
            assert outcome.ledger is ledger, "what is refused changes nothing"
            continue
        values = relevant(outcome.values)
        assert all(lawful(world, key, value) for key, value in values.items())
        assert own_first(world, ledger, values)
        for key, value in values.items():
            entry, name = ledger.entries.get(key), key.rpartition("-")[2][0]
            if entry is not None and (":public_ip" in key or world.given.get(name) is None):
                assert entry.value == value, "renumbered"
        ledger = outcome.ledger


@given(worlds())
def test_a_given_value_is_refused_exactly_if_it_is_not_the_tenants(world: World) -> None:
    try:
        load(world.variables(), HOSTS)
        found = set()
    except IntentError as error:
        found = {
            finding.path for finding in error.findings if finding.rule.startswith(("WEFT-A8", "WEFT-N1", "WEFT-P3"))
        }
    for name, number in world.given.items():
        if number is None:
            continue
        tenant = world.owner(name)
        mine = [one for one in world.given if world.owner(one) == tenant]
        place = f"weft_vpcs[{TENANTS.index(tenant)}].%s[{mine.index(name)}].%s"
        assert (place % ("elastic_ips", "ip") in found) != world.lawful(tenant, number, address=True)
        clash = [one for one in world.given if world.given[one] == number]
        if len(clash) == 1:
            assert (place % ("networks", "vni") in found) != world.lawful(tenant, number, address=False)
