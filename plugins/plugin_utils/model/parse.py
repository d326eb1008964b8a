# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""From inventory variables to a typed intent, or to everything that is wrong with their shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import ValidationError
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.model.certificate import Certificate
from ansible_collections.weft.vpc.plugins.plugin_utils.model.fabric import Fabric, Tenant
from ansible_collections.weft.vpc.plugins.plugin_utils.model.hosts import Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.model.instance import Instance
from ansible_collections.weft.vpc.plugins.plugin_utils.model.intent import Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.model.memory import no_cycle_collection
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import join_path, shape_findings, suggestion
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node, set_path
from ansible_collections.weft.vpc.plugins.plugin_utils.model.provider_network import ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.model.router import RouterImage, RouterOffering
from ansible_collections.weft.vpc.plugins.plugin_utils.model.security_group import AddressGroup, SecurityGroup
from ansible_collections.weft.vpc.plugins.plugin_utils.model.vpc import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.vxlan_pool import VxlanPool

N = TypeVar("N", bound=Node)

# The lists of the intent: variable, and what its items are.
LISTS: dict[str, type[Node]] = {
    "weft_tenants": Tenant,
    "weft_provider_networks": ProviderNetwork,
    "weft_vxlan_pools": VxlanPool,
    "weft_router_images": RouterImage,
    "weft_router_offerings": RouterOffering,
    "weft_certificates": Certificate,
    "weft_address_groups": AddressGroup,
    "weft_security_groups": SecurityGroup,
    "weft_vpcs": Vpc,
    "weft_instances": Instance,
}
INTENT_VARIABLES = ("weft_fabric", *LISTS)

# Variables that are not intent: what hosts say about themselves, and how to work.
SETTINGS = frozenset(
    {
        "weft_gone_hosts",
        "weft_install_packages",
        "weft_max_removal_percent",
        "weft_plan_file",
        "weft_provider_interfaces",
        "weft_state_dir",
        "weft_vtep_ip",
    }
)


def parse(variables: Mapping[Any, Any], hosts: Hosts, settings: frozenset[str] = SETTINGS) -> Intent:
    """The intent in `variables` (plain Python: what YAML or JSON can hold). Variables not named weft_* are ignored.

    Raises IntentError with everything that is wrong with the shape; objects among each other are the rules' affair.
    """
    with no_cycle_collection():
        return _parse(variables, hosts, settings)


def _parse(variables: Mapping[Any, Any], hosts: Hosts, settings: frozenset[str]) -> Intent:
    findings = list(_unknown_variables(variables, settings))
    fabric = _fabric(variables, findings)
    lists = {variable: _items(variables, variable, cls, findings) for variable, cls in LISTS.items()}
    if fabric is None or findings:
        raise IntentError(findings)
    attributes: dict[str, Any] = {variable.removeprefix("weft_"): items for variable, items in lists.items()}
    return Intent(fabric=fabric, hosts=hosts, **attributes)


def _unknown_variables(variables: Mapping[Any, Any], settings: frozenset[str]) -> Iterator[Finding]:
    for name in variables:
        if isinstance(name, str) and name.startswith("weft_") and name not in settings and name not in INTENT_VARIABLES:
            otherwise = f"The intent is {', '.join(INTENT_VARIABLES)}."
            yield Finding(
                "WEFT-intent-variable",
                join_path("", name).removeprefix("."),
                None,
                "is not a variable of weft.vpc",
                suggestion(name, [*INTENT_VARIABLES, *settings], otherwise),
            )


def _fabric(variables: Mapping[Any, Any], findings: list[Finding]) -> Fabric | None:
    if variables.get("weft_fabric") is None:
        findings.append(
            Finding(
                "WEFT-intent-missing",
                "weft_fabric",
                None,
                "is missing, and every fabric needs a name",
                "Add weft_fabric: {name: ...}.",
            )
        )
        return None
    return _node(variables["weft_fabric"], Fabric, "weft_fabric", findings)


def _items(variables: Mapping[Any, Any], variable: str, cls: type[N], findings: list[Finding]) -> tuple[N, ...]:
    value = variables.get(variable)
    if value is None:
        return ()
    if not isinstance(value, list | tuple):
        reason = f"is not a list, and {cls.kind}s are written as a list"
        findings.append(Finding("WEFT-intent-type", variable, value, reason, "Begin each of them with '- '."))
        return ()
    parsed = (_node(item, cls, f"{variable}[{index}]", findings) for index, item in enumerate(value))
    return tuple(node for node in parsed if node is not None)


def _node(value: object, cls: type[N], path: str, findings: list[Finding]) -> N | None:
    try:
        node = cls.model_validate(value)
    except ValidationError as error:
        findings.extend(shape_findings(error, cls, path))
        return None
    set_path(node, path)
    return node
