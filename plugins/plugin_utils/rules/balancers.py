# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers: where they are, what is behind them, and what needs HTTP (rows B1-B6)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import in_spans
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Listener, LoadBalancer, Network, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import Balanced
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import suggestion
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.known import Known
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule


def _balancers(intent: Intent) -> Iterator[tuple[Vpc, LoadBalancer]]:
    for vpc in intent.vpcs:
        for balancer in vpc.load_balancers:
            yield vpc, balancer


def listeners(intent: Intent) -> Iterator[tuple[Vpc, Listener]]:
    for vpc, balancer in _balancers(intent):
        for listener in balancer.listeners:
            yield vpc, listener


def balanced(intent: Intent) -> Iterator[tuple[Vpc, Listener, Balanced]]:
    for vpc, listener in listeners(intent):
        for group in listener.balanced:
            yield vpc, listener, group


@rule("WEFT-B1-empty")
def something_behind(intent: Intent) -> Iterator[Fault]:
    """A load balancer has a listener, and a listener has a backend unless it redirects."""
    for _vpc, balancer in _balancers(intent):
        if not balancer.listeners:
            yield Fault(
                balancer.at("listeners"), None, "is an empty list", "Add a listener, or remove the load balancer."
            )
    for _vpc, listener, group in balanced(intent):
        if not group.backends and not (group is listener and listener.redirect_to_https):
            remedy = f"Add a backend, or remove the {group.kind}."
            yield Fault(group.at("backends"), None, "is an empty list", remedy)


@rule("WEFT-B1-backend-port")
def backends_have_ports(intent: Intent) -> Iterator[Fault]:
    """Where there are backends, their port is given."""
    for _vpc, _listener, group in balanced(intent):
        if group.backends and group.backend_port is None:
            reason = f"is missing, and {group.name} has backends"
            yield Fault(group.at("backend_port"), None, reason, "Add the port that the backends listen on.")


@rule("WEFT-B1-certificate")
def certificates_exist(intent: Intent) -> Iterator[Fault]:
    """A listener of https, and no other, names certificates, and they are its tenant's."""
    known = Known(lambda: ((one.tenant, one.name) for one in intent.certificates))
    for vpc, listener in listeners(intent):
        https = listener.protocol == "https"
        if https and not listener.certificates:
            reason = f"is empty, and listener {listener.name} is of https"
            yield Fault(listener.at("certificates"), None, reason, "Add the name of a certificate.")
        if listener.certificates and not https:
            yield _protocol(listener, listener.at("certificates"), None, "https")
        for index, name in enumerate(listener.certificates):
            if intent.certificate(vpc.tenant, name) is None:
                remedy = known.remedy(name, "Add it to weft_certificates.", vpc.tenant)
                reason = f"is not the name of a certificate of tenant {vpc.tenant}"
                yield Fault(listener.at(f"certificates[{index}]"), name, reason, remedy)


@rule("WEFT-B1-twice")
def backends_differ(intent: Intent) -> Iterator[Fault]:
    """A listener or a group of it names each backend once."""
    for vpc, _listener, group in balanced(intent):
        seen: dict[str, int] = {}
        for index, backend in enumerate(group.backends):
            nic = intent.instance(vpc.tenant, backend.instance)
            first = seen.setdefault(backend.instance if nic is None else nic.address_key, index)
            if first != index:
                reason = f"is already a backend of {group.name} ({group.at(f'backends[{first}]')})"
                yield Fault(group.at(f"backends[{index}]"), backend.instance, reason, "Name it once.")


@rule("WEFT-B3-http")
def http_checks(intent: Intent) -> Iterator[Fault]:
    """Only a health check of type http has a uri, a host or a status."""
    for _vpc, _listener, group in balanced(intent):
        check = group.health_check
        for key in ("uri", "host", "status"):
            if check.method != "http" and getattr(check, key) is not None:
                reason = f"is given, and the health check of {group.name} is of type {check.method}"
                yield Fault(check.at(key), getattr(check, key), reason, f"Write type: http, or remove {key}.")


