# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Segments: a bridge and a VXLAN device on exactly the hosts that have a port or a router on them (rows P1-P4, P7)."""

from __future__ import annotations

from ipaddress import IPv4Address

from ansible_collections.weft.vpc.plugins.plugin_utils import addressing
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Network, Vpc, VxlanPool
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, nic_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Segment, Station


def mtu(pool: VxlanPool, network: Network) -> int:
    """Return the MTU of a subnet: what was asked for, else all that the underlay leaves."""
    return network.mtu or addressing.overlay_mtu(pool.mtu, "vxlan", 4)


def plan(context: Context) -> None:
    """Give each host the segments it takes part in, with the peers that must hear a broadcast."""
    by_segment: dict[tuple[str, int], list[tuple[Vpc, Network]]] = {}
    for vpc in context.intent.vpcs:
        for network in vpc.networks:
            by_segment.setdefault((network.pool, context.vni(network, vpc)), []).append((vpc, network))
    for (pool_name, vni), subnets in sorted(by_segment.items()):
        pool = context.intent.pool(pool_name)
        if pool is not None:
            _plan_segment(context, pool, vni, subnets)


def _plan_segment(context: Context, pool: VxlanPool, vni: int, subnets: list[tuple[Vpc, Network]]) -> None:
    """Plan one segment; several subnets share it only where the intent asks for that."""
    stations = [station for vpc, network in subnets for station in _stations(context, pool, vpc, network)]
    routers = {vpc.router.nodes[0] for vpc, _network in subnets}
    hosts = sorted(routers | {host for host, _station in stations})
    vteps = {host: context.vtep(pool, host) for host in hosts}
    owner_vpc, owner = next(
        (pair for pair in subnets if pair[1].shared_segment_with is None),
        subnets[0],
    )
    for host in hosts:
        context.slice_of(host).segments.append(
            Segment(
                key=f"segment {owner_vpc.tenant}/{owner_vpc.name}/{owner.name}",
                source=owner.path,
                vni=vni,
                bridge=names.segment_bridge(vni),
                vxlan=names.vxlan_device(vni),
                udp_port=pool.udp_port,
                vtep=vteps[host],
                mtu=max(mtu(pool, network) for _vpc, network in subnets),
                flood=tuple(sorted((vteps[peer] for peer in hosts if peer != host), key=IPv4Address)),
                stations=tuple(station for where, station in stations if where != host),
            )
        )
        _note_vtep(context, pool, host)


def _stations(context: Context, pool: VxlanPool, vpc: Vpc, network: Network) -> list[tuple[str, Station]]:
    """Return the NICs of a subnet with the host each is on; all of them stay until a new plan moves them."""
    found = []
    for instance, index in context.members.get((vpc.tenant, vpc.name, network.name), []):
        path = nic_path(instance, index)
        station = Station(
            mac=context.text(f"{path}:mac"),
            ip=context.text(f"{path}:ip"),
            vtep=context.vtep(pool, instance.host),
        )
        found.append((instance.host, station))
    return found


def _note_vtep(context: Context, pool: VxlanPool, host: str) -> None:
    slice_ = context.slice_of(host)
    vtep = context.vtep(pool, host)
    if vtep not in slice_.vteps:
        slice_.vteps.append(vtep)
    slice_.underlay_mtu = max(slice_.underlay_mtu, pool.mtu)
