# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What on a host would break what its slice asks for, found by the survey before anything is changed (row P11)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Interface
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, Severity
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Slice

Survey = Mapping[str, Any]


def check(host: str, slice_: Slice, survey: Survey) -> list[Finding]:
    """Return everything the survey of a host found in the way of its slice."""
    return [
        *_vteps(host, slice_, survey),
        *_nics(host, slice_, survey),
        *_managers(host, slice_, survey),
        *_features(host, slice_, survey),
        *_facts(host, survey),
    ]


def _vteps(host: str, slice_: Slice, survey: Survey) -> Iterator[Finding]:
    links = survey["addresses"]
    by_address = {str(IPv4Interface(one).ip): name for name, link in links.items() for one in link["addresses"]}
    for vtep in slice_["vteps"]:
        if vtep not in by_address:
            shown = ", ".join(f"{one} ({name})" for one, name in sorted(by_address.items()))
            yield _finding(
                "WEFT-P2-vtep-gone",
                host,
                vtep,
                f"is the planned VTEP of {host}, but the host has only {shown}",
                "Give the host its address back, or make a new plan.",
            )
        elif links[by_address[vtep]]["mtu"] < slice_["underlay_mtu"]:
            yield _finding(
                "WEFT-P7-underlay-mtu",
                host,
                links[by_address[vtep]]["mtu"],
                f"is the MTU of {by_address[vtep]}, but its pool counts on {slice_['underlay_mtu']}",
                f"Raise the MTU of {by_address[vtep]} or lower the pool's mtu.",
            )


def _nics(host: str, slice_: Slice, survey: Survey) -> Iterator[Finding]:
    for nic in slice_["nics"]:
        link = survey["addresses"].get(nic["interface"])
        if link is None:
            shown = ", ".join(sorted(survey["addresses"]))
            yield _finding(
                "WEFT-P5-nic-missing",
                host,
                nic["interface"],
                f"is the NIC of a provider network, but {host} has only {shown}",
                "Correct the provider network's interface, or set weft_provider_interfaces on the host.",
            )
        elif link["addresses"]:
            yield _finding(
                "WEFT-P5-nic-in-use",
                host,
                nic["interface"],
                f"carries the host's own address {', '.join(link['addresses'])}, lost to a bridge's port",
                "Use a NIC without addresses for provider networks, or move the address to another interface.",
            )
        elif link.get("master") not in (None, "", nic["bridge"]) and not _is_ours(link["master"], survey):
            yield _finding(
                "WEFT-P5-nic-in-use",
                host,
                nic["interface"],
                f"is a port of {link['master']} already",
                "Use a NIC that nothing else uses.",
            )


def _is_ours(bridge: str, survey: Survey) -> bool:
    """True for the bridge of a provider network, which a run takes its NIC from."""
    return f"provider_network/{bridge}" in survey["manifest"]["recorded"]


def _managers(host: str, slice_: Slice, survey: Survey) -> Iterator[Finding]:
    """Two programs that configure one NIC undo each other's work."""
    for nic in slice_["nics"]:
        manager = survey["preflight"]["managers"].get(nic["interface"])
        if manager is not None:
            yield _finding(
                "WEFT-P11-nic-managed",
                host,
                nic["interface"],
                f"is the NIC of a provider network, and {manager} configures it too",
                f"Take {nic['interface']} out of {manager}'s configuration.",
            )


def _features(host: str, slice_: Slice, survey: Survey) -> Iterator[Finding]:
    """A kernel that was cut down may lack what only some plans need."""
    routers, vlans = slice_["routers"], [one for one in slice_["provider_bridges"] if one["vlan"] is not None]
    inbound = [router for router in routers if router["shaped_links"]]
    limited = [port for port in slice_["ports"] if port["classes"] or port["egress"]]
    needed = {
        "bridge": (slice_["segments"] or slice_["provider_bridges"], "bridges"),
        "vxlan": (slice_["segments"], "segments of VXLAN pools"),
        "vlan": (vlans, "provider networks on a VLAN"),
        "veth": (routers or [one for one in limited if one["egress"]], "links of VPC routers and limits of bandwidth"),
        "htb": (inbound or limited, "limits of bandwidth"),
        "nft_bridge": (slice_["segments"] or slice_["provider_bridges"], "the rules of its bridges"),
        "nft_bridge_ct": (slice_["grouped"], "security groups, which track connections on bridges"),
        "nft_nat": (routers, "address translation in VPC routers"),
        "esp": ([router for router in routers if router["ipsec"]], "IPsec connections"),
        "user_namespaces": (routers, "VPC routers, which run in user namespaces"),
        "overlay": (routers, "VPC routers, whose file systems are overlays"),
    }
    for feature, (users, purpose) in needed.items():
        if users and not survey["preflight"]["features"].get(feature, True):
            yield _finding(
                "WEFT-P11-kernel-feature",
                host,
                feature,
                f"is missing in the kernel of {host}, but the plan needs it for {purpose}",
                "Load the kernel module, run a kernel of the distribution, or use another host.",
            )


def _facts(host: str, survey: Survey) -> Iterator[Finding]:
    """Pass on what the survey itself found wrong; it knows the host, this side only the words."""
    for found in survey["preflight"]["findings"]:
        yield _finding(
            found["rule"], host, found["value"], found["reason"], found["remedy"], found.get("severity", "error")
        )


def _finding(rule: str, host: str, value: object, reason: str, remedy: str, severity: Severity = "error") -> Finding:
    return Finding(rule, f"host {host}", value, reason, remedy, severity)
