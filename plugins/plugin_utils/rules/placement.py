# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Placement: hosts have what their instances and routers need (rows P3, P5, R1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Network, ProviderNetwork, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import router_provider_networks


@rule("WEFT-R1-nodes")
def one_node(intent: Intent) -> Iterator[Fault]:
    """A router is carried by exactly one node."""
    for vpc in intent.vpcs:
        nodes = vpc.router.nodes
        if not nodes:
            yield Fault(vpc.router.at("nodes"), None, "is an empty list, so nothing carries the router", "Name a host.")
        elif len(nodes) > 1:
            reason = f"names {len(nodes)} hosts, and pairs of routers are not supported yet"
            yield Fault(vpc.router.at("nodes"), ", ".join(nodes), reason, f"Name one host: nodes: [{nodes[0]}].")


@rule("WEFT-P3-reach")
def instances_reached(intent: Intent) -> Iterator[Fault]:
    """An instance's host is in a cluster of the pool of each of its networks."""
    for instance in intent.instances:
        for nic in instance.nics:
            network = intent.attachment(instance.tenant, nic.network)
            pool = intent.pool(network.pool) if isinstance(network, Network) else None
            if pool is None or network is None or intent.host(instance.host) is None:
                continue
            if instance.host not in intent.pool_hosts(pool):
                reason = f"is in no cluster of pool {pool.name} ({pool.path}.clusters), in which {network.name} is"
                remedy = _other_host([cluster.group for cluster in pool.clusters])
                yield Fault(instance.at("host"), instance.host, reason, remedy)


@rule("WEFT-P5-reach")
def provider_networks_reached(intent: Intent) -> Iterator[Fault]:
    """An instance with a NIC in a provider network is on a host that has the network."""
    for instance in intent.instances:
        for nic in instance.nics:
            network = intent.attachment(instance.tenant, nic.network)
            if not isinstance(network, ProviderNetwork) or intent.host(instance.host) is None:
                continue
            if instance.host not in intent.provider_hosts(network):
                yield _no_provider(instance.at("host"), instance.host, network)


@rule("WEFT-R3-reach")
def routers_reached(intent: Intent) -> Iterator[Fault]:
    """A router's node is in a cluster of the pool of each of the VPC's networks."""
    for vpc, path, node in _nodes(intent):
        for network in vpc.networks:
            pool = intent.pool(network.pool)
            if pool is not None and node not in intent.pool_hosts(pool):
                reason = f"is in no cluster of pool {pool.name} ({pool.path}.clusters), in which {network.name} is"
                remedy = _other_host([cluster.group for cluster in pool.clusters])
                yield Fault(path, node, reason, remedy)


@rule("WEFT-R1-reach")
def routers_public(intent: Intent) -> Iterator[Fault]:
    """A router's node has the public and management networks that the router needs."""
    for vpc, path, node in _nodes(intent):
        for network, _asked in router_provider_networks(intent, vpc).values():
            if node not in intent.provider_hosts(network):
                yield _no_provider(path, node, network)


def _nodes(intent: Intent) -> Iterator[tuple[Vpc, str, str]]:
    for vpc in intent.vpcs:
        for index, node in enumerate(vpc.router.nodes):
            if intent.host(node) is not None:
                yield vpc, vpc.router.at(f"nodes[{index}]"), node


def _no_provider(path: str, host: str, network: ProviderNetwork) -> Fault:
    reason = f"is in no cluster of provider network {network.name} ({network.path}.clusters)"
    return Fault(path, host, reason, _other_host(network.clusters))


def _other_host(groups: Sequence[str]) -> str:
    choice = f"Choose a host of group {' or '.join(dict.fromkeys(groups))}, or add" if groups else "Add"
    return f"{choice} a group of this host to the clusters."
