# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""References: what is named must exist, and must be the tenant's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    AddressGroup,
    Instance,
    Intent,
    Network,
    ProviderNetwork,
    SecurityGroup,
    Vpc,
    VpcNetwork,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.intent import split_instance_ref
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import with_article
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import may_use
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.known import EVERYBODY, Known
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.names import NamedNode
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import (
    InstanceReference,
    Reference,
    instance_references,
    networks,
    virtual_ip_references,
    vpc_addresses,
)


def _fabric_wide(items: Iterable[NamedNode]) -> Known:
    return Known(lambda: ((EVERYBODY, item.name) for item in items))


def _nic_networks(intent: Intent) -> Iterator[tuple[str, str]]:
    yield from ((vpc.tenant, network.name) for vpc, network in networks(intent))
    yield from ((EVERYBODY, network.name) for network in intent.provider_networks)


def _unknown(reference: Reference, kind: str, remedy: str) -> Fault:
    return Fault(reference.path, reference.name, f"is not the name of {with_article(kind)}", remedy)


@rule("WEFT-T1-tenant")
def tenants(intent: Intent) -> Iterator[Fault]:
    """Every VPC, every instance and every group belongs to a tenant of weft_tenants."""
    known = _fabric_wide(intent.tenants)
    groups: tuple[AddressGroup | SecurityGroup, ...] = (*intent.address_groups, *intent.security_groups)
    owned: tuple[Vpc | Instance | AddressGroup | SecurityGroup, ...] = (*intent.vpcs, *intent.instances, *groups)
    for item in owned:
        if intent.tenant(item.tenant) is None:
            remedy = known.remedy(item.tenant, "Add it to weft_tenants.")
            yield _unknown(Reference(item.at("tenant"), item.tenant), "tenant", remedy)


@rule("WEFT-P3-pool")
def pools(intent: Intent) -> Iterator[Fault]:
    """A network's pool is one of weft_vxlan_pools."""
    known = _fabric_wide(intent.vxlan_pools)
    for _vpc, network in networks(intent):
        if intent.pool(network.pool) is None:
            reference = Reference(network.at("pool"), network.pool)
            yield _unknown(reference, "VXLAN pool", known.remedy(reference.name, "Add it to weft_vxlan_pools."))


@rule("WEFT-R1-offering")
def offerings(intent: Intent) -> Iterator[Fault]:
    """A router's offering is one of weft_router_offerings."""
    known = _fabric_wide(intent.router_offerings)
    for vpc in intent.vpcs:
        if intent.offering(vpc.router.offering) is None:
            reference = Reference(vpc.router.at("offering"), vpc.router.offering)
            yield _unknown(
                reference, "router offering", known.remedy(reference.name, "Add it to weft_router_offerings.")
            )


@rule("WEFT-R1-image")
def images(intent: Intent) -> Iterator[Fault]:
    """An offering's image is one of weft_router_images."""
    known = _fabric_wide(intent.router_images)
    for offering in intent.router_offerings:
        if intent.image(offering.image) is None:
            reference = Reference(offering.at("image"), offering.image)
            yield _unknown(reference, "router image", known.remedy(reference.name, "Add it to weft_router_images."))


@rule("WEFT-P5-network")
def provider_networks(intent: Intent) -> Iterator[Fault]:
    """Networks of offerings, virtual IPs and elastic IPs are in weft_provider_networks."""
    known = _fabric_wide(intent.provider_networks)
    for reference, _service in provider_references(intent):
        if intent.provider_network(reference.name) is None:
            yield _unknown(
                reference, "provider network", known.remedy(reference.name, "Add it to weft_provider_networks.")
            )


def provider_references(intent: Intent) -> Iterator[tuple[Reference, str]]:
    """Every place that names a provider network for a service, and the service."""
    for offering in intent.router_offerings:
        yield Reference(offering.at("public_network"), offering.public_network), "public"
        if offering.management_network is not None:
            yield Reference(offering.at("management_network"), offering.management_network), "management"
    for vpc in intent.vpcs:
        for item in (*vpc.router.public_networks, *vpc_addresses(vpc)):
            yield Reference(item.at("network"), item.network), "public"


@rule("WEFT-P1-group")
def groups(intent: Intent) -> Iterator[Fault]:
    """Clusters of pools and of provider networks are groups of the inventory."""
    clusters = [
        Reference(cluster.at("group"), cluster.group) for pool in intent.vxlan_pools for cluster in pool.clusters
    ]
    for network in intent.provider_networks:
        clusters += [Reference(network.at(f"clusters[{i}]"), group) for i, group in enumerate(network.clusters)]
    known = Known(lambda: ((EVERYBODY, group) for group in intent.hosts.groups))
    for reference in clusters:
        if reference.name not in intent.hosts.groups:
            otherwise = "Add the group to the inventory, with its hosts."
            yield _unknown(reference, "group of the inventory", known.remedy(reference.name, otherwise))


