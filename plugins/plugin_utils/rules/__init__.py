# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rules: what must hold between the objects of an intent. `load` parses and checks, `check` only checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError, in_order
from ansible_collections.weft.vpc.plugins.plugin_utils.model import SETTINGS, Hosts, Intent, parse
from ansible_collections.weft.vpc.plugins.plugin_utils.model.memory import no_cycle_collection
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import (  # importing a module registers its rules
    balancers,
    balancers_udp,
    dedicated,
    dynamic_routing,
    egress,
    elastic,
    exits,
    firewall,
    instances,
    ipsec,
    mtu,
    names,
    network_acl,
    overlap,
    placement,
    pools,
    port_security,
    ports,
    provider,
    public,
    qos,
    quotas,
    references,
    routes,
    secondary,
    security_groups,
    services,
    sharing,
    snat,
    subnets,
    vteps,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import RULES, Fault, Rule, rule

__all__ = ["RULES", "TOPICS", "Fault", "Rule", "check", "check_settled", "load", "rule"]

TOPICS = (
    names,
    references,
    subnets,
    overlap,
    pools,
    vteps,
    provider,
    mtu,
    placement,
    public,
    ports,
    egress,
    network_acl,
    firewall,
    elastic,
    exits,
    snat,
    instances,
    secondary,
    port_security,
    security_groups,
    routes,
    dynamic_routing,
    ipsec,
    services,
    dedicated,
    balancers,
    balancers_udp,
    qos,
    quotas,
    sharing,
)


def check(intent: Intent) -> list[Finding]:
    """Everything that is wrong between the objects of an intent, errors and warnings, by place in the inventory."""
    with no_cycle_collection():
        return in_order(finding for rule in RULES.values() for finding in rule.findings(intent))


def check_settled(intent: Intent, allocated: Mapping[str, object]) -> list[Finding]:
    """What is wrong with what was allocated: the errors of the rules that hold for such addresses as for given ones."""
    settled = intent.settled(allocated)
    with no_cycle_collection():
        return in_order(finding for rule in RULES.values() if rule.settled for finding in rule.findings(settled))


def load(
    variables: Mapping[Any, Any], hosts: Hosts, settings: frozenset[str] = SETTINGS
) -> tuple[Intent, list[Finding]]:
    """The intent in `variables`, parsed and checked, and the warnings about it.

    Raises IntentError with everything that is wrong: first with the shape of values; if that is right, between objects.
    """
    intent = parse(variables, hosts, settings)
    findings = check(intent)
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise IntentError(errors)
    return intent, findings
