# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Listeners of udp, which nftables balances and the router itself checks, and what they cannot have (rows B1-B3)."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Listener
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import SLOTS
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.balancers import balanced, listeners
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule

#: What is about connections, and what to do about it.
_OF_CONNECTIONS = {
    "stickiness": "Write algorithm: source, which keeps a client at its backend, or remove it.",
    "proxy_protocol": "Remove it: the backends see the client's own address.",
    "backend_connections": "Remove it.",
    "max_connections": "Remove it.",
    "timeouts": "Remove it.",
}
#: What only some types of health checks have.
_KEYS_OF_METHODS = {"send": ("udp",), "expect": ("udp",), "port": ("tcp", "http", "udp")}


def _listeners_of_udp(intent: Intent) -> Iterator[Listener]:
    return (listener for _vpc, listener in listeners(intent) if listener.protocol == "udp")


@rule("WEFT-B1-udp")
def datagrams_alone(intent: Intent) -> Iterator[Fault]:
    """A listener of udp has nothing that needs connections."""
    for listener in _listeners_of_udp(intent):
        for key, remedy in _OF_CONNECTIONS.items():
            if key in listener.model_fields_set and getattr(listener, key) is not None:
                reason = f"is given, and listener {listener.name} is of udp, which has no connections"
                yield Fault(listener.at(key), None, reason, remedy)


@rule("WEFT-B2-udp")
def algorithms_without_connections(intent: Intent) -> Iterator[Fault]:
    """A listener of udp is balanced by roundrobin or source."""
    for listener in _listeners_of_udp(intent):
        if listener.algorithm == "leastconn":
            reason = f"counts connections, and listener {listener.name} is of udp, which has none"
            yield Fault(listener.at("algorithm"), "leastconn", reason, "Write roundrobin or source.")


@rule("WEFT-B2-slots")
def weights_fit(intent: Intent) -> Iterator[Fault]:
    """The weights of a listener of udp, divided by what they have in common, add up to 240 at most."""
    for listener in _listeners_of_udp(intent):
        weights = [backend.weight for backend in listener.backends]
        total = sum(weights) // gcd(*weights) if weights else 0
        if total > SLOTS:
            reason = f"have weights that stand for {total} shares, and a listener of udp has {SLOTS}"
            yield Fault(listener.at("backends"), None, reason, "Give them smaller weights, or name fewer.")


@rule("WEFT-B3-type")
def named_checks(intent: Intent) -> Iterator[Fault]:
    """A listener of udp names a type of health check that can be made of it, and other listeners only tcp or http."""
    for _vpc, listener, group in balanced(intent):
        check = group.health_check
        wanted = ("udp", "tcp", "icmp") if listener.protocol == "udp" else ("tcp", "http")
        if check.type is None and listener.protocol == "udp":
            reason = f"is missing, and listener {listener.name} is of udp, of which no check can be guessed"
            remedy = "Write udp and what to send, or tcp and a port that tells, or icmp."
            yield Fault(check.at("type"), None, reason, remedy)
        elif check.method not in wanted:
            reason = f"is no check for listener {listener.name}, which is of {listener.protocol}"
            yield Fault(check.at("type"), check.type, reason, f"Write {' or '.join(wanted)}.")


@rule("WEFT-B3-udp")
def checks_are_whole(intent: Intent) -> Iterator[Fault]:
    """A health check of type udp, and no other, has what it sends; one of type icmp has no port."""
    for _vpc, _listener, group in balanced(intent):
        check = group.health_check
        if check.method == "udp" and check.send is None:
            yield Fault(check.at("send"), None, "is missing, and type udp needs it", "Add what the backends answer to.")
        for key, methods in _KEYS_OF_METHODS.items():
            if check.method not in methods and getattr(check, key) is not None:
                reason = f"is given, and the health check of {group.name} is of type {check.method}"
                yield Fault(check.at(key), None, reason, f"Write type: {methods[0]}, or remove {key}.")
