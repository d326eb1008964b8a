"""Who must renew a DHCP lease, why, and what goes on until then."""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerFile, Link
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import renewals
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Lease, Subnet
from ansible_collections.weft.vpc.plugins.plugin_utils.planning import Host, Inventory, make
from ansible_collections.weft.vpc.plugins.plugin_utils.render.environment import template
from ansible_collections.weft.vpc.tests.tools.intents import everything, slices_of, walkthrough

Slices = dict[str, dict[str, Any]]
INVENTORY = Inventory(
    {
        name: Host(links={"eth2": Link((f"172.20.0.{last}/24",), 1500)})
        for name, last in {"hv1": 11, "hv2": 12, "gw1": 21}.items()
    },
    {"cluster1": ["hv1", "hv2"], "router_nodes": ["gw1"]},
)
#: Another value for every field of a subnet, by its type.
OTHERS: dict[str, Any] = {
    "cidr": "10.99.0.0/24",
    "network_address": "10.99.0.0",
    "netmask": "255.255.254.0",
    "gateway": "10.99.0.1",
    "dns_servers": ["10.99.0.53"],
    "ntp_servers": ["10.99.0.123"],
    "options": [{"code": 26, "form": "words", "value": "1"}, {"code": 42, "form": "words", "value": "10.99.0.9"}],
    "leases": [],
}


@pytest.fixture
def change(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], tuple[Slices, Slices]]:
    """The walkthrough before and after an edit of its first VPC, with addresses from one ledger."""

    def planned(variables: dict[str, Any]) -> Slices:
        ledger = LedgerFile(tmp_path / "weft-ledger.json", "shanghai")
        return make(variables, INVENTORY, ledger, datetime(2026, 1, 1, tzinfo=UTC), dry_run=False).plan.hosts

    def changed(edit: Callable[[dict[str, Any]], object]) -> tuple[Slices, Slices]:
        variables, _hosts = walkthrough()
        for nic in (nic for instance in variables["weft_instances"] for nic in instance["nics"]):
            nic.pop("ip", None)
        before = planned(copy.deepcopy(variables))
        edit(variables["weft_vpcs"][0])
        return before, planned(variables)

    return changed


def networks(**changes: object) -> Callable[[dict[str, Any]], object]:
    return lambda vpc: vpc["networks"][0].update(changes)


def test_words(change: Any) -> None:
    """As the playbook `plan` prints them."""
    found = renewals.renewals(*change(networks(gateway="192.168.20.254", dns_domain="new.example", mtu=1400)))
    assert "\n".join(renewals.lines(found)) == WORDS.strip()
    (sentence,) = renewals.sentences(found)
    assert sentence == SENTENCE
    assert list(renewals.lines(renewals.renewals(*change(lambda _vpc: None)))) == []
    json.dumps([renewals.as_json(one) for one in found])


SENTENCE = (
    "DHCP leases to be renewed by vpc-ins1, vpc-port-test-1, vpc-port-test-2, vpc-port-test-3 of subnet "
    "admin/vpc-1/vpc-1-1: dns_servers 192.168.20.1 -> 192.168.20.254, domain cloud.internal -> new.example, gateway "
    "192.168.20.1 -> 192.168.20.254, mtu 1450 -> 1400. Until then everything goes on but all that leaves its subnet, "
    "names (where the old servers no longer answer), short names and packets that are larger than the new MTU. Guests "
    "renew their leases by themselves within 12 hours; a restart does it at once, or `networkctl renew` or `dhclient` "
    "in the guest."
)
WORDS = """
! DHCP leases to be renewed by vpc-ins1, vpc-port-test-1, vpc-port-test-2, vpc-port-test-3 (subnet admin/vpc-1/vpc-1-1)
    dns_servers: 192.168.20.1 -> 192.168.20.254
    domain: cloud.internal -> new.example
    gateway: 192.168.20.1 -> 192.168.20.254
    mtu: 1450 -> 1400
    Until then everything goes on but all that leaves its subnet, names (where the old servers no longer answer), \
short names and packets that are larger than the new MTU.
Guests renew their leases by themselves within 12 hours; a restart does it at once, or `networkctl renew` or \
`dhclient` in the guest.
"""


@pytest.mark.parametrize(
    ("changes", "until"),
    [
        (
            {"dns_servers": ["192.0.2.53"]},
            "Until then everything goes on but names (where the old servers no longer answer).",
        ),
        ({"mtu": 1300}, "Until then everything goes on but packets that are larger than the new MTU."),
        ({"ntp_servers": ["192.0.2.123"]}, "Until then everything goes on as it was."),
        ({"dhcp_options": {66: "boot"}}, "Until then everything goes on but what option 66 is for."),
        ({"cidr": "192.168.20.0/25"}, "Until then everything goes on but neighbours that only the new network has."),
        ({"dhcp": False}, renewals.ENDS),
    ],
)
def test_what_goes_on(change: Any, changes: dict[str, object], until: str) -> None:
    found = renewals.renewals(*change(networks(**changes)))
    assert found and all(one.until.startswith(until) for one in found)


