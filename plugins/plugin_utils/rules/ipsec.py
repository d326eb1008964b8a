# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""IPsec connections to other sites (row V1)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, IpsecConnection, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import suggestion
from ansible_collections.weft.vpc.plugins.plugin_utils.model.roles import edge
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import PEM_PATTERN
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.known import Known
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.routes import connected_networks, own_addresses
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.subnets import refusal
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder, management_network

# What a proposal can be made of: Debian's strongSwan and kernels have all of these. None that is broken is among them.
_PEM = re.compile(PEM_PATTERN, re.ASCII)
_COMBINED = {f"aes{bits}gcm16" for bits in (128, 192, 256)}
_CIPHERS = {f"aes{bits}" for bits in (128, 192, 256)}
_DIGESTS = {"sha1", "sha256", "sha384", "sha512"}
_PRFS = {f"prf{digest}" for digest in _DIGESTS}
_GROUPS = {"modp2048", "modp3072", "modp4096", "modp6144", "modp8192", "ecp256", "ecp384", "ecp521", "x25519"}


def connections(intent: Intent) -> Iterator[tuple[Vpc, IpsecConnection]]:
    """Every IPsec connection of every VPC."""
    for vpc in intent.vpcs:
        for connection in vpc.ipsec_connections:
            yield vpc, connection


@rule("WEFT-V1-empty")
def sites_have_networks(intent: Intent) -> Iterator[Fault]:
    """An IPsec connection names networks of the other site."""
    for _vpc, connection in connections(intent):
        if not connection.peer_cidrs:
            remedy = "Add the networks behind the peer, or remove the connection."
            yield Fault(connection.at("peer_cidrs"), None, "is an empty list", remedy)


@rule("WEFT-V1-network")
def networks_known(intent: Intent) -> Iterator[Fault]:
    """The networks of an IPsec connection are its VPC's, which has some."""
    for vpc, connection in connections(intent):
        known = [network.name for network in vpc.networks]
        for index, name in enumerate(connection.networks):
            if name not in known:
                remedy = suggestion(name, known, f"Use a network of {vpc.name}.")
                yield Fault(connection.at(f"networks[{index}]"), name, f"is not a network of {vpc.name}", remedy)
        if not known:
            reason = f"has nothing to connect: {vpc.name} has no networks"
            yield Fault(connection.at("networks"), None, reason, "Add a network, or remove the connection.")


@rule("WEFT-V1-refused")
def refused_networks(intent: Intent) -> Iterator[Fault]:
    """A network of another site is neither everything nor of addresses that cannot be routed, nor denied."""
    for _vpc, connection in connections(intent):
        for index, cidr in enumerate(connection.peer_cidrs):
            reason = refusal(cidr) or _denied(intent, cidr)
            if reason is not None:
                remedy = "Name the networks that you want to reach."
                yield Fault(connection.at(f"peer_cidrs[{index}]"), str(cidr), reason, remedy)


def _denied(intent: Intent, cidr: IPv4Network) -> str | None:
    for index, prefix in enumerate(intent.fabric.route_denylist):
        if prefix.overlaps(cidr):
            where = holder(str(prefix), intent.fabric.at(f"route_denylist[{index}]"))
            return f"touches {where}, which no VPC may route"
    return None


@rule("WEFT-V1-overlap")
def networks_apart(intent: Intent) -> Iterator[Fault]:
    """A network of another site overlaps no network of the router, no custom route, and no other site's network."""
    for vpc in intent.vpcs:
        taken = [(one.cidr, f"network {holder(one.name, one.path)}") for one in connected_networks(intent, vpc)]
        taken += [(one.destination, f"the route {one.path}") for one in vpc.routes if one.source is None]
        for connection in vpc.ipsec_connections:
            for index, cidr in enumerate(connection.peer_cidrs):
                path = connection.at(f"peer_cidrs[{index}]")
                found = next(((other, words) for other, words in taken if other.overlaps(cidr)), None)
                if found is not None and refusal(cidr) is None:
                    reason = f"overlaps {found[0]} of {found[1]}, and a packet can go to one of them only"
                    yield Fault(path, str(cidr), reason, "Name prefixes that are the other site's alone.")
                taken.append((cidr, f"IPsec connection {holder(connection.name, path)}"))


@rule("WEFT-V1-inside")
def peers_outside(intent: Intent) -> Iterator[Fault]:
    """The gateway of another site is in no network that is reached through a tunnel."""
    for vpc, connection in connections(intent):
        for other in vpc.ipsec_connections:
            for index, cidr in enumerate(other.peer_cidrs):
                if connection.peer is not None and connection.peer in cidr and refusal(cidr) is None:
                    where = holder(str(cidr), other.at(f"peer_cidrs[{index}]"))
                    reason = f"lies in {where}, so that packets to it would have to go through a tunnel to it"
                    remedy = "Give its public address, or narrow peer_cidrs."
                    yield Fault(connection.at("peer"), str(connection.peer), reason, remedy)


@rule("WEFT-V1-peer", settled=True)
def peers_are_others(intent: Intent) -> Iterator[Fault]:
    """The gateway of another site is somebody else's: no address of the VPC, its router, or of a network's edge."""
    for vpc in intent.vpcs:
        own = own_addresses(intent, vpc) if vpc.ipsec_connections else {}
        for connection in vpc.ipsec_connections:
            reason = None if connection.peer is None else _not_another(intent, vpc, connection.peer, own)
            if reason is not None:
                yield Fault(connection.at("peer"), str(connection.peer), reason, "Name the other site's gateway.")


