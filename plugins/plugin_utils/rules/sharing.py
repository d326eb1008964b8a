# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What tenants share: images, offerings, provider networks and networks of VPCs (row T3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    Intent,
    Network,
    Nic,
    ProviderNetwork,
    RouterImage,
    RouterOffering,
    Vpc,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import may_use
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.known import EVERYBODY, Known
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import (
    Reference,
    holder,
    networks,
    router_provider_networks,
)

_Shared = RouterImage | RouterOffering | ProviderNetwork


class _Use(NamedTuple):
    """That a tenant uses something, and the place that says so."""

    tenant: str
    reference: Reference
    item: _Shared


@rule("WEFT-T3-tenant")
def tenants(intent: Intent) -> Iterator[Fault]:
    """What is shared is shared with tenants of weft_tenants, and so are those trusted that a network trusts."""
    known = Known(lambda: ((EVERYBODY, tenant.name) for tenant in intent.tenants))
    items: list[_Shared | Network] = [*intent.router_images, *intent.router_offerings, *intent.provider_networks]
    items += [network for _vpc, network in networks(intent)]
    for item in items:
        for index, name in enumerate(() if item.shared_with == "all" else item.shared_with):
            if intent.tenant(name) is None:
                remedy = known.remedy(name, "Add it to weft_tenants.")
                yield Fault(item.at(f"shared_with[{index}]"), name, "is not the name of a tenant", remedy)
    for network in intent.provider_networks:
        for index, name in enumerate(network.trusted_tenants):
            if intent.tenant(name) is None:
                remedy = known.remedy(name, "Add it to weft_tenants.")
                yield Fault(network.at(f"trusted_tenants[{index}]"), name, "is not the name of a tenant", remedy)


@rule("WEFT-T3-shared")
def shared(intent: Intent) -> Iterator[Fault]:
    """A tenant uses the images, offerings and provider networks that are shared with it."""
    for tenant, reference, item in _uses(intent):
        if intent.tenant(tenant) is not None and not may_use(item.shared_with, tenant):
            what = "is" if item.name == reference.name else f"means the {item.kind} {item.name}, which is"
            reason = f"{what} not shared with tenant {tenant} ({item.at('shared_with')})"
            remedy = f"Share {item.name} with tenant {tenant}, or use another {item.kind}."
            yield Fault(reference.path, reference.name, reason, remedy)


def _uses(intent: Intent) -> Iterator[_Use]:
    for vpc in intent.vpcs:
        yield from _uses_of(intent, vpc)
    for instance in intent.instances:
        for nic in instance.nics:
            found = intent.attachment(instance.tenant, nic.network)
            if isinstance(found, ProviderNetwork):
                yield _Use(instance.tenant, Reference(nic.at("network"), nic.network), found)


def _uses_of(intent: Intent, vpc: Vpc) -> Iterator[_Use]:
    reference = Reference(vpc.router.at("offering"), vpc.router.offering)
    offering = intent.offering(reference.name)
    if offering is not None:
        yield _Use(vpc.tenant, reference, offering)
        image = intent.image(offering.image)
        if image is not None:
            yield _Use(vpc.tenant, reference, image)
    for network, path in router_provider_networks(intent, vpc).values():
        named = reference if path == reference.path else Reference(path, network.name)
        yield _Use(vpc.tenant, named, network)


@rule("WEFT-T3-guest")
def guests(intent: Intent) -> Iterator[Fault]:
    """In another tenant's network a NIC is held to the rules of that network."""
    for instance in intent.instances:
        for nic in instance.nics:
            found = intent.network(instance.tenant, nic.network)
            if found is None or found.vpc.tenant == instance.tenant:
                continue
            for path in _liberties(nic):
                owner = f"{holder(found.network.name, found.network.path)} of tenant {found.vpc.tenant}"
                reason = f"is not for a NIC in {owner}, which instances of tenant {instance.tenant} are guests in"
                yield Fault(path, None, reason, "Remove it.")


def _liberties(nic: Nic) -> Iterator[str]:
    """What only the network's own tenant may give a NIC."""
    if not nic.port_security:
        yield nic.at("port_security")
    if nic.allowed_addresses:
        yield nic.at("allowed_addresses")
    if nic.snat is not None:
        yield nic.at("snat")
    yield from (one.at("snat") for one in nic.secondary_ips if one.snat is not None)
