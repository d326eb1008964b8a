# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPsec connections: what a router agrees on with gateways of other sites, and what passes between them (row V1)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from itertools import product

from ansible_collections.weft.vpc.plugins.plugin_utils.model import IpsecConnection as Wanted
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import (
    IpsecCertificate,
    IpsecConnection,
    Link,
    Peer,
    Tunnel,
)

#: IKE, IKE behind a NAT, and ESP.
_SERVICES = (("udp", 500), ("udp", 4500), ("50", 0))
#: Between sites that name no ciphers: the best, and what everybody has.
_IKE = {1: ("aes256-sha256-modp2048",), 2: ("aes256gcm16-prfsha384-ecp384", "aes256-sha256-modp2048")}
_ESP = {1: ("aes256-sha256-modp2048",), 2: ("aes256gcm16-ecp384", "aes256-sha256-modp2048")}
#: Most bytes that a tunnel adds to a segment: headers of IP, UDP and ESP, IV, padding, digest, inner IP and TCP.
_OVERHEAD = 20 + 8 + 8 + 16 + 17 + 32 + 20 + 20


def connections(context: Context, vpc: Vpc, public: dict[str, Link]) -> tuple[IpsecConnection, ...]:
    """Return a VPC's IPsec connections, by name."""
    return tuple(_connection(context, vpc, one, public) for one in sorted(vpc.ipsec_connections, key=lambda c: c.name))


def peers(found: tuple[IpsecConnection, ...]) -> tuple[Peer, ...]:
    """Return who may send the router packets of IPsec."""
    return tuple(
        Peer(one.key, one.interface, f"{one.peer}/32" if one.peer else "0.0.0.0/0", one.address, *service)
        for one in found
        for service in _SERVICES
    )


def _connection(context: Context, vpc: Vpc, wanted: Wanted, public: dict[str, Link]) -> IpsecConnection:
    address = context.text(f"{vpc.key}/{wanted.virtual_ip}:virtual_ip")
    link = public[next(one.network for one in vpc.virtual_ips if one.name == wanted.virtual_ip)]
    inside = [one.cidr for one in vpc.networks if one.name in wanted.networks or not wanted.networks]
    local_cidrs, peer_cidrs = (tuple(map(str, sorted(one))) for one in (inside, wanted.peer_cidrs))
    return _labelled(
        IpsecConnection(
            key=f"IPsec connection {vpc.key}/{wanted.name}",
            source=wanted.path,
            label=wanted.name,
            address=address,
            interface=link.inner,
            segment=link.mtu - _OVERHEAD,
            peer=str(wanted.peer) if wanted.peer else None,
            local_id=wanted.local_id or address,
            peer_id=wanted.expected_id,
            psk=wanted.psk,
            certificate=_certificate(context, vpc, wanted.certificate) if wanted.certificate else None,
            peer_ca=wanted.peer_ca,
            passive=wanted.passive,
            ike_version=wanted.ike_version,
            ike_proposals=wanted.ike_proposals or _IKE[wanted.ike_version],
            esp_proposals=wanted.esp_proposals or _ESP[wanted.ike_version],
            ike_lifetime=wanted.ike_lifetime,
            esp_lifetime=wanted.esp_lifetime,
            dpd_interval=wanted.dpd_interval,
            networks=local_cidrs,
            peer_cidrs=peer_cidrs,
            tunnels=_tunnels(wanted, local_cidrs, peer_cidrs),
        )
    )


def certificates(found: tuple[IpsecConnection, ...]) -> tuple[IpsecCertificate, ...]:
    """Return the certificates that connections show, by name."""
    shown = {one.certificate.name: one.certificate for one in found if one.certificate is not None}
    return tuple(shown[name] for name in sorted(shown))


def _certificate(context: Context, vpc: Vpc, name: str) -> IpsecCertificate:
    wanted = must(context.intent.certificate(vpc.tenant, name), name)
    halves = (must(context.certificates.get(f"{vpc.tenant}/{name}:{half}"), name) for half in ("certificate", "key"))
    return IpsecCertificate(f"IPsec certificate {vpc.key}/{name}", wanted.path, name, *halves)


def _tunnels(wanted: Wanted, local_cidrs: tuple[str, ...], peer_cidrs: tuple[str, ...]) -> tuple[Tunnel, ...]:
    """Return one for everything; IKEv1 has no words for more than one network at each end."""
    if wanted.ike_version == 2:
        return (Tunnel(local_cidrs, peer_cidrs),)
    return tuple(Tunnel((local,), (peer,)) for local, peer in product(local_cidrs, peer_cidrs))


def _labelled(connection: IpsecConnection) -> IpsecConnection:
    """Name a connection after all that it is: strongSwan leaves alone what has the name that it had."""
    content = json.dumps(replace(connection, source=""), default=vars, sort_keys=True)
    return replace(connection, label=f"{connection.label}-{hashlib.sha256(content.encode()).hexdigest()[:8]}")
