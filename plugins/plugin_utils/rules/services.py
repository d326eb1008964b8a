# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers, and the servers that DHCP tells of (rows B1, A6)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Node
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.subnets import REFUSED
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import networks


@rule("WEFT-B1-empty")
def something_behind(intent: Intent) -> Iterator[Fault]:
    """A load balancer has a listener, and a listener has a backend."""
    for vpc in intent.vpcs:
        for balancer in vpc.load_balancers:
            if not balancer.listeners:
                yield Fault(
                    balancer.at("listeners"), None, "is an empty list", "Add a listener, or remove the load balancer."
                )
            for listener in balancer.listeners:
                if not listener.backends:
                    yield Fault(
                        listener.at("backends"), None, "is an empty list", "Add a backend, or remove the listener."
                    )


@rule("WEFT-B1-twice")
def backends_differ(intent: Intent) -> Iterator[Fault]:
    """A listener names each backend once."""
    for vpc in intent.vpcs:
        for balancer in vpc.load_balancers:
            for listener in balancer.listeners:
                seen: dict[str, int] = {}
                for index, backend in enumerate(listener.backends):
                    nic = intent.instance(vpc.tenant, backend)
                    first = seen.setdefault(backend if nic is None else nic.address_key, index)
                    if first != index:
                        reason = f"is already a backend of {listener.name} ({listener.at(f'backends[{first}]')})"
                        yield Fault(listener.at(f"backends[{index}]"), backend, reason, "Name it once.")


@rule("WEFT-A6-server")
def servers(intent: Intent) -> Iterator[Fault]:
    """DNS and NTP servers have addresses that hosts can have."""
    for path, server in _servers(intent):
        refused = ((net, why) for net, why in REFUSED if server in net)
        found: tuple[IPv4Network, str] | None = next(refused, None)
        if found is not None:
            reason = f"lies in {found[0]}, which {found[1]}, so no client can ask it"
            yield Fault(path, str(server), reason, "Name the address of a server.")


def _servers(intent: Intent) -> Iterator[tuple[str, IPv4Address]]:
    holders: list[tuple[Node, str, tuple[IPv4Address, ...]]] = [
        (intent.fabric, "dns_servers", intent.fabric.dns_servers),
        *((network, "dns_servers", network.dns_servers) for network in intent.provider_networks),
        *((offering, "dns_servers", offering.dns_servers) for offering in intent.router_offerings),
    ]
    for _vpc, network in networks(intent):
        holders.append((network, "dns_servers", network.dns_servers or ()))
        holders.append((network, "ntp_servers", network.ntp_servers))
    for node, key, addresses in holders:
        for index, address in enumerate(addresses):
            yield node.at(f"{key}[{index}]"), address
