# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What NICs may send (row F3)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule


@rule("WEFT-F3-idle")
def exceptions_of_something(intent: Intent) -> Iterator[Fault]:
    """Only a NIC with port security names addresses that it may send from besides."""
    for instance in intent.instances:
        for nic in instance.nics:
            if nic.allowed_addresses and not nic.port_security:
                reason = (
                    f"does nothing: with port_security: false ({nic.at('port_security')}) the NIC may send anything"
                )
                remedy = "Remove port_security to allow these addresses only, or remove them."
                yield Fault(nic.at("allowed_addresses"), None, reason, remedy)


@rule("WEFT-F3-gateway")
def gateways_are_the_routers(intent: Intent) -> Iterator[Fault]:
    """No NIC may send from an address of its VPC's router."""
    for vpc in intent.vpcs:
        for network in vpc.networks:
            for ref in intent.nics_of(network):
                for index, cidr in enumerate(ref.nic.allowed_addresses):
                    if network.gateway_ip in cidr:
                        where = f"the gateway of {network.name}, {network.gateway_ip} ({network.path})"
                        reason = f"holds {where}: the instance could speak for the router to its neighbours"
                        remedy = "Name prefixes without it, or write port_security: false if it is to stand in for it."
                        yield Fault(ref.nic.at(f"allowed_addresses[{index}]"), str(cidr), reason, remedy)