def _not_another(intent: Intent, vpc: Vpc, peer: IPv4Address, own: Mapping[IPv4Address, str]) -> str | None:
    """Why an address is not that of another site; None if it may be."""
    if peer in own:
        return f"is an address of the router of {vpc.name} itself ({own[peer]})"
    inside = next((one for one in vpc.networks if peer in one.cidr), None)
    if inside is not None:
        return f"lies in {holder(inside.name, inside.at('cidr'))} of the VPC itself"
    management = management_network(intent, vpc)
    if management is not None and management.cidr is not None and peer in management.cidr:
        return f"lies in {holder(management.name, management.path)}, the management network of the router"
    return next((why for one in connected_networks(intent, vpc) if (why := edge(peer, one.cidr))), None)


@rule("WEFT-V1-any")
def strangers_wait_for(intent: Intent) -> Iterator[Fault]:
    """A connection to a peer of any address is passive, of IKEv2, and says who the peer is."""
    for _vpc, connection in connections(intent):
        if connection.peer is not None:
            continue
        wanted = {"passive": True, "ike_version": 2, "peer_id": connection.peer_id or "site@example.net"}
        for key, value in wanted.items():
            if getattr(connection, key) != value:
                reason = f"does not go with a connection whose peer may have any address ({connection.path})"
                if key == "peer_id":
                    reason = f"is missing, and the peer may have any address ({connection.path})"
                remedy = f"Write {key}: {str(value).lower()}, or give the peer's address."
                yield Fault(connection.at(key), getattr(connection, key), reason, remedy)


@rule("WEFT-V1-twice")
def peers_differ(intent: Intent) -> Iterator[Fault]:
    """The peers of one virtual IP show themselves as different ones."""
    for vpc in intent.vpcs:
        seen: dict[tuple[str, str], IpsecConnection] = {}
        for connection in vpc.ipsec_connections:
            first = seen.setdefault((connection.virtual_ip, connection.expected_id), connection)
            if first is not connection and connection.expected_id:
                key = "peer" if connection.peer_id is None else "peer_id"
                reason = f"is the peer of {holder(first.name, first.path)} on {connection.virtual_ip} already"
                remedy = "Name all its networks in one connection, or give its gateways different peer_ids."
                yield Fault(connection.at(key), connection.expected_id, reason, remedy)


@rule("WEFT-V1-authentication")
def peers_authenticated(intent: Intent) -> Iterator[Fault]:
    """Peers know each other by a pre-shared key, or by the tenant's certificate and that of who signs the peer's."""
    known = Known(lambda: ((one.tenant, one.name) for one in intent.certificates))
    for vpc, connection in connections(intent):
        name, given = connection.certificate, connection.certificate is not None
        if (connection.psk is None) != given:
            reason = "is given, and psk as well" if given else "is missing, and so is psk"
            yield Fault(connection.at("certificate"), name, reason, "Give either psk, or certificate and peer_ca.")
        elif given != (connection.peer_ca is not None):
            reason = "is missing, and certificate needs it" if given else "is given, and it goes with certificate only"
            yield Fault(connection.at("peer_ca"), None, reason, "Give either psk, or certificate and peer_ca.")
        if name is not None and intent.certificate(vpc.tenant, name) is None:
            remedy = known.remedy(name, "Add it to weft_certificates.", vpc.tenant)
            reason = f"is not the name of a certificate of tenant {vpc.tenant}"
            yield Fault(connection.at("certificate"), name, reason, remedy)
        if connection.peer_ca is not None and not _is_certificate(connection.peer_ca):
            reason = "is no certificate in PEM, or has something beside it"
            yield Fault(connection.at("peer_ca"), None, reason, "Write the lines from BEGIN to END, and no others.")


def _is_certificate(text: str) -> bool:
    if not _PEM.fullmatch(text):
        return False
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError):
        return False
    return True


@rule("WEFT-V1-proposal")
def ciphers_known(intent: Intent) -> Iterator[Fault]:
    """A proposal is a cipher, a digest where that needs one, and a group for the exchange of keys."""
    for _vpc, connection in connections(intent):
        for key in ("ike_proposals", "esp_proposals"):
            for index, proposal in enumerate(getattr(connection, key)):
                reason = _unusable(proposal.split("-"), key == "ike_proposals", connection.ike_version)
                if reason is not None:
                    remedy = "Write one like aes256-sha256-modp2048, or leave proposals out."
                    yield Fault(connection.at(f"{key}[{index}]"), proposal, reason, remedy)


def _unusable(words: list[str], ike: bool, version: int) -> str | None:
    """Why a proposal cannot be used; None if it can."""
    kinds = (_COMBINED, _CIPHERS, _DIGESTS, _PRFS, _GROUPS)
    unknown = [word for word in words if not any(word in kind for kind in kinds)]
    if unknown:
        return f"has {unknown[0]!r} in it, which is no cipher, digest or group that can be used"
    combined, ciphers, digests, prfs, groups = (sum(word in kind for word in words) for kind in kinds)
    if combined + ciphers != 1 or max(digests, prfs, groups) > 1:
        return "has not one cipher, and at most one of everything else"
    if digests != ciphers:
        return "has a digest that its cipher does not need" if combined else "has no digest, which its cipher needs"
    if ike and combined and version == 1:
        return "has a cipher that IKEv1 does not know"
    if ike and (groups == 0 or (combined and prfs == 0)):
        return "has no group for the exchange of keys" if groups == 0 else "has no prf, which its cipher needs"
    return "has a prf, which tunnels do not need" if prfs and not ike else None
