# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""BGP and OSPF with the upstream, which learns the VPC's public addresses by them (row R7)."""

from __future__ import annotations

from ipaddress import IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.model import BgpNeighbor as WantedNeighbor
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Bgp, BgpNeighbor, Link, Ospf, Peer

_BGP, _BFD = ("tcp", 179), ("udp", 3784)
_OSPF = "89"
#: All OSPF routers of a link, and its designated ones (RFC 2328, appendix A.1).
_OSPF_GROUPS = ("224.0.0.5", "224.0.0.6")
_EVERYTHING = IPv4Network("0.0.0.0/0")


def bgp(vpc: Vpc, public: dict[str, Link]) -> Bgp | None:
    """Return a VPC's BGP, with its neighbors by address."""
    wanted = vpc.router.bgp
    if wanted is None:
        return None
    return Bgp(
        asn=wanted.asn,
        router_id=str(wanted.router_id or _first(public).address),
        neighbors=tuple(_neighbor(vpc, one, public) for one in sorted(wanted.neighbors, key=lambda one: one.address)),
    )


def ospf(vpc: Vpc, public: dict[str, Link]) -> Ospf | None:
    """Return a VPC's OSPF."""
    wanted = vpc.router.ospf
    if wanted is None:
        return None
    link = public[wanted.network] if wanted.network else _first(public)
    return Ospf(
        key=f"OSPF {vpc.key}",
        source=wanted.path,
        interface=link.inner,
        local_address=link.address,
        network=link.cidr,
        router_id=str(wanted.router_id or _first(public).address),
        area=str(wanted.area),
        hello_interval=wanted.hello_interval,
        dead_interval=wanted.dead_interval,
        key_id=wanted.key_id,
        password=wanted.password,
        accept=_prefixes(wanted.accept),
    )


def peers(bgp: Bgp | None, ospf: Ospf | None) -> tuple[Peer, ...]:
    """Return who may send the router packets of these protocols."""
    found = [
        Peer(one.key, one.interface, f"{one.address}/32", one.local_address, *service)
        for one in (bgp.neighbors if bgp else ())
        for service in ((_BGP, _BFD) if one.bfd else (_BGP,))
    ]
    if ospf:
        addresses = (ospf.local_address, *_OSPF_GROUPS)
        found += [Peer(ospf.key, ospf.interface, ospf.network, one, _OSPF, 0) for one in addresses]
    return tuple(found)


def learns_default(vpc: Vpc) -> bool:
    """Whether a VPC's router takes a default route that its upstream tells it."""
    protocols = (*(vpc.router.bgp.neighbors if vpc.router.bgp else ()), *([vpc.router.ospf] if vpc.router.ospf else ()))
    return any(_EVERYTHING in one.accept for one in protocols)


def _neighbor(vpc: Vpc, wanted: WantedNeighbor, public: dict[str, Link]) -> BgpNeighbor:
    link = next(link for link in public.values() if wanted.address in IPv4Network(link.cidr))
    return BgpNeighbor(
        key=f"BGP neighbor {vpc.key}/{wanted.address}",
        source=wanted.path,
        address=str(wanted.address),
        asn=wanted.asn,
        interface=link.inner,
        local_address=link.address,
        network=link.cidr,
        password=wanted.password,
        keepalive=wanted.keepalive,
        hold_time=wanted.hold_time,
        bfd=wanted.bfd,
        accept=_prefixes(wanted.accept),
    )


def _prefixes(accept: tuple[IPv4Network, ...]) -> tuple[str, ...]:
    return tuple(str(prefix) for prefix in sorted(set(accept)))


def _first(public: dict[str, Link]) -> Link:
    return next(iter(public.values()))
