# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Intents for tests: hosts written as YAML, the walkthrough, and everything that is found wrong with an intent."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import check_settled, load

ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("", ":certificate", ":key")
GOLDEN_ERRORS = ROOT / "tests/golden/errors"


def hosts_from(document: Mapping[str, Any]) -> Hosts:
    """Hosts as the goldens write them: `groups`, and `by_name` with `addresses` by interface."""
    by_name = {name: _host(name, facts or {}) for name, facts in (document.get("by_name") or {}).items()}
    return Hosts(by_name, document.get("groups") or {})


def _host(name: str, facts: Mapping[str, Any]) -> HostFacts:
    addresses = facts.get("addresses")
    pairs = None
    if addresses is not None:
        pairs = tuple((nic, IPv4Interface(address)) for nic, listed in addresses.items() for address in listed)
    return HostFacts(name, pairs, facts.get("vtep_ip"), facts.get("interfaces") or {}, facts.get("mtus") or {})


def findings_of(variables: Mapping[Any, Any], hosts: Hosts) -> list[Finding]:
    """Errors and warnings about an intent, as a user gets them."""
    try:
        return load(variables, hosts)[1]
    except IntentError as error:
        return error.findings


@cache
def _example(name: str) -> dict[str, Any]:
    inventory = ROOT / f"inventories/{name}/group_vars/all/fabric.yml"
    hosts = ROOT / f"tests/golden/{name}-hosts.yml"
    return {"variables": yaml.safe_load(inventory.read_text()), "hosts": yaml.safe_load(hosts.read_text())}


def walkthrough() -> tuple[dict[str, Any], Hosts]:
    """The walkthrough's variables, free to be changed, and its hosts."""
    document = copy.deepcopy(_example("walkthrough"))
    return document["variables"], hosts_from(document["hosts"])


def everything() -> tuple[dict[str, Any], Hosts]:
    """The variables of the fabric that has every key, free to be changed, and its hosts."""
    document = copy.deepcopy(_example("everything"))
    return document["variables"], hosts_from(document["hosts"])


def slices_of(variables: Mapping[str, Any], hosts: Hosts) -> dict[str, dict[str, Any]]:
    """What each host is told, with the values that a new ledger gives."""
    intent, _warnings = load(variables, hosts)
    now, rest = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
    values = allocate(Ledger(intent.fabric.name), list(requests(intent)), now, rest).values
    if wrong := check_settled(intent, values):
        raise IntentError(wrong)
    digests = {f"{one.tenant}/{one.name}{part}": "0" * 64 for one in intent.certificates for part in _PARTS}
    return make_plan(intent, values, "", {name: {} for name in hosts.by_name}, digests).hosts
