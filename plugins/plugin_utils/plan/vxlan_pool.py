# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Segments: a bridge and a VXLAN device on exactly the hosts that have a port or a router on them (rows P1-P4, P7)."""

from __future__ import annotations

from ipaddress import IPv4Address

from ansible_collections.weft.vpc.plugins.plugin_utils import addressing
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Network, Vpc, VxlanPool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must, network_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import HostSlice, Segment, Station, VxlanPeer


def mtu(pool: VxlanPool, network: Network) -> int:
    """Return the MTU of a subnet: what was asked for, else all that the underlay leaves."""
    return network.mtu or addressing.overlay_mtu(pool.mtu, "vxlan", 4)


def plan(context: Context) -> None:
    """Give each host the segments it takes part in, with the peers that must hear a broadcast."""
    by_owner: dict[str, list[tuple[Vpc, Network]]] = {}
    for vpc in context.intent.vpcs:
        for network in vpc.networks:
            owner = network_path(*context.segment_owner(vpc, network))
            by_owner.setdefault(owner, []).append((vpc, network))
    for _owner, subnets in sorted(by_owner.items()):
        _plan_segment(context, subnets)
    for slice_ in context.slices.values():
        slice_.vxlan_peers = _peers(slice_)


def _plan_segment(context: Context, subnets: list[tuple[Vpc, Network]]) -> None:
    """Plan one segment; several subnets share it only where the intent asks for that."""
    owner_vpc, owner = context.segment_owner(*subnets[0])
    pool = must(context.intent.pool(owner.pool), owner.pool)
    vni = context.vni(owner_vpc, owner)
    stations = sorted(
        (station for _vpc, network in subnets for station in _stations(context, pool, network)),
        key=lambda entry: IPv4Address(entry[1].ip),
    )
    hosts = sorted({vpc.router.nodes[0] for vpc, _network in subnets} | {host for host, _station in stations})
    vteps = {host: context.vtep(pool, host) for host in hosts}
    macs = _macs(context, subnets)
    for host in hosts:
        slice_ = context.slice_of(host)
        slice_.segments.append(
            Segment(
                key=f"segment {network_path(owner_vpc, owner)}",
                source=owner.path,
                vni=vni,
                bridge=names.segment_bridge(vni),
                vxlan=names.vxlan_device(vni),
                udp_port=pool.udp_port,
                vtep=vteps[host],
                mtu=max(mtu(pool, network) for _vpc, network in subnets),
                flood=tuple(sorted((vteps[peer] for peer in hosts if peer != host), key=IPv4Address)),
                stations=tuple(station for where, station in stations if where != host),
                far_macs=None if macs is None else tuple(sorted(mac for mac, where in macs.items() if where != host)),
            )
        )
        if vteps[host] not in slice_.vteps:
            slice_.vteps.append(vteps[host])
        slice_.underlay_mtu = max(slice_.underlay_mtu, pool.mtu)


def _macs(context: Context, subnets: list[tuple[Vpc, Network]]) -> dict[str, str] | None:
    """Return the host of each MAC of a segment's NICs and routers; None if a NIC may have others as well."""
    nics = [nic for _vpc, network in subnets for nic in context.intent.nics_of(network)]
    if not all(nic.nic.port_security for nic in nics):
        return None
    found = {context.text(f"{network_path(vpc, network)}:router_mac"): vpc.router.nodes[0] for vpc, network in subnets}
    return found | {context.text(f"{nic.key}:mac"): nic.instance.host for nic in nics}


def _peers(slice_: HostSlice) -> list[VxlanPeer]:
    """Return whom a host has segments in common with."""
    found = {(one.vtep, peer, one.udp_port) for one in slice_.segments for peer in one.flood}
    return [
        VxlanPeer(*peer) for peer in sorted(found, key=lambda one: (IPv4Address(one[0]), IPv4Address(one[1]), one[2]))
    ]


def _stations(context: Context, pool: VxlanPool, network: Network) -> list[tuple[str, Station]]:
    """Return the addresses of a subnet's NICs with the host each is on; all stay until a new plan moves them."""
    return [
        (
            nic.instance.host,
            Station(
                mac=context.text(f"{nic.key}:mac"),
                ip=context.text(f"{one.address_key}:ip"),
                vtep=context.vtep(pool, nic.instance.host),
            ),
        )
        for nic in context.intent.nics_of(network)
        for one in nic.addresses
    ]
