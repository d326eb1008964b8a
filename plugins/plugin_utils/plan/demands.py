# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a plan needs from the ledger: one request per VNI, address, MAC and device number.

A key is the object's path and what is wanted of it (``admin/vpc-1/vpc-1-1:vni``); the scope is the domain in which the
value must be unique. Device numbers are unique in the fabric, so that a port keeps its name when it moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Candidates, Request, macs, numbers
from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    ElasticIp,
    Instance,
    Intent,
    Network,
    NicRef,
    VirtualIp,
    Vpc,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names, qos, routes, security_group
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import network_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.dedicated import Dedicated, spans

#: Traffic classes have 16 bits, and a public address has a pair of them.
_PAIRS = numbers([(1, 32000)])
#: Device numbers: with their prefix they stay well within a device name.
_NUMBERS = numbers([(1, 2**31 - 1)])
#: Zones of connections have 16 bits; the lower half is left to whatever else tracks connections on a host.
_ZONES = numbers([(2**15, 2**16 - 1)])
#: Numbers of a router's public networks besides the offering's, which is 1: they fit into one byte of a packet's mark.
_EXITS = numbers([(2, 255)])

#: Ranges of user ids for routers.
_IDS = numbers([(1, names.LAST_UIDS)])


def requests(intent: Intent) -> Iterator[Request]:
    """Yield every request of an intent."""
    dedicated = Dedicated(intent)
    for network in intent.provider_networks:
        yield Request(
            f"{network.name}:bridge", "bridge", None, _NUMBERS, network.path, f"provider network {network.name}"
        )
    for vpc in intent.vpcs:
        providers = dedicated.addresses(vpc.tenant)
        yield from _router(intent, vpc, providers)
        yield from _public_addresses(vpc, providers)
        yield from _route_tables(vpc)
        for subnet in vpc.networks:
            yield from _network(intent, vpc, subnet, dedicated)
        yield from _balancers(vpc)
        yield from _public_classes(vpc)
    for instance in intent.instances:
        yield from _instance(intent, instance, dedicated.addresses(instance.tenant))
    yield from _zones(intent)


def _router(intent: Intent, vpc: Vpc, providers: Mapping[str, Candidates]) -> Iterator[Request]:
    path, place, subject = vpc.key, f"{vpc.path}.router", f"router of VPC {vpc.name}"
    offering = intent.offering(vpc.router.offering)
    if offering is not None:
        public, given = offering.public_network, vpc.router.public_ip
        fixed = str(given) if given else None
        yield Request(f"{path}:public_ip", f"ip:{public}", fixed, providers[public], place, subject)
        if offering.management_network is not None:
            inside = providers[offering.management_network]
            yield Request(f"{path}:management_ip", f"ip:{offering.management_network}", None, inside, place, subject)
            yield from _port(f"{path}:management", place, subject)
    yield from _port(f"{path}:public", place, subject)
    yield Request(f"{path}:ids", "ids", None, _IDS, place, subject)
    for one in vpc.router.public_networks:
        prefix, fixed = f"{path}/{one.network}", str(one.ip) if one.ip else None
        yield Request(f"{prefix}:public_ip", f"ip:{one.network}", fixed, providers[one.network], one.path, subject)
        yield Request(f"{prefix}:exit", f"exit:{path}", None, _EXITS, one.path, subject)
        yield from _port(f"{prefix}:public", one.path, subject)


def _public_addresses(vpc: Vpc, providers: Mapping[str, Candidates]) -> Iterator[Request]:
    both: tuple[tuple[str, str, Iterable[VirtualIp | ElasticIp]], ...] = (
        ("virtual_ip", "virtual IP", vpc.virtual_ips),
        ("elastic_ip", "elastic IP", vpc.elastic_ips),
    )
    for kind, words, wanted in both:
        for one in wanted:
            fixed = str(one.ip) if one.ip else None
            yield Request(
                f"{vpc.key}/{one.name}:{kind}",
                f"ip:{one.network}",
                fixed,
                providers[one.network],
                one.path,
                f"{words} {one.name}",
            )


