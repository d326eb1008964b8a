# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The whole intent, with the look-ups that the rules and the planner need. Each costs O(1) after the first use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address
from typing import NamedTuple, Protocol, TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import Vtep, VtepError, vtep_in_cidr
from ansible_collections.weft.vpc.plugins.plugin_utils.model.certificate import Certificate
from ansible_collections.weft.vpc.plugins.plugin_utils.model.fabric import Fabric, Tenant
from ansible_collections.weft.vpc.plugins.plugin_utils.model.hostnames import host_name
from ansible_collections.weft.vpc.plugins.plugin_utils.model.hosts import HostFacts, Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.model.instance import Instance, Nic, SecondaryIp
from ansible_collections.weft.vpc.plugins.plugin_utils.model.network import Network
from ansible_collections.weft.vpc.plugins.plugin_utils.model.provider_network import ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.model.router import RouterImage, RouterOffering
from ansible_collections.weft.vpc.plugins.plugin_utils.model.security_group import AddressGroup, SecurityGroup
from ansible_collections.weft.vpc.plugins.plugin_utils.model.snat import Snat
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import may_use
from ansible_collections.weft.vpc.plugins.plugin_utils.model.vpc import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.vxlan_pool import PoolCluster, VxlanPool


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class _Owned(_Named, Protocol):
    @property
    def tenant(self) -> str: ...


T = TypeVar("T", bound=_Named)
Own = TypeVar("Own", bound=_Owned)


class VpcNetwork(NamedTuple):
    """A network and the VPC that it belongs to."""

    vpc: Vpc
    network: Network


class NicRef(NamedTuple):
    """An instance and the index of one of its NICs; with `secondary`, that further address of the NIC."""

    instance: Instance
    nic_index: int
    secondary: SecondaryIp | None = None

    @property
    def nic(self) -> Nic:
        """The NIC itself."""
        return self.instance.nics[self.nic_index]

    @property
    def key(self) -> str:
        """The object path: `tenant/instance/0`."""
        return f"{self.instance.key}/{self.nic_index}"

    @property
    def address_key(self) -> str:
        """The path of the address that is meant: the NIC's, or `tenant/instance/0/blog`."""
        return self.key if self.secondary is None else f"{self.key}/{self.secondary.name}"

    @property
    def host_name(self) -> str:
        """What DHCP and DNS call the NIC."""
        return host_name(self.instance.name, self.nic_index, default=self.is_default)

    @property
    def is_default(self) -> bool:
        """Whether the instance has its default route by the NIC."""
        return self.nic_index == self.instance.default_nic

    @property
    def addresses(self) -> tuple[NicRef, ...]:
        """The NIC's own address, then its secondary ones."""
        own = NicRef(self.instance, self.nic_index)
        return (own, *(own._replace(secondary=one) for one in self.nic.secondary_ips))

    @property
    def ip(self) -> IPv4Address | None:
        """The address that is meant, if the intent gives it."""
        return self.nic.ip if self.secondary is None else self.secondary.ip

    @property
    def snat(self) -> Snat | None:
        """What is chosen for the address that is meant, or else for its NIC."""
        chosen = None if self.secondary is None else self.secondary.snat
        return self.nic.snat if chosen is None else chosen

    @property
    def ip_path(self) -> str:
        """Where the intent gives the address, or would."""
        return self.nic.at("ip") if self.secondary is None else self.secondary.at("ip")


class InstanceName(NamedTuple):
    """What the parts of a reference to an instance say."""

    name: str
    nic_index: int
    secondary: str | None


def split_instance_ref(ref: str) -> InstanceName:
    """`web:1` is the second NIC of `web`, `web` its first, `web/blog` a secondary IP of that.

    An index that is no number gives -1.
    """
    nic, slash, secondary = ref.partition("/")
    name, colon, index = nic.partition(":")
    number = 0
    if colon:
        number = int(index) if index.isascii() and index.isdecimal() and len(index) < 4 else -1
    return InstanceName(name, number, secondary if slash else None)


