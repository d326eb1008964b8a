# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""References: what is named must exist, and must be the tenant's own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Instance, Intent, Network, Node, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.intent import split_instance_ref
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import suggestion, with_article
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import (
    InstanceReference,
    Reference,
    holder,
    instance_references,
    networks,
    virtual_ip_references,
    vpc_addresses,
)


def _unknown(reference: Reference, kind: str, known: Iterable[str], otherwise: str) -> Fault:
    reason = f"is not the name of {with_article(kind)}"
    return Fault(reference.path, reference.name, reason, suggestion(reference.name, known, otherwise))


def _names(items: Iterable[Node]) -> list[str]:
    return [name for item in items if isinstance(name := getattr(item, "name", None), str)]


@rule("WEFT-T1-tenant")
def tenants(intent: Intent) -> Iterator[Fault]:
    """Every VPC and every instance belongs to a tenant of weft_tenants."""
    known = _names(intent.tenants)
    owned: tuple[Vpc | Instance, ...] = (*intent.vpcs, *intent.instances)
    for item in owned:
        if intent.tenant(item.tenant) is None:
            yield _unknown(Reference(item.at("tenant"), item.tenant), "tenant", known, "Add it to weft_tenants.")


@rule("WEFT-P3-pool")
def pools(intent: Intent) -> Iterator[Fault]:
    """A network's pool is one of weft_vxlan_pools."""
    known = _names(intent.vxlan_pools)
    for _vpc, network in networks(intent):
        if intent.pool(network.pool) is None:
            reference = Reference(network.at("pool"), network.pool)
            yield _unknown(reference, "VXLAN pool", known, "Add it to weft_vxlan_pools.")


@rule("WEFT-R1-offering")
def offerings(intent: Intent) -> Iterator[Fault]:
    """A router's offering is one of weft_router_offerings."""
    known = _names(intent.router_offerings)
    for vpc in intent.vpcs:
        if intent.offering(vpc.router.offering) is None:
            reference = Reference(vpc.router.at("offering"), vpc.router.offering)
            yield _unknown(reference, "router offering", known, "Add it to weft_router_offerings.")


@rule("WEFT-R1-image")
def images(intent: Intent) -> Iterator[Fault]:
    """An offering's image is one of weft_router_images."""
    known = _names(intent.router_images)
    for offering in intent.router_offerings:
        if intent.image(offering.image) is None:
            reference = Reference(offering.at("image"), offering.image)
            yield _unknown(reference, "router image", known, "Add it to weft_router_images.")


@rule("WEFT-P5-network")
def provider_networks(intent: Intent) -> Iterator[Fault]:
    """Networks of offerings, virtual IPs and elastic IPs are in weft_provider_networks."""
    known = _names(intent.provider_networks)
    for reference, _service in provider_references(intent):
        if intent.provider_network(reference.name) is None:
            yield _unknown(reference, "provider network", known, "Add it to weft_provider_networks.")


def provider_references(intent: Intent) -> Iterator[tuple[Reference, str]]:
    """Every place that names a provider network for a service, and the service."""
    for offering in intent.router_offerings:
        yield Reference(offering.at("public_network"), offering.public_network), "public"
        if offering.management_network is not None:
            yield Reference(offering.at("management_network"), offering.management_network), "management"
    for vpc in intent.vpcs:
        for item in vpc_addresses(vpc):
            yield Reference(item.at("network"), item.network), "public"


@rule("WEFT-P1-group")
def groups(intent: Intent) -> Iterator[Fault]:
    """Clusters of pools and of provider networks are groups of the inventory."""
    clusters = [
        Reference(cluster.at("group"), cluster.group) for pool in intent.vxlan_pools for cluster in pool.clusters
    ]
    for network in intent.provider_networks:
        clusters += [Reference(network.at(f"clusters[{i}]"), group) for i, group in enumerate(network.clusters)]
    for reference in clusters:
        if reference.name not in intent.hosts.groups:
            otherwise = "Add the group to the inventory, with its hosts."
            yield _unknown(reference, "group of the inventory", intent.hosts.groups, otherwise)


@rule("WEFT-R1-host")
def hosts(intent: Intent) -> Iterator[Fault]:
    """Hosts of instances and nodes of routers are in the inventory."""
    references = [Reference(instance.at("host"), instance.host) for instance in intent.instances]
    for vpc in intent.vpcs:
        references += [Reference(vpc.router.at(f"nodes[{i}]"), node) for i, node in enumerate(vpc.router.nodes)]
    for reference in references:
        if intent.host(reference.name) is None:
            known = intent.hosts.by_name
            yield _unknown(reference, "host of the inventory", known, "Add the host to the inventory.")


@rule("WEFT-N1-virtual-ip")
def virtual_ips(intent: Intent) -> Iterator[Fault]:
    """Port forwards, load balancers and SNAT name a virtual IP of their own VPC."""
    for vpc in intent.vpcs:
        known = set(_names(vpc.virtual_ips))
        for reference in virtual_ip_references(vpc):
            if reference.name not in known:
                otherwise = f"Add it to the virtual_ips of {vpc.name}."
                yield _unknown(reference, f"virtual IP of {vpc.name}", known, otherwise)


@rule("WEFT-P3-network")
def nic_networks(intent: Intent) -> Iterator[Fault]:
    """A NIC is in one network: of the instance's tenant, or a provider network."""
    foreign = _tenants_by_network(intent)
    for instance in intent.instances:
        for nic in instance.nics:
            if intent.attachment(instance.tenant, nic.network) is None:
                fault = _nic_fault(intent, instance, Reference(nic.at("network"), nic.network), foreign)
                if fault is not None:
                    yield fault


