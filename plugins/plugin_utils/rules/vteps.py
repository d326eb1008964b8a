# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""VTEPs: every host of a pool's clusters has exactly one, of its own (row P2)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import Vtep, VtepError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Intent, PoolCluster, VxlanPool
from ansible_collections.weft.vpc.plugins.plugin_utils.model.intent import cluster_vtep
from ansible_collections.weft.vpc.plugins.plugin_utils.model.roles import no_host
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder


class _Member(NamedTuple):
    pool: VxlanPool
    cluster: PoolCluster
    host: HostFacts


def _members(intent: Intent) -> Iterator[_Member]:
    for pool in intent.vxlan_pools:
        for cluster in pool.clusters:
            for name in dict.fromkeys(intent.hosts.groups.get(cluster.group, ())):
                host = intent.host(name)
                if host is not None:
                    yield _Member(pool, cluster, host)


def _vtep(member: _Member) -> Vtep | None:
    try:
        return cluster_vtep(member.cluster, member.host)
    except VtepError:
        return None


def _unsettled(intent: Intent, kind: str, key: str = "vtep_cidr") -> Iterator[Fault]:
    for member in _members(intent):
        try:
            cluster_vtep(member.cluster, member.host)
        except VtepError as error:
            if error.kind == kind:
                value = getattr(member.cluster, key)
                reason = f"does not settle the VTEP of host {member.host.name}, which {error}"
                yield Fault(member.cluster.at(key), str(value), reason, error.remedy)


@rule("WEFT-P2-missing")
def missing(intent: Intent) -> Iterator[Fault]:
    """Every host of a pool's cluster has an address in the cluster's VTEP CIDR, or `weft_vtep_ip`."""
    yield from _unsettled(intent, "missing")


@rule("WEFT-P2-ambiguous")
def ambiguous(intent: Intent) -> Iterator[Fault]:
    """Where several interfaces have an address in the VTEP CIDR, one is named."""
    yield from _unsettled(intent, "ambiguous")


@rule("WEFT-P2-interface")
def other_interface(intent: Intent) -> Iterator[Fault]:
    """The interface that is named has the address."""
    yield from _unsettled(intent, "interface", "interface")


@rule("WEFT-P2-unseen")
def unseen(intent: Intent) -> Iterator[Fault]:
    """The addresses of every host of a pool's cluster are known."""
    yield from _unsettled(intent, "unseen")


@rule("WEFT-P2-invalid")
def invalid(intent: Intent) -> Iterator[Fault]:
    """A VTEP, by CIDR or by `weft_vtep_ip`, is an address that a host can have."""
    for name in dict.fromkeys(member.host.name for member in _members(intent)):
        host = intent.hosts.by_name[name]
        reason = None if host.vtep_ip is None else _no_address(str(host.vtep_ip))
        if reason is not None:
            remedy = "Set it to an address of the host, like 172.20.0.11, or remove it."
            yield Fault(host.path("weft_vtep_ip"), host.vtep_ip, reason, remedy)

    for member in _members(intent):
        vtep = _vtep(member)
        if vtep is not None and member.host.vtep_ip is None and (reason := no_host(vtep.address)):
            why = f"gives host {member.host.name} the VTEP {vtep.address}, which {reason}"
            remedy = "Name the network between the hosts."
            yield Fault(member.cluster.at("vtep_cidr"), str(member.cluster.vtep_cidr), why, remedy)


def _no_address(text: str) -> str | None:
    try:
        return no_host(IPv4Address(text))
    except ValueError:
        return "is not an IPv4 address"


@rule("WEFT-P2-taken")
def taken(intent: Intent) -> Iterator[Fault]:
    """No two hosts of a pool have one VTEP."""
    holders: dict[tuple[str, IPv4Address], HostFacts] = {}
    for member in _members(intent):
        vtep = _vtep(member)
        if vtep is None:
            continue
        first = holders.setdefault((member.pool.path, vtep.address), member.host)
        if first.name != member.host.name:
            yield Fault(
                member.cluster.at("vtep_cidr"),
                str(member.cluster.vtep_cidr),
                f"gives hosts {first.name} and {member.host.name} the same VTEP {vtep.address}",
                "Give each host an address of its own.",
            )


@rule("WEFT-P2-clusters")
def several_clusters(intent: Intent) -> Iterator[Fault]:
    """A host in several clusters of a pool has the same VTEP in all of them."""
    first_of: dict[tuple[str, str], tuple[PoolCluster, Vtep]] = {}
    for member in _members(intent):
        vtep = _vtep(member)
        if vtep is None:
            continue
        cluster, first = first_of.setdefault((member.pool.path, member.host.name), (member.cluster, vtep))
        if first.address != vtep.address:
            yield Fault(
                member.cluster.at("vtep_cidr"),
                str(member.cluster.vtep_cidr),
                f"gives host {member.host.name} the VTEP {vtep.address}, and "
                f"{holder(f'group {cluster.group}', cluster.path)} of the same pool gives it {first.address}",
                "Take the host out of one of the groups, or set weft_vtep_ip on it.",
            )
