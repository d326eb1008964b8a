# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Provider networks: their VLANs, their NICs, and what they are used for (row P5)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.devices import no_nic
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, ProviderNetwork
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import INTERFACE_PATTERN
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.references import provider_references
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder


@rule("WEFT-P5-type")
def vlan_type(intent: Intent) -> Iterator[Fault]:
    """A provider network of type vlan has a VLAN id, one of type flat has none."""
    for network in intent.provider_networks:
        if network.type == "vlan" and network.vlan is None:
            yield Fault(
                network.at("vlan"), None, "is missing, and type vlan needs it", "Add vlan: a number from 1 to 4094."
            )
        if network.type == "flat" and network.vlan is not None:
            remedy = "Write type: vlan, or remove vlan."
            yield Fault(network.at("vlan"), network.vlan, "is given, but the network's type is flat", remedy)


@rule("WEFT-P5-clash")
def same_nic(intent: Intent) -> Iterator[Fault]:
    """On a NIC of a host there is at most one flat provider network, and one for each VLAN."""
    holders: dict[tuple[str, str, int | None], ProviderNetwork] = {}
    told: set[tuple[str, str]] = set()
    for network in intent.provider_networks:
        for host in sorted(intent.provider_hosts(network)):
            nic = intent.provider_interface(network, host)
            first = holders.setdefault((host, nic, network.vlan), network)
            if first is not network and (first.path, network.path) not in told:
                told.add((first.path, network.path))
                yield _clash(first, network, f"{nic} of host {host}")


def _clash(first: ProviderNetwork, network: ProviderNetwork, where: str) -> Fault:
    what = "flat" if network.vlan is None else f"VLAN {network.vlan}"
    return Fault(
        network.at("interface"),
        network.interface,
        f"has two networks that are {what}: {network.name} and {holder(first.name, first.path)}, both on {where}",
        "Use another NIC or VLAN, or make the two one network.",
    )


@rule("WEFT-P5-service")
def services(intent: Intent) -> Iterator[Fault]:
    """A provider network is used only for the services that it names."""
    for reference, service in provider_references(intent):
        network = intent.provider_network(reference.name)
        if network is not None and service not in network.services:
            yield _not_for(reference.path, network, service)
    for instance in intent.instances:
        for nic in instance.nics:
            found = intent.attachment(instance.tenant, nic.network)
            if isinstance(found, ProviderNetwork) and "guest" not in found.services:
                yield _not_for(nic.at("network"), found, "guest")


def _not_for(path: str, network: ProviderNetwork, service: str) -> Fault:
    named = ", ".join(network.services) or "none"
    reason = f"is used as a {service} network here, and its services are {named} ({network.path}.services)"
    return Fault(
        path, network.name, reason, f"Add {service} to the services of {network.name}, or use another network."
    )


@rule("WEFT-P5-device")
def nics_of_hosts(intent: Intent) -> Iterator[Fault]:
    """The NIC of a provider network or of a VTEP is a host's own: no device of ours, and not the loopback device."""
    named = [(one.at("interface"), one.interface) for one in intent.provider_networks]
    clusters = (cluster for pool in intent.vxlan_pools for cluster in pool.clusters)
    named += [(one.at("interface"), one.interface) for one in clusters if one.interface is not None]
    for host in intent.hosts.by_name.values():
        named += [(f"{host.path('weft_provider_interfaces')}.{key}", str(nic)) for key, nic in host.interfaces.items()]
    for path, nic in named:
        reason = no_nic(nic)
        if reason is not None:
            yield Fault(path, nic, reason, "Name a NIC of the host, like eth1.")


@rule("WEFT-P5-interfaces")
def host_interfaces(intent: Intent) -> Iterator[Fault]:
    """`weft_provider_interfaces` of a host names provider networks, and valid NICs."""
    for host in intent.hosts.by_name.values():
        for name, nic in host.interfaces.items():
            path = f"{host.path('weft_provider_interfaces')}.{name}"
            if intent.provider_network(name) is None:
                yield Fault(
                    path, nic, "is for a provider network that does not exist", "Use a name of weft_provider_networks."
                )
            elif not re.fullmatch(INTERFACE_PATTERN, str(nic)):
                yield Fault(path, nic, "is not an interface name", "Write the name of a NIC, like eth1.")
