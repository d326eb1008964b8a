# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One planning run: from the inventory's variables to a plan, through model, rules and ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Interface
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Change, Ledger, LedgerStore, Link, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.devices import is_ours
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import INTENT_VARIABLES, HostFacts, Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Plan, digest_of, make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import check_settled, load

#: How long a released value is kept from others.
REST = timedelta(days=1)


@dataclass(frozen=True)
class Host:
    """What the inventory says of a host, and the links a survey of this run found (None: not surveyed)."""

    vtep_ip: str | None = None
    interfaces: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, Link] | None = None


@dataclass(frozen=True)
class Inventory:
    """Hosts and groups of a run."""

    hosts: Mapping[str, Host]
    groups: Mapping[str, list[str]]


@dataclass(frozen=True)
class Outcome:
    """A plan, what should be said about it, and what it changes in the ledger."""

    plan: Plan
    warnings: list[Finding]
    changes: list[Change]


def make(
    variables: Mapping[str, Any],
    inventory: Inventory,
    store: LedgerStore,
    now: datetime,
    *,
    dry_run: bool,
    release: bool = True,
    certificates: Mapping[str, str] | None = None,
) -> Outcome:
    """Plan a fabric. Writes the ledger unless this is a dry run.

    Without ``release`` the ledger keeps what objects have that left the intent: as long as the plan is not applied,
    they are on the hosts. ``certificates`` are the digests that certificates.seal gave.

    Raises IntentError with everything that is wrong, and LedgerError; neither leaves anything changed.
    """
    with store.locked():
        recorded = store.read()
        ledger = recorded.with_hosts(
            {name: _underlay(host.links) for name, host in inventory.hosts.items() if host.links}
        )
        intent, warnings = load(variables, _hosts(inventory, ledger))
        allocation = allocate(ledger, list(requests(intent)), now, REST, partial=not release)
        if allocation.findings:
            raise IntentError(allocation.findings)
        if wrong := check_settled(intent, allocation.values):
            raise IntentError(wrong)
        plan = make_plan(
            intent,
            allocation.values,
            intent_digest(variables),
            describe(inventory, intent_groups(variables)),
            certificates,
        )
        if not dry_run:
            store.write(allocation.ledger)
    return Outcome(plan, warnings, allocation.changes)


def emptied(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the intent of a fabric that is to be taken down: its name and nothing in it."""
    return {"weft_fabric": variables.get("weft_fabric")}


def intent_digest(variables: Mapping[str, Any]) -> str:
    """Return what tells whether an intent is the one a plan was made from."""
    return digest_of({name: variables.get(name) for name in INTENT_VARIABLES})


def intent_groups(variables: Mapping[str, Any]) -> set[str]:
    """Return the inventory groups an intent that passed the rules refers to."""
    pools = {cluster["group"] for pool in variables.get("weft_vxlan_pools") or () for cluster in pool["clusters"]}
    return pools | {group for one in variables.get("weft_provider_networks") or () for group in one["clusters"]}


def describe(inventory: Inventory, groups: set[str]) -> dict[str, Any]:
    """Return what a plan remembers of the inventory: each host with its groups and host variables.

    Every host is in it: one that left all clusters is told nothing, so that what it had is removed.
    """
    members: dict[str, list[str]] = {host: [] for host in sorted(inventory.hosts)}
    for group in sorted(groups):
        for host in inventory.groups.get(group, ()):
            members[host].append(group)
    return {
        host: {
            "groups": found,
            "vtep_ip": inventory.hosts[host].vtep_ip,
            "interfaces": dict(inventory.hosts[host].interfaces),
        }
        for host, found in members.items()
    }


def moved_on(planned: Mapping[str, Any], variables: Mapping[str, Any], inventory: Inventory, intent: str) -> list[str]:
    """Return why a saved plan no longer fits; empty if it does.

    A run may see fewer hosts than the plan (a slice of the inventory), never others or differently described ones.
    """
    if intent_digest(variables) != intent:
        return ["the intent (the weft_* variables of the inventory) is no longer the one it was made from"]
    seen = describe(inventory, intent_groups(variables))
    return [
        f"the inventory says something else of host {host} than when it was made"
        for host, said in seen.items()
        if planned.get(host) != said
    ]


def _underlay(links: Mapping[str, Link]) -> dict[str, Link]:
    """Return the links that a host has of itself: those we make come and go with the plan."""
    return {device: link for device, link in links.items() if not is_ours(device)}


def _hosts(inventory: Inventory, ledger: Ledger) -> Hosts:
    by_name = {}
    for name, host in inventory.hosts.items():
        links = ledger.hosts.get(name)
        by_name[name] = HostFacts(
            name=name,
            addresses=None
            if links is None
            else tuple((device, IPv4Interface(one)) for device, link in links.items() for one in link.addresses),
            vtep_ip=host.vtep_ip,
            interfaces=host.interfaces,
            mtus={device: link.mtu for device, link in (links or {}).items()},
        )
    return Hosts(by_name, inventory.groups)
