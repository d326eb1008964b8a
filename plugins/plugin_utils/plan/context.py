# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the planner functions share: the intent, the ledger's values, and where each host's part is collected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Network, Vpc, VxlanPool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import HostSlice

T = TypeVar("T")


@dataclass
class Context:
    """One planning run. ``values`` maps ledger keys to allocated values, ``certificates`` `tenant/name` to a digest,
    and the same with `:certificate` and `:key` to those of its halves."""

    intent: Intent
    values: Mapping[str, int | str]
    certificates: Mapping[str, str] = field(default_factory=dict)
    slices: dict[str, HostSlice] = field(default_factory=dict)
    _vteps: dict[tuple[str, str], str] = field(default_factory=dict)

    def slice_of(self, host: str) -> HostSlice:
        """Return the slice of a host, begun if this is the first thing the host is told."""
        return self.slices.setdefault(host, HostSlice(self.intent.fabric.name, host))

    def number(self, key: str) -> int:
        """Return an allocated number."""
        return int(self.values[key])

    def text(self, key: str) -> str:
        """Return an allocated address."""
        return str(self.values[key])

    def vni(self, vpc: Vpc, network: Network) -> int:
        """Return the VNI of a subnet's segment, which may be another subnet's."""
        owner = self.segment_owner(vpc, network)
        return self.number(f"{network_path(*owner)}:vni")

    def segment_owner(self, vpc: Vpc, network: Network) -> tuple[Vpc, Network]:
        """Return the subnet whose segment a subnet is on: itself, unless it shares another's."""
        if network.shared_segment_with is None:
            return vpc, network
        return must(self.intent.network(vpc.tenant, network.shared_segment_with), network.shared_segment_with)

    def shares_dhcp(self, vpc: Vpc, network: Network) -> bool:
        """Return whether another subnet on the same segment has DHCP, whose server hears all who ask."""
        return self._dhcp_servers[network_path(*self.segment_owner(vpc, network))] > 1

    @cached_property
    def _dhcp_servers(self) -> Counter[str]:
        """How many subnets with DHCP each segment has, by the path of the subnet whose segment it is."""
        subnets = ((vpc, network) for vpc in self.intent.vpcs for network in vpc.networks if network.dhcp)
        return Counter(network_path(*self.segment_owner(vpc, network)) for vpc, network in subnets)

    def vtep(self, pool: VxlanPool, host: str) -> str:
        """Return the address of a host that carries the pool's tunnels."""
        found = self._vteps.get((pool.name, host))
        if found is None:
            found = self._vteps[pool.name, host] = str(self.intent.vtep(pool, host).address)
        return found

    def nic_address(self, tenant: str, reference: str) -> str:
        """Return the private address that a reference to an instance (and NIC, and secondary IP) means."""
        return self.text(f"{must(self.intent.instance(tenant, reference), reference).address_key}:ip")

    def provider_bridge(self, network: str) -> str:
        """Return the bridge of a provider network."""
        return names.provider_bridge(self.number(f"{network}:bridge"))


def must(found: T | None, reference: str) -> T:
    """Return what a reference means; that it means something is what the rules have checked."""
    if found is None:
        message = f"{reference!r} passed the rules though it names nothing"
        raise LookupError(message)
    return found


def network_path(vpc: Vpc, network: Network) -> str:
    """Return the object path of a VPC's network."""
    return f"{vpc.key}/{network.name}"