@rule("WEFT-R1-host")
def hosts(intent: Intent) -> Iterator[Fault]:
    """Hosts of instances and nodes of routers are in the inventory."""
    references = [Reference(instance.at("host"), instance.host) for instance in intent.instances]
    for vpc in intent.vpcs:
        references += [Reference(vpc.router.at(f"nodes[{i}]"), node) for i, node in enumerate(vpc.router.nodes)]
    known = Known(lambda: ((EVERYBODY, name) for name in intent.hosts.by_name))
    for reference in references:
        if intent.host(reference.name) is None:
            remedy = known.remedy(reference.name, "Add the host to the inventory.")
            yield _unknown(reference, "host of the inventory", remedy)


@rule("WEFT-N1-virtual-ip")
def virtual_ips(intent: Intent) -> Iterator[Fault]:
    """Port forwards, load balancers, IPsec connections and SNAT name a virtual IP of their own VPC."""
    known = Known(lambda: ((vpc.path, item.name) for vpc in intent.vpcs for item in vpc.virtual_ips))
    for vpc in intent.vpcs:
        own = {item.name for item in vpc.virtual_ips}
        for reference in virtual_ip_references(intent, vpc):
            if reference.name not in own:
                remedy = known.remedy(reference.name, f"Add it to the virtual_ips of {vpc.name}.", vpc.path)
                yield _unknown(reference, f"virtual IP of {vpc.name}", remedy)


@rule("WEFT-P3-network")
def nic_networks(intent: Intent) -> Iterator[Fault]:
    """A NIC is in one network: of the instance's tenant, or a provider network."""
    foreign, known = _tenants_by_network(intent), Known(lambda: _nic_networks(intent))
    for instance in intent.instances:
        tenant = instance.tenant
        for nic in instance.nics:
            if intent.attachment(tenant, nic.network) is not None:
                continue
            reference = Reference(nic.at("network"), nic.network)
            if found := intent.networks_named(tenant, nic.network):
                yield _ambiguous(reference, tenant, found)
            elif nic.network not in foreign:
                remedy = known.remedy(nic.network, "Use a network of one of the tenant's VPCs.", tenant)
                yield _unknown(reference, f"network of tenant {tenant}, nor of a provider network", remedy)


def _ambiguous(reference: Reference, tenant: str, found: Iterable[VpcNetwork]) -> Fault:
    listed = " and ".join(f"{vpc.name}/{network.name}" for vpc, network in found)
    reason = f"can mean several networks of tenant {tenant}: {listed}"
    return Fault(reference.path, reference.name, reason, "Write which one you mean, with its VPC.")


def _tenants_by_network(intent: Intent) -> dict[str, Network]:
    found: dict[str, Network] = {}
    for vpc, network in networks(intent):
        found.setdefault(network.name, network)
        found.setdefault(f"{vpc.name}/{network.name}", network)
        found.setdefault(f"{vpc.key}/{network.name}", network)
    return found


@rule("WEFT-R3-ambiguous")
def one_meaning(intent: Intent) -> Iterator[Fault]:
    """A name that can mean a network of a VPC or a provider network means one of the two alone."""
    for vpc in intent.vpcs:
        own = {network.name: network for network in vpc.networks}
        for one in vpc.router.firewall:
            provider = intent.provider_network(one.network)
            if one.network in own and provider is not None and one.network in intent.public_networks(vpc):
                remedy = "Give one of the two another name."
                yield _two_meanings(Reference(one.at("network"), one.network), own[one.network], provider, remedy)
    for instance in intent.instances:
        for nic in instance.nics:
            found, provider = intent.network(instance.tenant, nic.network), intent.provider_network(nic.network)
            if found is not None and provider is not None:
                remedy = f"Write {found.vpc.name}/{found.network.name} for the first, or give one of them another name."
                yield _two_meanings(Reference(nic.at("network"), nic.network), found.network, provider, remedy)


def _two_meanings(reference: Reference, network: Network, provider: ProviderNetwork, remedy: str) -> Fault:
    reason = f"can mean the network {network.path} and the provider network {provider.path}"
    return Fault(*reference, reason, remedy)


@rule("WEFT-N3-instance")
def instances(intent: Intent) -> Iterator[Fault]:
    """Targets, backends and next hops are instances (or NICs of instances) that exist."""
    elsewhere = {instance.name for instance in intent.instances}
    known = Known(lambda: ((instance.tenant, instance.name) for instance in intent.instances))
    for vpc, path, ref, _public in instance_references(intent):
        if intent.instance(vpc.tenant, ref) is not None:
            continue
        name, index, _secondary = split_instance_ref(ref)
        owner = intent.instance(vpc.tenant, name)
        if owner is not None and 0 <= index < len(owner.instance.nics):
            continue  # WEFT-A4-nobody
        if owner is not None:
            yield _no_such_nic(Reference(path, ref), name, len(owner.instance.nics))
        elif name not in elsewhere:
            remedy = known.remedy(name, "Add it to weft_instances.", vpc.tenant)
            yield _unknown(Reference(path, ref), f"instance of tenant {vpc.tenant}", remedy)


