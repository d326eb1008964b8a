# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers that DHCP tells of (row A6)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Node
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.subnets import REFUSED
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import networks


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
        holders.append((network, "dns_servers", network.dns_servers))
        holders.append((network, "ntp_servers", network.ntp_servers))
    for node, key, addresses in holders:
        for index, address in enumerate(addresses):
            yield node.at(f"{key}[{index}]"), address
