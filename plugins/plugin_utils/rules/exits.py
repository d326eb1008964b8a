# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several public networks on one router, and who leaves by which (row R4)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, snat_choices, vpc_addresses


@rule("WEFT-R4-twice")
def networks_once(intent: Intent) -> Iterator[Fault]:
    """A router's public networks are named once, and differ from its offering's."""
    for vpc in intent.vpcs:
        offering = intent.offering(vpc.router.offering)
        seen = {} if offering is None else {offering.public_network: offering.at("public_network")}
        for one in vpc.router.public_networks:
            first = seen.setdefault(one.network, one.at("network"))
            if first != one.at("network"):
                reason = f"is a public network of the router of {vpc.name} already ({first})"
                yield Fault(one.at("network"), one.network, reason, "Name each public network once.")


@rule("WEFT-R4-gateway")
def networks_lead_on(intent: Intent) -> Iterator[Fault]:
    """A further public network of a router has a gateway."""
    for vpc in intent.vpcs:
        for one in vpc.router.public_networks:
            network = intent.provider_network(one.network)
            if network is not None and network.gateway is None:
                reason = f"is to lead the router of {vpc.name} out, and has no gateway ({network.path})"
                yield Fault(one.at("network"), one.network, reason, f"Give {one.network} a gateway.")


@rule("WEFT-R4-link")
def addresses_linked(intent: Intent) -> Iterator[Fault]:
    """Virtual and elastic IPs, and what a network or NIC leaves by, are of public networks that the router is in."""
    for vpc in intent.vpcs:
        known = intent.public_networks(vpc)
        if intent.offering(vpc.router.offering) is None:
            continue
        for item in vpc_addresses(vpc):
            if item.network not in known and intent.provider_network(item.network) is not None:
                yield _unlinked(vpc, item.at("network"), item.network, known)
        for snat in snat_choices(intent, vpc):
            if snat.network is not None and snat.network not in known:
                yield _unlinked(vpc, snat.at("network"), snat.network, known)


def _unlinked(vpc: Vpc, path: str, name: str, known: tuple[str, ...]) -> Fault:
    reason = f"is no public network of the router of {vpc.name} ({vpc.router.path}), which is in {', '.join(known)}"
    return Fault(path, name, reason, f"Add {{network: {name}}} to its public_networks, or use one that it is in.")


@rule("WEFT-R4-exit")
def one_exit(intent: Intent) -> Iterator[Fault]:
    """A network or a NIC that leaves as a virtual IP leaves by the network of that."""
    for vpc in intent.vpcs:
        virtual = {one.name: one for one in vpc.virtual_ips}
        for snat in snat_choices(intent, vpc):
            chosen, vip = snat.network, virtual.get(snat.virtual_ip or "")
            if chosen is not None and vip is not None and vip.network != chosen:
                reason = f"is not the network of {holder(vip.name, vip.path)}, which is in {vip.network}"
                remedy = "Leave network out, or choose a virtual IP of that network."
                yield Fault(snat.at("network"), chosen, reason, remedy)