def _public_classes(vpc: Vpc) -> Iterator[Request]:
    """Numbers of the traffic classes of whatever has a limit on the public link."""
    for one in qos.limited(vpc):
        yield Request(one.key, f"class:{vpc.key}", None, _PAIRS, one.qos.path, one.subject)


def _network(intent: Intent, vpc: Vpc, network: Network, dedicated: Dedicated) -> Iterator[Request]:
    path, subject = network_path(vpc, network), f"network {network.name}"
    pool = intent.pool(network.pool)
    if pool is not None and network.shared_segment_with is None:
        vnis = dedicated.vnis(vpc.tenant, pool)
        yield Request(f"{path}:vni", f"vni:{pool.name}", network.vni, vnis, network.path, subject)
    yield from _port(f"{path}:router", network.path, subject)


def _balancers(vpc: Vpc) -> Iterator[Request]:
    """An internal load balancer has an address of its subnet, like an instance."""
    networks = {network.name: network for network in vpc.networks}
    for balancer in vpc.load_balancers:
        if balancer.network is not None:
            network = networks[balancer.network]
            fixed = str(balancer.ip) if balancer.ip else None
            scope, subject = f"ip:{network_path(vpc, network)}", f"load balancer {balancer.name}"
            key = f"{vpc.key}/{balancer.name}:balancer_ip"
            yield Request(key, scope, fixed, spans(network.spans), balancer.path, subject)


def _instance(intent: Intent, instance: Instance, providers: Mapping[str, Candidates]) -> Iterator[Request]:
    for index, nic in enumerate(instance.nics):
        path, place = NicRef(instance, index).key, nic.path
        subject = f"instance {instance.name}"
        resolved = intent.network(instance.tenant, nic.network)
        candidates: Candidates
        if resolved is not None:
            scope, candidates = f"ip:{network_path(*resolved)}", spans(resolved.network.spans)
        else:
            scope, candidates = f"ip:{nic.network}", providers[nic.network]
        for one in NicRef(instance, index).addresses:
            words = subject if one.secondary is None else f"secondary IP {one.secondary.name} of {subject}"
            given = str(one.ip) if one.ip else None
            yield Request(f"{one.address_key}:ip", scope, given, candidates, (one.secondary or nic).path, words)
        yield Request(f"{path}:mac", "mac", str(nic.mac) if nic.mac else None, macs(path), place, subject)
        yield Request(f"{path}:port", "port", None, _NUMBERS, place, subject)


def _zones(intent: Intent) -> Iterator[Request]:
    """Numbers under which a host tracks the connections of the segments that NICs in security groups are on."""
    seen: set[str] = set()
    for nic in security_group.grouped_nics(intent):
        reference, host = nic.nic.network, nic.instance.host
        resolved = intent.network(nic.instance.tenant, reference)
        segment = reference if resolved is None else _segment(intent, *resolved)
        key = security_group.zone_key(host, segment)
        if key not in seen:
            seen.add(key)
            yield Request(key, f"zone:{host}", None, _ZONES, nic.nic.path, f"security groups on {segment}")


def _segment(intent: Intent, vpc: Vpc, network: Network) -> str:
    """Name the segment that a network is on by the network that it belongs to."""
    shared = network.shared_segment_with and intent.network(vpc.tenant, network.shared_segment_with)
    return network_path(*shared) if shared else network_path(vpc, network)


def _port(prefix: str, place: str, subject: str) -> Iterator[Request]:
    """A router's link is a port like any other: a device number and a MAC."""
    yield Request(f"{prefix}_port", "port", None, _NUMBERS, place, subject)
    yield Request(f"{prefix}_mac", "mac", None, macs(prefix), place, subject)


def _route_tables(vpc: Vpc) -> Iterator[Request]:
    """One routing table for each source that has routes of its own."""
    first = {route.source: route for route in reversed(vpc.routes) if route.source is not None}
    for source, route in first.items():
        key, scope = routes.table_key(vpc, source), f"route_table:{vpc.key}"
        yield Request(key, scope, None, routes.TABLES, route.path, f"routes from {source}")
