# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever stands in the inventory, the answer is an intent or an IntentError: never a traceback.

The walkthrough and the everything fabric are taken apart: any value in them is replaced, removed, doubled or swapped
with another one, several times over, by garbage and by values that are nearly right.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from datetime import date
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts, Intent, parse
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import RULES, load
from ansible_collections.weft.vpc.tests.tools.intents import everything, walkthrough

Place = tuple[Any, Any]

NEARLY_RIGHT = [
    "", " ", "admin", "admin1", "vpc-1", "vpc-1-1", "vpc-1/vpc-1-1", "vpc-2/vpc-2-1", "vpc-ins1", "vpc-ins1:0",
    "vpc-ins1:9", "other-1", "L3-public", "vxlan-pool", "hv1", "gw1", "cluster1", "vip-pf", "debian-12", "vlan", "flat",
    "udp", "guest",
    "0.0.0.0/0", "10.0.0.0/8", "192.168.20.0/24", "192.168.20.0/30", "192.168.20.1/24", "224.0.0.0/4", "169.254.0.0/16",
    "255.255.255.255/32", "0.0.0.0", "10.0.0.1", "10.172.11.93", "192.168.20.1", "192.168.20.154", "::1", "fd00::/64",
    "2000-2010", "9-3", "0-70000", "22", "4G", "0M", "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "{{ x }}", "\ud800", "é",
    "a" * 300,
]  # fmt: skip

OTHER_KEYS = ["name", "ip", "cidr", "weft_x", "vlan", "default", "ntp_servers", "shared_segment_with"]

SCALARS = st.one_of(
    st.sampled_from(NEARLY_RIGHT),
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-1, 5000),
    st.just(10**4000),
    st.floats(),
    st.text(max_size=40),
    st.binary(max_size=5),
    st.dates(),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text(max_size=8), st.integers(), st.none()), inner, max_size=4),
        st.sets(st.integers(), max_size=3),
    ),
    max_leaves=8,
)


# The profile says how many, but thousands at least. Changing documents costs more than checking them, which Hypothesis
# takes for a fault.
MANY = settings(
    max_examples=max(2000, settings.get_profile(settings.get_current_profile_name()).max_examples),
    suppress_health_check=list(HealthCheck),
)


def documents() -> st.SearchStrategy[dict[str, Any]]:
    """What is changed: the walkthrough, or the fabric that has every key."""
    return st.booleans().map(lambda all_keys: (everything if all_keys else walkthrough)()[0])


