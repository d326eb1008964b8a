# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds which address, protocol and port on a router: services of the intent, and the router's own daemons.

Port forwards and listeners of udp are translated before a socket is looked for, so that they clash with each other and
with what they would take away. Listeners of tcp are sockets of HAProxy's: where a daemon listens, HAProxy cannot, and
then it takes no change of any other listener either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Listener, LoadBalancer, PortRange, Vpc


class Held(NamedTuple):
    """Ports of an address that something answers on, and the place in the inventory that says so."""

    address: str
    protocol: str
    ports: PortRange
    label: str
    path: str


class Daemon(NamedTuple):
    """A program of a router, and where in the inventory it is asked for (None: nowhere, so that it does not run).

    `inside`: it listens on the addresses of the VPC's networks alone, else on each of the router's.
    """

    label: str
    sockets: tuple[tuple[str, int], ...]
    inside: bool
    asked_for: Callable[[Vpc], str | None]


def _networks(vpc: Vpc) -> str | None:
    return vpc.at("networks") if vpc.networks else None


def _bgp(vpc: Vpc) -> str | None:
    return vpc.router.at("bgp") if vpc.router.bgp else None


def _bfd(vpc: Vpc) -> str | None:
    neighbors = vpc.router.bgp.neighbors if vpc.router.bgp else ()
    return next((one.at("bfd") for one in neighbors if one.bfd), None)


def _ipsec(vpc: Vpc) -> str | None:
    return vpc.at("ipsec_connections") if vpc.ipsec_connections else None


# The second port of IKE is for peers behind a NAT (RFC 3948). BFD: RFC 5881, RFC 5883.
DAEMONS = (
    Daemon("the router's DNS", (("udp", 53), ("tcp", 53)), True, _networks),
    Daemon("the router's DHCP", (("udp", 67),), True, _networks),
    Daemon("the router's BGP", (("tcp", 179),), False, _bgp),
    Daemon("the router's BFD", (("udp", 3784), ("udp", 3785), ("udp", 4784)), False, _bfd),
    Daemon("the router's IKE", (("udp", 500), ("udp", 4500)), False, _ipsec),
)
_IKE = DAEMONS[-1]


def services(vpc: Vpc) -> Iterator[Held]:
    """What forwards, listeners and IPsec connections of a VPC answer on."""
    for forward in vpc.port_forwards:
        label = f"port forward {forward.name}"
        yield Held(f"virtual IP {forward.virtual_ip}", forward.protocol, forward.ports, label, forward.at("port"))
    for balancer in vpc.load_balancers:
        yield from (_listener(balancer, listener) for listener in balancer.listeners)
    # Connections share IKE's ports, and the first of a virtual IP stands for all of them.
    for connection in {one.virtual_ip: one for one in reversed(vpc.ipsec_connections)}.values():
        label, place = f"IPsec connection {connection.name}", connection.at("virtual_ip")
        for protocol, port in _IKE.sockets:
            yield Held(f"virtual IP {connection.virtual_ip}", protocol, PortRange(port, port), label, place)


def taken_by_daemons(vpc: Vpc) -> Iterator[tuple[Held, Held]]:
    """Sockets that HAProxy would need, each with what a daemon of the router holds there."""
    for balancer in vpc.load_balancers:
        for listener in balancer.listeners:
            wanted = _listener(balancer, listener)
            for held in _daemons(vpc, balancer) if wanted.protocol == "tcp" else ():
                if (held.protocol, held.ports) == (wanted.protocol, wanted.ports):
                    yield wanted, held


def _listener(balancer: LoadBalancer, listener: Listener) -> Held:
    label = f"listener {listener.name} of load balancer {balancer.name}"
    ports = PortRange(listener.port, listener.port)
    return Held(_address(balancer), listener.transport, ports, label, listener.at("port"))


def _address(balancer: LoadBalancer) -> str:
    return f"virtual IP {balancer.virtual_ip}" if balancer.virtual_ip else f"load balancer {balancer.name}"


def _daemons(vpc: Vpc, balancer: LoadBalancer) -> Iterator[Held]:
    """What the router's daemons hold on the address of a load balancer."""
    for daemon in DAEMONS:
        path = daemon.asked_for(vpc)
        if path is None or (daemon.inside and balancer.network is None):
            continue
        for protocol, port in daemon.sockets:
            yield Held(_address(balancer), protocol, PortRange(port, port), daemon.label, path)
