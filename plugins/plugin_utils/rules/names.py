# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names: unique where something is looked up by them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from typing import ClassVar, Protocol

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, NicRef, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.hostnames import hidden_by, no_domain, no_host_name
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
    """NICs in one VPC have names that DNS tells apart: another tenant's too, and not by capital letters."""
    for vpc in intent.vpcs:
        seen: dict[str, NicRef] = {}
        for nic in (one for network in vpc.networks for one in intent.nics_of(network)):
            first = seen.setdefault(nic.host_name.lower(), nic)
            if first.key != nic.key:
                yield _same_for_dns(first, nic, vpc)


def _same_for_dns(first: NicRef, nic: NicRef, vpc: Vpc) -> Fault:
    other = f"{holder(first.instance.name, first.instance.at('name'))}, and both are in {vpc.name}"
    reason = f"is for DNS the same as {other}"
    if nic.instance.name.lower() != first.instance.name.lower():  # DNS has a name that nobody has written
        reason = f"gets the name {nic.host_name} in DNS ({nic.nic.path}), and so does {other}"
    return Fault(nic.instance.at("name"), nic.instance.name, reason, "Give one of the two another name.")


@rule("WEFT-A7-name")
def names_of_hosts(intent: Intent) -> Iterator[Fault]:
    """The name of an instance in a VPC means nothing else to DHCP, and to nobody who looks names up."""
    told: set[str] = set()
    for nic in (one for _vpc, network in networks(intent) for one in intent.nics_of(network)):
        reason = no_host_name(nic.host_name)
        if reason is not None and nic.instance.path not in told:
            told.add(nic.instance.path)
            yield Fault(nic.instance.at("name"), nic.instance.name, reason, "Give the instance another name.")


def _domains(intent: Intent) -> Iterator[tuple[str, str]]:
    yield intent.fabric.at("dns_domain"), intent.fabric.dns_domain
    for _vpc, network in networks(intent):
        if network.dns_domain is not None:
            yield network.at("dns_domain"), network.dns_domain


@rule("WEFT-A7-domain")
def domains(intent: Intent) -> Iterator[Fault]:
    """The domain of instances is no top-level domain of others, no reverse zone and no address."""
    for path, domain in _domains(intent):
        reason = no_domain(domain)
        if reason is not None:
            yield Fault(path, domain, reason, "Write a domain of your own, like cloud.internal.")


@rule("WEFT-A7-hides", severity="warning")
def hidden_names(intent: Intent) -> Iterator[Fault]:
    """The domain of instances hides no names of the public DNS."""
    for path, domain in _domains(intent):
        reason = None if no_domain(domain) else hidden_by(domain)
        if reason is not None:
            yield Fault(path, domain, reason, "Use a domain that is the VPC's alone, like cloud.internal.")
