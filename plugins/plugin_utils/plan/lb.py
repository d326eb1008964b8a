# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers: listeners on a virtual IP or a subnet's address, and their backends (rows B1-B6)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from ipaddress import collapse_addresses

from ansible_collections.weft.vpc.plugins.plugin_utils.model import HealthCheck as WantedHealthCheck
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Listener as WantedListener
from ansible_collections.weft.vpc.plugins.plugin_utils.model import LoadBalancer, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import SLOTS
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import Backend as WantedBackend
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import Balanced as WantedBalanced
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import HttpRule as WantedRule
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import Stickiness as WantedStickiness
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.names import server_name
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.port_forward import disjoint
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import (
    Backend,
    Balanced,
    Certificate,
    DatagramCheck,
    HealthCheck,
    HttpRule,
    InternalAddress,
    Listener,
    Stickiness,
    Timeouts,
    UdpListener,
)

#: Seconds that a connection may be silent: HTTP has requests, of a TCP stream nothing is known.
_SILENCE = {True: 60, False: 3600}


def listeners(context: Context, vpc: Vpc) -> tuple[Listener, ...]:
    """Return the listeners of a VPC's load balancers that HAProxy has, by balancer and name."""
    return tuple(
        _listener(context, vpc, balancer, wanted) for balancer, wanted in _wanted(vpc) if wanted.protocol != "udp"
    )


def udp_listeners(context: Context, vpc: Vpc) -> tuple[UdpListener, ...]:
    """Return those that nftables has."""
    return tuple(
        _udp_listener(context, vpc, balancer, wanted) for balancer, wanted in _wanted(vpc) if wanted.protocol == "udp"
    )


def _wanted(vpc: Vpc) -> Iterator[tuple[LoadBalancer, WantedListener]]:
    for balancer in sorted(vpc.load_balancers, key=lambda one: one.name):
        for wanted in sorted(balancer.listeners, key=lambda one: one.name):
            yield balancer, wanted


def certificates(context: Context, vpc: Vpc) -> tuple[Certificate, ...]:
    """Return the certificates that a VPC's listeners show, by name."""
    named = {name for balancer in vpc.load_balancers for one in balancer.listeners for name in one.certificates}
    found = []
    for name in sorted(named):
        wanted = must(context.intent.certificate(vpc.tenant, name), name)
        digest = must(context.certificates.get(f"{vpc.tenant}/{name}"), name)
        found.append(Certificate(f"certificate {vpc.key}/{name}", wanted.path, name, digest))
    return tuple(found)


def internal_addresses(context: Context, vpc: Vpc, interfaces: Mapping[str, str]) -> tuple[InternalAddress, ...]:
    """Return the addresses of internal load balancers; ``interfaces`` are the router's, by network."""
    found = [
        InternalAddress(interfaces[balancer.network], _address(context, vpc, balancer))
        for balancer in vpc.load_balancers
        if balancer.network is not None
    ]
    return tuple(sorted(found, key=lambda one: (one.interface, one.address)))


def _address(context: Context, vpc: Vpc, balancer: LoadBalancer) -> str:
    if balancer.virtual_ip is None:
        return context.text(f"{vpc.key}/{balancer.name}:balancer_ip")
    return context.text(f"{vpc.key}/{balancer.virtual_ip}:virtual_ip")


def _listener(context: Context, vpc: Vpc, balancer: LoadBalancer, wanted: WantedListener) -> Listener:
    proxy, silence = f"{balancer.name}.{wanted.name}", _SILENCE[wanted.is_http]
    timeouts = wanted.timeouts
    return Listener(
        key=f"listener {vpc.key}/{balancer.name}/{wanted.name}",
        source=wanted.path,
        name=wanted.name,
        balancer=balancer.name,
        address=_address(context, vpc, balancer),
        internal=balancer.network is not None,
        transport=wanted.transport,
        protocol=wanted.protocol,
        port=wanted.port,
        certificates=wanted.certificates,
        default=_balanced(context, vpc, wanted, proxy),
        groups=tuple(
            _balanced(context, vpc, group, f"{proxy}.{group.name}")
            for group in sorted(wanted.backend_groups, key=lambda one: one.name)
        ),
        rules=tuple(_rule(one, proxy) for one in wanted.rules),
        allowed_cidrs=tuple(sorted(str(cidr) for cidr in wanted.allowed_cidrs)),
        denied_cidrs=tuple(sorted(str(cidr) for cidr in wanted.denied_cidrs)),
        redirect_port=wanted.redirect_to_https,
        max_connections=wanted.max_connections,
        timeouts=Timeouts(timeouts.connect, timeouts.client or silence, timeouts.server or silence),
    )


def _udp_listener(context: Context, vpc: Vpc, balancer: LoadBalancer, wanted: WantedListener) -> UdpListener:
    return UdpListener(
        key=f"listener {vpc.key}/{balancer.name}/{wanted.name}",
        source=wanted.path,
        name=wanted.name,
        balancer=balancer.name,
        address=_address(context, vpc, balancer),
        internal=balancer.network is not None,
        port=wanted.port,
        algorithm=wanted.algorithm,
        slots=SLOTS,
        backends=tuple(_backend(context, vpc, one, wanted.backend_port or 0) for one in wanted.backends),
        health_check=_datagram_check(wanted.health_check),
        allowed_cidrs=disjoint(wanted.allowed_cidrs),
        denied_cidrs=tuple(map(str, collapse_addresses(wanted.denied_cidrs))),
    )


def _balanced(context: Context, vpc: Vpc, wanted: WantedBalanced, proxy: str) -> Balanced:
    return Balanced(
        proxy=proxy,
        algorithm=wanted.algorithm,
        backends=tuple(_backend(context, vpc, one, wanted.backend_port or 0) for one in wanted.backends),
        health_check=_health_check(wanted.health_check),
        stickiness=_stickiness(wanted.stickiness),
        proxy_protocol=wanted.proxy_protocol,
        backend_connections=wanted.backend_connections,
    )


def _backend(context: Context, vpc: Vpc, wanted: WantedBackend, port: int) -> Backend:
    name = server_name(wanted.instance)
    return Backend(
        name=name,
        address=context.nic_address(vpc.tenant, wanted.instance),
        port=port,
        weight=0 if wanted.drain else wanted.weight,
        # Clients are not to learn names or addresses from it.
        cookie=hashlib.sha256(f"{vpc.key}/{name}".encode()).hexdigest()[:12],
    )


def _health_check(wanted: WantedHealthCheck) -> HealthCheck:
    return HealthCheck(
        interval=wanted.interval,
        timeout=wanted.timeout,
        rise=wanted.rise,
        fall=wanted.fall,
        port=wanted.port,
        uri=(wanted.uri or "/") if wanted.method == "http" else None,
        host=wanted.host,
        status=wanted.status or "200-399",
    )


def _datagram_check(wanted: WantedHealthCheck) -> DatagramCheck:
    return DatagramCheck(
        type=wanted.method,
        interval=wanted.interval,
        timeout=wanted.timeout,
        rise=wanted.rise,
        fall=wanted.fall,
        port=wanted.port,
        send=(wanted.send or b"").hex(),
        expect=(wanted.expect or b"").hex(),
    )


def _stickiness(wanted: WantedStickiness | None) -> Stickiness | None:
    return None if wanted is None else Stickiness(wanted.type, wanted.cookie or "WEFT", wanted.expire)


def _rule(wanted: WantedRule, proxy: str) -> HttpRule:
    host = wanted.host and wanted.host.lower().removeprefix("*")
    return HttpRule(host or None, wanted.path_prefix, f"{proxy}.{wanted.group}")