def places(value: Any) -> list[Place]:
    """Every container and key or index of a document, depth first."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    found: list[Place] = []
    for key in keys:
        found.append((value, key))
        found += places(value[key])
    return found


def replace(draw: Callable[..., Any], place: Place, found: list[Place]) -> None:
    container, key = place
    container[key] = draw(JSON)


def remove(draw: Callable[..., Any], place: Place, found: list[Place]) -> None:
    container, key = place
    del container[key]


def double(draw: Callable[..., Any], place: Place, found: list[Place]) -> None:
    container, key = place
    if isinstance(container, list):
        container.insert(key, copy.deepcopy(container[key]))
    else:
        container[draw(st.sampled_from(["name", "ip", "cidr", "weft_x", "vlan", "default", "ntp_servers"]))] = (
            container[key]
        )


def swap(draw: Callable[..., Any], place: Place, found: list[Place]) -> None:
    container, key = place
    other, other_key = draw(st.sampled_from(found))
    container[key], other[other_key] = copy.deepcopy(other[other_key]), copy.deepcopy(container[key])


def wrap(draw: Callable[..., Any], place: Place, found: list[Place]) -> None:
    container, key = place
    container[key] = [container[key]] if draw(st.booleans()) else {draw(st.text(max_size=5)): container[key]}


def misspell(draw: Callable[..., Any], place: Place, found: list[Place]) -> None:
    container, key = place
    if isinstance(key, str):
        at = draw(st.integers(0, len(key)))
        container[key[:at] + draw(st.text(max_size=2)) + key[at + 1 :]] = container.pop(key)


@st.composite
def mutants(draw: Callable[..., Any]) -> dict[str, Any]:
    """The walkthrough after one to six changes."""
    document: dict[str, Any] = draw(documents())
    for _ in range(draw(st.integers(1, 6))):
        found = places(document)
        if not found:
            break
        change = draw(st.sampled_from([replace, replace, remove, double, swap, wrap, misspell]))
        change(draw, draw(st.sampled_from(found)), found)
    return document


def kind(text: str) -> str:
    """Whether a string is an address, a CIDR, ports or a word."""
    return re.sub(r"[0-9]+", "0", text) if re.fullmatch(r"[0-9./-]+", text) else "word"


def nudge(draw: Callable[..., Any], place: Place, found: list[Place]) -> None:
    """Another value of the same kind, most of them from elsewhere in the document."""
    container, key = place
    value = container[key]
    if isinstance(value, bool):
        container[key] = not value
    elif isinstance(value, int):
        container[key] = draw(st.sampled_from([1, 22, 222, 2500, 4094, 8080, value + 1]))
    elif isinstance(value, str):
        strings = [other for holder, name in found if isinstance(other := holder[name], str)]
        alike = [text for text in (*strings, *NEARLY_RIGHT) if kind(text) == kind(value)]
        container[key] = draw(st.sampled_from(alike if draw(st.integers(0, 9)) else NEARLY_RIGHT))
    elif isinstance(value, list) and value:
        index = draw(st.integers(0, len(value) - 1))
        value.pop(index) if draw(st.booleans()) else value.append(copy.deepcopy(value[index]))


@st.composite
def plausible(draw: Callable[..., Any]) -> dict[str, Any]:
    """The walkthrough after one to eight changes that keep the kinds of values, so that most of it parses."""
    document: dict[str, Any] = draw(documents())
    for _ in range(draw(st.integers(1, 8))):
        found = places(document)
        nudge(draw, draw(st.sampled_from(found)), found)
    return document


@st.composite
def inventories(draw: Callable[..., Any]) -> Hosts:
    """The walkthrough's hosts, with some of what they say about themselves missing or wrong."""
    _variables, hosts = walkthrough()
    by_name = {}
    for name, facts in hosts.by_name.items():
        if draw(st.integers(0, 9)) == 0:
            continue
        vtep = draw(st.sampled_from([None, None, None, "172.20.0.11", "x", ""]))
        nics = draw(st.sampled_from([{}, {}, {"L3-public": "eth7"}, {"L3-public": ""}, {"no": "eth0"}]))
        addresses = draw(st.sampled_from([facts.addresses, facts.addresses, None, ()]))
        by_name[name] = HostFacts(name, addresses, vtep, nics, facts.mtus)
    members = [[], ["hv1"], ["gw1", "hv1", "hv2"], ["gw1", "gw1", "nobody"]]
    groups = {name: draw(st.sampled_from([list(names), *members])) for name, names in hosts.groups.items()}
    return Hosts(by_name, groups)


def check(variables: Any, hosts: Hosts) -> None:
    try:
        intent, warnings = load(variables, hosts)
    except IntentError as error:
        assert error.findings
        for finding in error.findings:
            proper(finding)
        str(error).encode()
    else:
        assert isinstance(intent, Intent)
        for finding in warnings:
            proper(finding)
            assert finding.severity == "warning"


def proper(finding: Finding) -> None:
    """A message has a place, a reason that goes on from the value, and a remedy that is a sentence."""
    assert finding.path
    assert finding.rule.startswith("WEFT-")
    assert finding.reason[0].islower()
    assert finding.remedy[0].isupper() or finding.remedy[0] in "'{"
    assert finding.remedy.rstrip().endswith((".", "?", "..."))
    assert len(str(finding)) < 3000


@MANY
@given(mutants(), inventories())
def test_mutants_of_the_walkthrough(variables: dict[str, Any], hosts: Hosts) -> None:
    check(variables, hosts)


@MANY
@given(plausible(), inventories())
def test_plausible_mutants(variables: dict[str, Any], hosts: Hosts) -> None:
    check(variables, hosts)


@settings(suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(sorted(walkthrough()[0])), JSON))
def test_garbage(variables: dict[str, Any]) -> None:
    check(variables, Hosts())


@settings(suppress_health_check=list(HealthCheck))
@given(plausible(), inventories())
def test_every_rule_alone_survives_what_parses(variables: dict[str, Any], hosts: Hosts) -> None:
    try:
        intent = parse(variables, hosts)
    except IntentError:
        return
    for rule in RULES.values():
        for finding in rule.findings(intent):
            proper(finding)


def test_what_is_changed_is_right() -> None:
    _intent, warnings = load(*everything())
    assert [warning.rule for warning in warnings] == ["WEFT-P3-sharing"]


def test_deep_and_odd_documents() -> None:
    deep: Any = "x"
    for _ in range(20_000):
        deep = [deep]
    for garbage in (deep, {"name": deep}, [{"name": deep}], date(2026, 1, 1), object(), b"x", iter([1])):
        for variable in walkthrough()[0]:
            check(walkthrough()[0] | {variable: garbage}, walkthrough()[1])