def _nic_fault(intent: Intent, instance: Instance, reference: Reference, foreign: dict[str, Network]) -> Fault | None:
    found = intent.networks_named(instance.tenant, reference.name)
    if found:
        listed = " and ".join(f"{vpc.name}/{network.name}" for vpc, network in found)
        reason = f"can mean several networks of tenant {instance.tenant}: {listed}"
        return Fault(reference.path, reference.name, reason, "Write which one you mean, with its VPC.")
    if reference.name in foreign:
        return None
    known = [n.name for v in intent.vpcs if v.tenant == instance.tenant for n in v.networks]
    known += _names(intent.provider_networks)
    kind = f"network of tenant {instance.tenant}, nor of a provider network"
    return _unknown(reference, kind, known, "Use a network of one of the tenant's VPCs.")


def _tenants_by_network(intent: Intent) -> dict[str, Network]:
    found: dict[str, Network] = {}
    for vpc, network in networks(intent):
        found.setdefault(network.name, network)
        found.setdefault(f"{vpc.name}/{network.name}", network)
    return found


@rule("WEFT-N3-instance")
def instances(intent: Intent) -> Iterator[Fault]:
    """Targets, backends and next hops are instances (or NICs of instances) that exist."""
    elsewhere = {instance.name for instance in intent.instances}
    for vpc, path, ref, _public in instance_references(intent):
        if intent.instance(vpc.tenant, ref) is not None:
            continue
        name, _index = split_instance_ref(ref)
        owner = intent.instance(vpc.tenant, name)
        if owner is not None:
            count = len(owner.instance.nics)
            reason = f"is not a NIC of {name}, which has {count}, counted from 0"
            yield Fault(path, ref, reason, f"Write {name} for its first NIC, or {name}:{count - 1} for its last.")
        elif name not in elsewhere:
            known = [instance.name for instance in intent.instances if instance.tenant == vpc.tenant]
            kind = f"instance of tenant {vpc.tenant}"
            yield _unknown(Reference(path, ref), kind, known, "Add it to weft_instances.")


@rule("WEFT-T1-foreign")
def foreign_objects(intent: Intent) -> Iterator[Fault]:
    """Nobody refers to another tenant's object."""
    yield from _foreign_instances(intent)
    yield from _foreign_networks(intent)


def _foreign(reference: Reference, tenant: str, owner: str, where: str) -> Fault:
    reason = f"belongs to tenant {owner} ({where}), and this belongs to tenant {tenant}"
    return Fault(reference.path, reference.name, reason, f"Use an object of tenant {tenant}.")


def _foreign_instances(intent: Intent) -> Iterator[Fault]:
    owners: dict[str, Instance] = {}
    for instance in intent.instances:
        owners.setdefault(instance.name, instance)
    for vpc, path, ref, _public in instance_references(intent):
        name, _index = split_instance_ref(ref)
        if intent.instance(vpc.tenant, name) is None and name in owners:
            owner = owners[name]
            yield _foreign(Reference(path, ref), vpc.tenant, owner.tenant, owner.path)


def _foreign_networks(intent: Intent) -> Iterator[Fault]:
    owners = _tenants_by_network(intent)
    for reference, tenant in _network_references(intent):
        own = intent.networks_named(tenant, reference.name) or intent.provider_network(reference.name)
        if not own and reference.name in owners:
            owner = owners[reference.name]
            yield _foreign(reference, tenant, intent.vpc_of(owner).tenant, owner.path)


def _network_references(intent: Intent) -> Iterator[tuple[Reference, str]]:
    for instance in intent.instances:
        for nic in instance.nics:
            yield Reference(nic.at("network"), nic.network), instance.tenant
    for vpc, network in networks(intent):
        if network.shared_segment_with is not None:
            yield Reference(network.at("shared_segment_with"), network.shared_segment_with), vpc.tenant


@rule("WEFT-P3-shared-network")
def shared_segments(intent: Intent) -> Iterator[Fault]:
    """A network shares the segment of a network that its tenant has."""
    foreign = _tenants_by_network(intent)
    for vpc, network in networks(intent):
        ref = network.shared_segment_with
        if ref is None or intent.network(vpc.tenant, ref) is not None:
            continue
        found = intent.networks_named(vpc.tenant, ref)
        reference = Reference(network.at("shared_segment_with"), ref)
        if found:
            listed = " and ".join(holder(f"{v.name}/{n.name}", n.path) for v, n in found)
            reason = f"can mean several networks: {listed}"
            yield Fault(*reference, reason, "Write which one you mean, with its VPC.")
        elif ref not in foreign:
            known = [n.name for v in intent.vpcs if v.tenant == vpc.tenant for n in v.networks]
            yield _unknown(reference, f"network of tenant {vpc.tenant}", known, "Use a network of the same tenant.")


@rule("WEFT-R3-target")
def targets_in_vpc(intent: Intent) -> Iterator[Fault]:
    """Targets, backends and next hops have their NIC in a network of the VPC that names them."""
    for reference in instance_references(intent):
        found = intent.instance(reference.vpc.tenant, reference.ref)
        if found is None:
            continue
        network = intent.attachment(reference.vpc.tenant, found.nic.network)
        if network is None or network.name == reference.public_network:
            continue  # that the network does not exist, or is the elastic IP's own, is said by other rules
        if not isinstance(network, Network) or intent.vpc_of(network) is not reference.vpc:
            yield _outside(reference, network.name, found.nic.path)


def _outside(reference: InstanceReference, network: str, nic_path: str) -> Fault:
    vpc = reference.vpc.name
    reason = f"has its NIC in {network} ({nic_path}.network), which is no network of {vpc}, whose router must reach it"
    remedy = f"Name an instance with a NIC in a network of {vpc}; write instance:1 for the second NIC."
    return Fault(reference.path, reference.ref, reason, remedy)
