# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was allocated is checked like what was given: a router's address is nobody else's, whoever has chosen it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import check_settled, load
from ansible_collections.weft.vpc.tests.tools.intents import everything

Document = dict[str, Any]


def _without_addresses() -> Document:
    """The everything fabric, whose router has all its addresses from the ledger; guests may be in its networks."""
    document, _hosts = everything()
    vpc = document["weft_vpcs"][0]
    del vpc["router"]["public_ip"], vpc["router"]["public_networks"][0]["ip"]
    for one in (vpc["virtual_ips"][0], vpc["elastic_ips"][0], vpc["load_balancers"][1]):
        del one["ip"]
    for network in document["weft_provider_networks"]:
        network["services"] = [*network["services"], "guest"]
        network["trusted_tenants"] = ["blue"]
    return document


def _rules(document: Document) -> tuple[dict[str, Any], list[str]]:
    """What the ledger gives, and the rules that what it gives breaks, each with the place."""
    intent, _warnings = load(document, everything()[1])
    values = allocate(
        Ledger("everything"), list(requests(intent)), datetime(2026, 1, 1, tzinfo=UTC), timedelta(1)
    ).values
    return dict(values), [f"{finding.path} {finding.rule}" for finding in check_settled(intent, values)]


# Where a router's addresses come from, and the network of each.
ADDRESSES = {
    "blue/shop:public_ip": "public",
    "blue/shop/second:public_ip": "second",
    "blue/shop/face:virtual_ip": "public",
    "blue/shop/app:elastic_ip": "second",
    "blue/shop/inner:balancer_ip": "front",
    "blue/shop:management_ip": "admin",
}


@pytest.mark.parametrize("key", ADDRESSES)
def test_no_nic_sends_from_a_routers_address(key: str) -> None:
    def allow(address: str) -> Document:
        document = _without_addresses()
        nic = {"network": ADDRESSES[key], "ip": None, "allowed_addresses": [address]}
        document["weft_instances"].append({"name": "thief", "tenant": "blue", "host": "gw1", "nics": [nic]})
        if nic["network"] == "front":
            document["weft_instances"][-1]["host"] = "hv1"
        return document

    _refused(key, allow, "weft_instances[3].nics[0].allowed_addresses[0] WEFT-F3-gateway")


@pytest.mark.parametrize("key", [key for key in ADDRESSES if "management" not in key])
def test_a_router_is_not_its_own_next_hop(key: str) -> None:
    def lead(address: str) -> Document:
        document = _without_addresses()
        document["weft_vpcs"][0]["routes"][0]["next_hop"] = address
        return document

    _refused(key, lead, "weft_vpcs[0].routes[0].next_hop WEFT-R5-self")


@pytest.mark.parametrize("key", [key for key in ADDRESSES if ADDRESSES[key] in ("public", "second")])
def test_a_router_is_not_its_own_peer(key: str) -> None:
    def call(address: str) -> Document:
        document = _without_addresses()
        document["weft_vpcs"][0]["ipsec_connections"][0]["peer"] = address
        return document

    _refused(key, call, "weft_vpcs[0].ipsec_connections[0].peer WEFT-V1-peer")


def _refused(key: str, change: Callable[[str], Document], fault: str) -> None:
    # A value of nobody's first, so that what is allocated does not depend on the change.
    values, faults = _rules(change(FREE[ADDRESSES[key]]))
    assert faults == []
    again, faults = _rules(change(str(values[key])))
    assert again[key] == values[key]
    assert faults == [fault]


# Addresses of each network that are nobody's.
FREE = {"public": "198.51.100.90", "second": "203.0.113.90", "front": "192.168.20.190", "admin": "10.9.0.90"}
