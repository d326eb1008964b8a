# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The servers and options that DHCP tells of (row A6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.dhcp_options import (
    MOST_ADDRESSES,
    OptionError,
    dhcp_option,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.roles import edge
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.routes import connected_networks


class _Asked(NamedTuple):
    """A list of servers, and the networks that whoever asks them is in."""

    node: Node
    key: str
    addresses: Sequence[IPv4Address]
    networks: Sequence[IPv4Network]


@rule("WEFT-A6-server")
def servers(intent: Intent) -> Iterator[Fault]:
    """DNS and NTP servers are hosts: no network or broadcast address of the networks that they are asked from."""
    for node, key, addresses, networks in _asked(intent):
        for index, address in enumerate(addresses):
            reason = next((why for network in networks if (why := edge(address, network))), None)
            if reason is not None:
                path = node.at(f"{key}[{index}]")
                yield Fault(path, str(address), f"{reason}, so no client can ask it", "Name the address of a server.")


@rule("WEFT-A6-servers")
def servers_few(intent: Intent) -> Iterator[Fault]:
    """A network gives out no more DNS and NTP servers than dnsmasq's file has room for."""
    for vpc in intent.vpcs:
        for network in vpc.networks:
            for key in ("dns_servers", "ntp_servers"):
                if len(addresses := getattr(network, key)) > MOST_ADDRESSES:
                    reason = f"has {len(addresses)} servers, and dnsmasq's file has room for {MOST_ADDRESSES}"
                    yield Fault(network.at(key), None, reason, "Name fewer.")


@rule("WEFT-A6-value")
def options_typed(intent: Intent) -> Iterator[Fault]:
    """A DHCP option has a value of its kind, and reaches guests byte for byte."""
    for vpc in intent.vpcs:
        for network in vpc.networks:
            for code, value in network.dhcp_options.items():
                try:
                    dhcp_option(code, value)
                except OptionError as error:
                    yield Fault(network.at(f"dhcp_options[{code}]"), value, error.reason, error.remedy)


def _asked(intent: Intent) -> Iterator[_Asked]:
    public = [offering.public_network for offering in intent.router_offerings]
    yield _Asked(intent.fabric, "dns_servers", intent.fabric.dns_servers, _subnets(intent, public))
    for one in intent.provider_networks:
        yield _Asked(one, "dns_servers", one.dns_servers, _subnets(intent, [one.name]))
    for offering in intent.router_offerings:
        yield _Asked(offering, "dns_servers", offering.dns_servers, _subnets(intent, [offering.public_network]))
    for vpc in intent.vpcs:
        connected = [item.cidr for item in connected_networks(intent, vpc)]
        for network in vpc.networks:
            yield _Asked(network, "dns_servers", network.dns_servers, connected)
            yield _Asked(network, "ntp_servers", network.ntp_servers, connected)


def _subnets(intent: Intent, names: Iterable[str]) -> list[IPv4Network]:
    found = (intent.provider_network(name) for name in dict.fromkeys(names))
    return [one.cidr for one in found if one is not None and one.cidr is not None]