def _by_name(items: Iterable[T]) -> dict[str, T]:
    # Of two objects with one name (an error that a rule reports) the first counts.
    found: dict[str, T] = {}
    for item in items:
        found.setdefault(item.name, item)
    return found


def _by_owner(items: Iterable[Own]) -> dict[tuple[str, str], Own]:
    found: dict[tuple[str, str], Own] = {}
    for item in items:
        found.setdefault((item.tenant, item.name), item)
    return found


@dataclass(frozen=True)
class Intent:
    """Everything that is wanted, in inventory order. Look-ups return None (or nothing) for what does not exist."""

    fabric: Fabric
    tenants: tuple[Tenant, ...] = ()
    provider_networks: tuple[ProviderNetwork, ...] = ()
    vxlan_pools: tuple[VxlanPool, ...] = ()
    router_images: tuple[RouterImage, ...] = ()
    router_offerings: tuple[RouterOffering, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    address_groups: tuple[AddressGroup, ...] = ()
    security_groups: tuple[SecurityGroup, ...] = ()
    vpcs: tuple[Vpc, ...] = ()
    instances: tuple[Instance, ...] = ()
    hosts: Hosts = field(default_factory=Hosts)
    #: What the ledger has given, by key; nothing yet while an intent is checked for the first time.
    allocated: Mapping[str, object] = field(default_factory=dict)

    def settled(self, allocated: Mapping[str, object]) -> Intent:
        """The same intent with what was allocated to its objects."""
        settled = replace(self, allocated=allocated)
        settled.__dict__.update({key: value for key, value in self.__dict__.items() if key != "allocated"})
        return settled

    def address(self, given: IPv4Address | None, key: str) -> IPv4Address | None:
        """An address that the intent gives, or else the ledger under a key; None if neither does."""
        found = self.allocated.get(key) if given is None else given
        return None if found is None else IPv4Address(str(found))

    # Fabric-wide objects

    def tenant(self, name: str) -> Tenant | None:
        """The tenant of that name."""
        return self._tenants.get(name)

    def provider_network(self, name: str) -> ProviderNetwork | None:
        """The provider network of that name."""
        return self._provider_networks.get(name)

    def pool(self, name: str) -> VxlanPool | None:
        """The VXLAN pool of that name."""
        return self._pools.get(name)

    def image(self, name: str) -> RouterImage | None:
        """The router image of that name."""
        return self._images.get(name)

    def offering(self, name: str) -> RouterOffering | None:
        """The router offering of that name."""
        return self._offerings.get(name)

    def host(self, name: str) -> HostFacts | None:
        """The host of that name."""
        return self.hosts.by_name.get(name)

    # Tenants' objects

    def vpc(self, tenant: str, name: str) -> Vpc | None:
        """A tenant's VPC."""
        return self._vpcs.get((tenant, name))

    def certificate(self, tenant: str, name: str) -> Certificate | None:
        """A tenant's certificate."""
        return self._certificates.get((tenant, name))

    def address_group(self, tenant: str, name: str) -> AddressGroup | None:
        """A tenant's address group."""
        return self._address_groups.get((tenant, name))

    def security_group(self, tenant: str, name: str) -> SecurityGroup | None:
        """A tenant's security group."""
        return self._security_groups.get((tenant, name))

    def members_of(self, group: SecurityGroup) -> Sequence[NicRef]:
        """The NICs in a security group, in inventory order."""
        return self._members.get(group.key, ())

    def network(self, tenant: str, ref: str) -> VpcNetwork | None:
        """A tenant's network by `net`, if only one of its VPCs has one of that name, or by `vpc/net`; another's by
        `tenant/vpc/net`, if it is shared."""
        found = self.networks_named(tenant, ref)
        return found[0] if len(found) == 1 else None

    def networks_named(self, tenant: str, ref: str) -> Sequence[VpcNetwork]:
        """Every network of a tenant, or shared with it, that `ref` can mean."""
        depth = ref.count("/")
        if depth == 0:
            return self._networks_by_name.get((tenant, ref), ())
        found = self._networks_by_path.get(f"{tenant}/{ref}" if depth == 1 else ref)
        if found is None or not (found.vpc.tenant == tenant or may_use(found.network.shared_with, tenant)):
            return ()
        return (found,)

    def public_networks(self, vpc: Vpc) -> tuple[str, ...]:
        """The names of the public networks that a VPC's router is in, the offering's first."""
        offering = self.offering(vpc.router.offering)
        first = () if offering is None else (offering.public_network,)
        return tuple(dict.fromkeys((*first, *(one.network for one in vpc.router.public_networks))))

    def exit_network(self, vpc: Vpc, *choices: Snat) -> str | None:
        """The public network by which something of a VPC leaves: the first of its choices that says so counts."""
        for snat in choices:
            virtual = (one.network for one in vpc.virtual_ips if one.name == snat.virtual_ip)
            chosen = snat.network or next(virtual, None)
            if chosen is not None:
                return chosen
        return next(iter(self.public_networks(vpc)), None)

    def attachment(self, tenant: str, ref: str) -> Network | ProviderNetwork | None:
        """What a NIC's `network` means: the tenant's network, or else the provider network of that name."""
        found = self.network(tenant, ref)
        return self.provider_network(ref) if found is None else found.network

    def vpc_of(self, network: Network) -> Vpc:
        """The VPC that a network of this intent belongs to."""
        return self._vpc_of[network.path]

    def instance(self, tenant: str, ref: str) -> NicRef | None:
        """What `web` (its first NIC), `web:1` or `web/blog` (a secondary IP) of a tenant means."""
        name, index, secondary = split_instance_ref(ref)
        found = self._instances.get((tenant, name))
        if found is None or not 0 <= index < len(found.nics):
            return None
        nic = NicRef(found, index)
        if secondary is None:
            return nic
        return next((one for one in nic.addresses[1:] if one.secondary and one.secondary.name == secondary), None)

    def nics_of(self, network: Network | ProviderNetwork) -> Sequence[NicRef]:
        """The NICs plugged into a network, in inventory order."""
        return self._nics.get(network.path, ())

    # Hosts

    def hosts_in(self, groups: Iterable[str]) -> tuple[str, ...]:
        """The hosts of some groups, each once, in inventory order."""
        return tuple(dict.fromkeys(host for group in groups for host in self.hosts.groups.get(group, ())))

    def pool_hosts(self, pool: VxlanPool) -> Mapping[str, PoolCluster]:
        """The hosts that can have the pool's segments, each with the (first) cluster that it is in."""
        return self._pool_hosts.get(pool.name, {})

    def provider_hosts(self, network: ProviderNetwork) -> frozenset[str]:
        """The hosts that have a provider network."""
        return self._provider_hosts.get(network.name, frozenset())

    def provider_interface(self, network: ProviderNetwork, host: str) -> str:
        """The NIC of a provider network on a host."""
        facts = self.host(host)
        return network.interface if facts is None else facts.interfaces.get(network.name, network.interface)

    def vtep(self, pool: VxlanPool, host: str) -> Vtep:
        """Where a pool's traffic of a host starts. VtepError when that cannot be told."""
        cluster, facts = self.pool_hosts(pool).get(host), self.host(host)
        if cluster is None or facts is None:
            raise VtepError("member", f"is in no cluster of pool {pool.name}", "Add the host to a group of the pool.")
        return cluster_vtep(cluster, facts)

    # What the look-ups are made of

    @cached_property
    def _tenants(self) -> dict[str, Tenant]:
        return _by_name(self.tenants)

    @cached_property
    def _provider_networks(self) -> dict[str, ProviderNetwork]:
        return _by_name(self.provider_networks)

    @cached_property
    def _pools(self) -> dict[str, VxlanPool]:
        return _by_name(self.vxlan_pools)

    @cached_property
    def _images(self) -> dict[str, RouterImage]:
        return _by_name(self.router_images)

    @cached_property
    def _offerings(self) -> dict[str, RouterOffering]:
        return _by_name(self.router_offerings)

    @cached_property
    def _vpcs(self) -> dict[tuple[str, str], Vpc]:
        return _by_owner(self.vpcs)

    @cached_property
    def _certificates(self) -> dict[tuple[str, str], Certificate]:
        return _by_owner(self.certificates)

    @cached_property
    def _address_groups(self) -> dict[tuple[str, str], AddressGroup]:
        return _by_owner(self.address_groups)

    @cached_property
    def _security_groups(self) -> dict[tuple[str, str], SecurityGroup]:
        return _by_owner(self.security_groups)

    @cached_property
    def _members(self) -> dict[str, list[NicRef]]:
        found: defaultdict[str, list[NicRef]] = defaultdict(list)
        for instance in self.instances:
            for index, nic in enumerate(instance.nics):
                for name in dict.fromkeys(nic.security_groups):
                    found[f"{instance.tenant}/{name}"].append(NicRef(instance, index))
        return dict(found)

    @cached_property
    def _vpc_of(self) -> dict[str, Vpc]:
        return {network.path: vpc for vpc in self.vpcs for network in vpc.networks}

    @cached_property
    def _networks_by_path(self) -> dict[str, VpcNetwork]:
        found: dict[str, VpcNetwork] = {}
        for vpc in self.vpcs:
            for network in vpc.networks:
                found.setdefault(f"{vpc.key}/{network.name}", VpcNetwork(vpc, network))
        return found

    @cached_property
    def _networks_by_name(self) -> dict[tuple[str, str], list[VpcNetwork]]:
        found: defaultdict[tuple[str, str], list[VpcNetwork]] = defaultdict(list)
        for one in self._networks_by_path.values():
            found[one.vpc.tenant, one.network.name].append(one)
        return dict(found)

    @cached_property
    def _instances(self) -> dict[tuple[str, str], Instance]:
        return _by_owner(self.instances)

    @cached_property
    def _nics(self) -> dict[str, list[NicRef]]:
        found: defaultdict[str, list[NicRef]] = defaultdict(list)
        for instance in self.instances:
            for index, nic in enumerate(instance.nics):
                network = self.attachment(instance.tenant, nic.network)
                if network is not None:
                    found[network.path].append(NicRef(instance, index))
        return dict(found)

    @cached_property
    def _pool_hosts(self) -> dict[str, dict[str, PoolCluster]]:
        found: dict[str, dict[str, PoolCluster]] = {}
        for pool in self.vxlan_pools:
            members = found.setdefault(pool.name, {})
            for cluster in pool.clusters:
                for host in self.hosts.groups.get(cluster.group, ()):
                    members.setdefault(host, cluster)
        return found

    @cached_property
    def _provider_hosts(self) -> dict[str, frozenset[str]]:
        return {network.name: frozenset(self.hosts_in(network.clusters)) for network in self.provider_networks}


def cluster_vtep(cluster: PoolCluster, facts: HostFacts) -> Vtep:
    """A host's VTEP in a pool's cluster: `weft_vtep_ip` if it has one, or its address in the CIDR. Raises VtepError."""
    if facts.vtep_ip is not None:
        return _given_vtep(facts)
    if facts.addresses is None:
        raise VtepError(
            "unseen",
            "has never been surveyed, so its addresses are not known",
            "Run the playbook weft.vpc.survey while the host can be reached, or set weft_vtep_ip on the host.",
        )
    return vtep_in_cidr(facts.addresses, cluster.vtep_cidr, cluster.interface)


def _given_vtep(facts: HostFacts) -> Vtep:
    try:
        address = IPv4Address(str(facts.vtep_ip))
    except (AddressValueError, ValueError):
        raise VtepError(
            "invalid",
            f"has the weft_vtep_ip '{facts.vtep_ip}', which is not an IPv4 address",
            "Set weft_vtep_ip to an address of the host, like 172.20.0.11.",
        ) from None
    holding = (interface for interface, own in facts.addresses or () if own.ip == address)
    return Vtep(next(holding, None), address)