def test_nothing_passes_from_an_address_that_is_another_now(change: Any) -> None:
    before, after = change(networks(mtu=1400))
    for lease in leases(after):
        lease["ip"] = "192.168.20.99"
    assert {one.until for one in renewals.renewals(before, after)} == {renewals.LOST}


def test_nobody_renews_what_it_was_never_told() -> None:
    variables, hosts = walkthrough()
    network = variables["weft_vpcs"][0]["networks"][0]
    network["dhcp"] = False
    before = slices_of(variables, hosts)
    network["gateway"] = "192.168.20.254"
    assert renewals.renewals(before, slices_of(variables, hosts)) == []
    del network["dhcp"]
    assert renewals.renewals(before, slices_of(variables, hosts)) == []


def test_a_nic_without_default_route_has_no_use_for_a_gateway(change: Any) -> None:
    before, after = change(networks(gateway="192.168.20.254"))
    for slices in (before, after):
        for lease in leases(slices):
            lease["default"] = False
    assert [name for one in renewals.renewals(before, after) for name, _old, _new in one.changes] == ["dns_servers"]


def test_what_an_older_record_does_not_have_was_not_told(change: Any) -> None:
    before, after = change(lambda _vpc: None)
    for subnet in subnets(after):
        subnet["routes"] = ["10.0.0.0/8 via 192.168.20.9"]
    found = renewals.renewals(before, after)
    assert {name for one in found for name, _old, _new in one.changes} == {"routes"}


#: One thing in three forms.
NETWORK = ("cidr", "network_address", "netmask")


def subnets(slices: Slices) -> list[dict[str, Any]]:
    return [one for slice_ in slices.values() for router in slice_["routers"] for one in router["subnets"]]


def leases(slices: Slices) -> list[dict[str, Any]]:
    return [lease for subnet in subnets(slices) for lease in subnet["leases"]]


def handed_out(slices: Slices) -> list[str]:
    """All lines of all routers by which dnsmasq tells guests something."""
    routers = [router for slice_ in slices.values() for router in slice_["routers"] if router["subnets"]]
    texts = {
        (router["key"], name): str(template(f"dhcp_dns/{name}.j2").render({"router": router}))
        for router in routers
        for name in ("dnsmasq.conf", "leases")
    }
    return [
        f"{router}: {line}"
        for (router, name), text in texts.items()
        for line in text.splitlines()
        if name == "leases" or re.match(r"dhcp-(?!ignore|hostsfile|authoritative)", line)
    ]


@pytest.fixture(scope="module")
def fabric() -> Slices:
    return slices_of(*everything())


def other(name: str, value: Any) -> Any:
    if name in OTHERS:
        return OTHERS[name]
    return not value if isinstance(value, bool) else value + 1 if isinstance(value, int) else f"{value}x"


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Subnet)])
def test_whatever_the_templates_hand_out_is_a_reason_to_renew(fabric: Slices, name: str) -> None:
    """Also what comes to the templates one day."""
    after = copy.deepcopy(fabric)
    for subnet in subnets(after):
        for one in NETWORK if name in NETWORK else [name]:
            subnet[one] = other(one, subnet[one])
    matters = handed_out(after) != handed_out(fabric)
    found = {what for one in renewals.renewals(fabric, after) for what, _old, _new in one.changes}
    assert bool(found) == (matters and name not in ("interface", "leases")), (name, found)


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Lease) if one.name != "mac"])
def test_whatever_a_lease_says_is_a_reason_to_renew(fabric: Slices, name: str) -> None:
    after = copy.deepcopy(fabric)
    for lease in leases(after):
        lease[name] = "10.99.0.7" if name == "ip" else other(name, lease[name])
    assert handed_out(after) != handed_out(fabric)
    assert renewals.renewals(fabric, after)


def test_guests_are_told_nothing_but_what_their_subnet_and_lease_say(fabric: Slices) -> None:
    """An option made of something else would change without a word."""
    after = copy.deepcopy(fabric)
    for subnet in subnets(after):
        for name in subnet:
            if name not in ("leases", "dhcp", "shares_dhcp", "interface"):
                subnet[name] = other(name, subnet[name])
        for lease in subnet["leases"]:
            lease.update(ip="10.99.0.7", name=f"{lease['name']}x")
    same = set(handed_out(fabric)) & set(handed_out(after))
    assert [line for line in same if not line.endswith("tag:secondary,option:router")] == []


def test_a_lease_lasts_as_long_as_is_said(fabric: Slices) -> None:
    ranges = [line for line in handed_out(fabric) if " dhcp-range=" in line]
    assert ranges and all(line.endswith(f",{renewals.LEASE_HOURS}h") for line in ranges)
