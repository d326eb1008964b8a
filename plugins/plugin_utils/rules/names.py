# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names: unique where something is looked up by them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import ClassVar, Protocol

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Instance, Intent, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import with_article
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, networks


class NamedNode(Protocol):
    """What a user has given a name."""

    kind: ClassVar[str]

    @property
    def name(self) -> str: ...

    def at(self, key: str) -> str: ...


def _twice(named: Iterable[tuple[Hashable, NamedNode]], where: str) -> Iterator[Fault]:
    seen: dict[Hashable, NamedNode] = {}
    for key, node in named:
        first = seen.setdefault(key, node)
        if first is not node:
            yield Fault(
                node.at("name"),
                node.name,
                f"is already the name of {with_article(first.kind)} {where} ({first.at('name')})",
                "Give one of the two another name.",
            )


@rule("WEFT-intent-duplicate")
def fabric_names(intent: Intent) -> Iterator[Fault]:
    """Tenants, provider networks, pools, images and offerings have names of their own."""
    lists = (
        intent.tenants,
        intent.provider_networks,
        intent.vxlan_pools,
        intent.router_images,
        intent.router_offerings,
    )
    for items in lists:
        yield from _twice(((item.name, item) for item in items), "of the fabric")


@rule("WEFT-T1-duplicate")
def tenants_names(intent: Intent) -> Iterator[Fault]:
    """A tenant's VPCs have different names, and so have its instances and its groups; others may use them too."""
    for items in (
        intent.vpcs,
        intent.instances,
        intent.certificates,
        intent.address_groups,
        intent.security_groups,
    ):
        yield from _twice((((item.tenant, item.name), item) for item in items), "of the same tenant")


@rule("WEFT-R3-duplicate")
def vpc_names(intent: Intent) -> Iterator[Fault]:
    """In a VPC, networks and public addresses share their names' space (the ledger's), other kinds have their own."""
    for vpc in intent.vpcs:
        for items in _name_spaces(vpc):
            yield from _twice(((item.name, item) for item in items), "of the same VPC")
        for balancer in vpc.load_balancers:
            yield from _twice(((item.name, item) for item in balancer.listeners), "of the same load balancer")
            for listener in balancer.listeners:
                yield from _twice(((item.name, item) for item in listener.backend_groups), "of the same listener")


def _name_spaces(vpc: Vpc) -> Iterator[Iterable[NamedNode]]:
    yield (*vpc.networks, *vpc.virtual_ips, *vpc.elastic_ips)
    yield vpc.port_forwards
    yield vpc.load_balancers
    yield vpc.ipsec_connections
    yield vpc.network_acls


@rule("WEFT-A7-case")
def dns_names(intent: Intent) -> Iterator[Fault]:
    """Instances in one VPC have names that DNS tells apart: another tenant's too, and not by capital letters."""
    seen: dict[tuple[str, str], Instance] = {}
    for vpc, network in networks(intent):
        for instance, *_nic in intent.nics_of(network):
            first = seen.setdefault((vpc.path, instance.name.lower()), instance)
            if (first.name, first.tenant) != (instance.name, instance.tenant):
                yield Fault(
                    instance.at("name"),
                    instance.name,
                    f"is for DNS the same as {holder(first.name, first.at('name'))}, and both are in {vpc.name}",
                    "Give one of the two another name.",
                )
