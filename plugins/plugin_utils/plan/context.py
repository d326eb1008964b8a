# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the planner functions share: the intent, the ledger's values, and where each host's part is collected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address

from ansible_collections.weft.vpc.plugins.plugin_utils import addressing
from ansible_collections.weft.vpc.plugins.plugin_utils.model import PoolCluster, HostFacts, Instance, Intent, Network, Vpc, VxlanPool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import HostSlice


@dataclass
class Context:
    """One planning run. ``values`` maps ledger keys to allocated values."""

    intent: Intent
    values: Mapping[str, int | str]
    slices: dict[str, HostSlice] = field(default_factory=dict)

    def slice_of(self, host: str) -> HostSlice:
        """Return the slice of a host, begun if this is the first thing the host is told."""
        return self.slices.setdefault(host, HostSlice(host=host))

    def number(self, key: str) -> int:
        """Return an allocated number."""
        return int(self.values[key])

    def text(self, key: str) -> str:
        """Return an allocated address."""
        return str(self.values[key])

    def vni(self, network: Network, vpc: Vpc) -> int:
        """Return the VNI of a subnet's segment, which may be another subnet's."""
        owner = network.shared_segment_with or network.name
        return self.number(f"{vpc.tenant}/{vpc.name}/{owner}:vni")

    def vtep(self, pool: VxlanPool, host: str) -> str:
        """Return the address of a host that carries the pool's tunnels."""
        return self._vteps[pool.name, host]

    @cached_property
    def _vteps(self) -> dict[tuple[str, str], str]:
        found: dict[tuple[str, str], str] = {}
        for pool in self.intent.vxlan_pools:
            for attachment in pool.clusters:
                for host in self.intent.hosts.groups[attachment.group]:
                    facts = self.intent.hosts.by_name[host]
                    found[pool.name, host] = str(facts.vtep_ip or _discovered_vtep(facts, attachment))
        return found

    @cached_property
    def members(self) -> dict[tuple[str, str, str], list[tuple[Instance, int]]]:
        """The NICs on each VPC network, by (tenant, VPC, network), in order of their instances' names."""
        found: dict[tuple[str, str, str], list[tuple[Instance, int]]] = defaultdict(list)
        for instance in sorted(self.intent.instances, key=lambda one: (one.tenant, one.name)):
            for index, nic in enumerate(instance.nics):
                resolved = self.intent.network(instance.tenant, nic.network)
                if resolved is not None:
                    vpc, network = resolved
                    found[vpc.tenant, vpc.name, network.name].append((instance, index))
        return found

    def nic_address(self, tenant: str, reference: str) -> str:
        """Return the private address that a reference to an instance (and NIC) means."""
        resolved = self.intent.instance(tenant, reference)
        if resolved is None:
            message = f"{reference!r} of tenant {tenant!r} passed the rules though it names no instance"
            raise LookupError(message)
        instance, index = resolved
        return self.text(f"{nic_path(instance, index)}:ip")

    def provider_bridge(self, network: str) -> str:
        """Return the bridge of a provider network."""
        return names.provider_bridge(self.number(f"{network}:bridge"))


def _discovered_vtep(facts: HostFacts, attachment: PoolCluster) -> IPv4Address:
    return addressing.vtep_in_cidr(facts.addresses or (), attachment.vtep_cidr, attachment.interface).address


def nic_path(instance: Instance, index: int) -> str:
    """Return the object path of an instance's NIC."""
    return f"{instance.tenant}/{instance.name}/{index}"


def vpc_path(vpc: Vpc) -> str:
    """Return the object path of a VPC."""
    return f"{vpc.tenant}/{vpc.name}"


def network_path(vpc: Vpc, network: Network) -> str:
    """Return the object path of a VPC's network."""
    return f"{vpc.tenant}/{vpc.name}/{network.name}"