@rule("WEFT-B4-cookie")
def cookies(intent: Intent) -> Iterator[Fault]:
    """Stickiness by the application's cookie names it, and stickiness by address has none."""
    for _vpc, _listener, group in balanced(intent):
        sticky = group.stickiness
        if sticky is None:
            continue
        if sticky.type == "application_cookie" and sticky.cookie is None:
            reason = "is missing, and type application_cookie needs it"
            yield Fault(sticky.at("cookie"), None, reason, "Add the name of the cookie that the backends set.")
        if sticky.type == "source_ip" and sticky.cookie is not None:
            reason = "is given, but stickiness is by source_ip"
            yield Fault(sticky.at("cookie"), sticky.cookie, reason, "Write type: cookie, or remove cookie.")


@rule("WEFT-B5-http")
def needs_http(intent: Intent) -> Iterator[Fault]:
    """Rules, groups, redirects and cookies need a listener that sees requests; it redirects only from http."""
    for _vpc, listener in listeners(intent):
        sticky = listener.stickiness
        if listener.protocol != "http" and listener.redirect_to_https is not None:
            yield _protocol(listener, listener.at("redirect_to_https"), listener.redirect_to_https, "http")
        if listener.is_http:
            continue
        for key in ("rules", "backend_groups"):
            if getattr(listener, key):
                yield _protocol(listener, listener.at(key), None, "http or https")
        if sticky is not None and sticky.type != "source_ip":
            yield _protocol(listener, sticky.at("type"), sticky.type, "http or https")


def _protocol(listener: Listener, path: str, value: object, wanted: str) -> Fault:
    reason = f"needs protocol {wanted}, and listener {listener.name} is {listener.protocol}"
    return Fault(path, value, reason, f"Write protocol: {wanted}, or remove it.")


@rule("WEFT-B5-group")
def rules_lead_somewhere(intent: Intent) -> Iterator[Fault]:
    """A rule of a listener says which requests it is for, and names a backend group of the listener."""
    for _vpc, listener in listeners(intent):
        groups = [group.name for group in listener.backend_groups]
        for one in listener.rules:
            if one.group not in groups:
                remedy = suggestion(one.group, groups, f"Add it to the backend_groups of {listener.name}.")
                reason = f"is not the name of a backend group of {listener.name}"
                yield Fault(one.at("group"), one.group, reason, remedy)
            if one.host is None and one.path_prefix is None:
                reason = "has neither host nor path_prefix, so it would answer everything"
                yield Fault(one.path, None, reason, "Add host or path_prefix, or make it the listener's own backends.")


@rule("WEFT-B6-place")
def one_place(intent: Intent) -> Iterator[Fault]:
    """A load balancer is either on a virtual IP or in a network of its VPC."""
    for vpc, balancer in _balancers(intent):
        if (balancer.virtual_ip is None) == (balancer.network is None):
            reason = "is missing, and so is network" if balancer.network is None else "is given, and network as well"
            remedy = "Give it virtual_ip, or network for one inside the VPC."
            yield Fault(balancer.at("virtual_ip"), balancer.virtual_ip, reason, remedy)
        elif balancer.network is None and balancer.ip is not None:
            reason = "is given, and only an internal load balancer, one with network, has it"
            yield Fault(balancer.at("ip"), str(balancer.ip), reason, "Remove it; the virtual IP has the address.")
        elif balancer.network is not None and balancer.network not in {one.name for one in vpc.networks}:
            known = [one.name for one in vpc.networks]
            remedy = suggestion(balancer.network, known, f"Use a network of {vpc.name}.")
            yield Fault(balancer.at("network"), balancer.network, f"is not a network of {vpc.name}", remedy)


@rule("WEFT-B6-address")
def internal_address(intent: Intent) -> Iterator[Fault]:
    """An internal load balancer's address lies in the ranges of its network and is not the gateway."""
    for vpc, balancer in _balancers(intent):
        network: Network | None = next((one for one in vpc.networks if one.name == balancer.network), None)
        if network is None or balancer.ip is None:
            continue
        remedy = "Choose another address, or leave it out to have one allocated."
        if balancer.ip == network.gateway_ip:
            yield Fault(balancer.at("ip"), str(balancer.ip), f"is the gateway of {network.name}", remedy)
        elif not in_spans(balancer.ip, network.spans):
            reason = f"lies outside the addresses of {network.name} that are given out ({network.path})"
            yield Fault(balancer.at("ip"), str(balancer.ip), reason, remedy)