def _no_such_nic(reference: Reference, name: str, count: int) -> Fault:
    remedy = f"Write {name} for its first NIC, or {name}:{count - 1} for its last."
    if count == 1:
        return Fault(*reference, f"is not a NIC of {name}, which has only NIC 0", f"Write {name}.")
    return Fault(*reference, f"is not a NIC of {name}, which has NICs 0 to {count - 1}", remedy)


@rule("WEFT-T1-foreign")
def foreign_objects(intent: Intent) -> Iterator[Fault]:
    """Nobody refers to another tenant's object, unless that is a network which is shared."""
    yield from _foreign_instances(intent)
    yield from _foreign_networks(intent)
    yield from _foreign_segments(intent)


def _foreign(reference: Reference, tenant: str, owner: str, where: str, otherwise: str = "") -> Fault:
    reason = f"belongs to tenant {owner} ({where}), and this belongs to tenant {tenant}"
    return Fault(reference.path, reference.name, reason, f"Use an object of tenant {tenant}{otherwise}.")


def _foreign_instances(intent: Intent) -> Iterator[Fault]:
    owners: dict[str, Instance] = {}
    for instance in intent.instances:
        owners.setdefault(instance.name, instance)
    for vpc, path, ref, _public in instance_references(intent):
        name = split_instance_ref(ref).name
        if intent.instance(vpc.tenant, name) is None and name in owners:
            owner = owners[name]
            yield _foreign(Reference(path, ref), vpc.tenant, owner.tenant, owner.path)


def _foreign_networks(intent: Intent) -> Iterator[Fault]:
    owners = _tenants_by_network(intent)
    for instance in intent.instances:
        for nic in instance.nics:
            own = intent.networks_named(instance.tenant, nic.network) or intent.provider_network(nic.network)
            if not own and nic.network in owners:
                reference = Reference(nic.at("network"), nic.network)
                yield _foreign_network(
                    reference, instance.tenant, intent.vpc_of(owners[nic.network]), owners[nic.network]
                )


def _foreign_network(reference: Reference, tenant: str, vpc: Vpc, network: Network) -> Fault:
    otherwise = f", or share this one with it ({network.at('shared_with')})"
    if may_use(network.shared_with, tenant):
        otherwise = f", or write {vpc.key}/{network.name}, which is shared with it"
    return _foreign(reference, tenant, vpc.tenant, network.path, otherwise)


def _foreign_segments(intent: Intent) -> Iterator[Fault]:
    owners = _tenants_by_network(intent)
    for vpc, network in networks(intent):
        if (name := network.shared_segment_with) is not None:
            found = intent.networks_named(vpc.tenant, name)
            owner = found[0].network if found else owners.get(name)
            tenant = vpc.tenant if owner is None else intent.vpc_of(owner).tenant
            if owner is not None and tenant != vpc.tenant:
                reference = Reference(network.at("shared_segment_with"), name)
                yield _foreign(reference, vpc.tenant, tenant, owner.path)


@rule("WEFT-P3-shared-network")
def shared_segments(intent: Intent) -> Iterator[Fault]:
    """A network shares the segment of a network that its tenant has."""
    foreign, known = _tenants_by_network(intent), Known(lambda: _nic_networks(intent))
    for vpc, network in networks(intent):
        ref, tenant = network.shared_segment_with, vpc.tenant
        if ref is None or intent.network(tenant, ref) is not None:
            continue
        reference = Reference(network.at("shared_segment_with"), ref)
        if found := intent.networks_named(tenant, ref):
            yield _ambiguous(reference, tenant, found)
        elif ref not in foreign:
            remedy = known.remedy(ref, "Use a network of the same tenant.", tenant)
            yield _unknown(reference, f"network of tenant {tenant}", remedy)


@rule("WEFT-R3-target")
def targets_in_vpc(intent: Intent) -> Iterator[Fault]:
    """Targets, backends and next hops have their NIC in a network of the VPC that names them."""
    for reference in instance_references(intent):
        found = intent.instance(reference.vpc.tenant, reference.ref)
        if found is None:
            continue
        network = intent.attachment(reference.vpc.tenant, found.nic.network)
        if isinstance(network, Network):
            reached = intent.vpc_of(network) is reference.vpc
        else:  # that the network does not exist, or is the elastic IP's own, is said by other rules
            reached = network is None or network.name == reference.public_network
        if network is not None and not reached:
            yield _outside(reference, network.name, found.nic.path)


def _outside(reference: InstanceReference, network: str, nic_path: str) -> Fault:
    vpc = reference.vpc.name
    reason = f"has its NIC in {network} ({nic_path}.network), which is no network of {vpc}, whose router must reach it"
    remedy = f"Name an instance with a NIC in a network of {vpc}; write instance:1 for the second NIC."
    return Fault(reference.path, reference.ref, reason, remedy)
