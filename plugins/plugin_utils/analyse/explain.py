# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a router of the plan does with one flow, and the rules that decided, by their names and inventory paths.

What it does is asked of the function that hosts use, with the file that they get; here it only gets its words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible_collections.weft.vpc.plugins.module_utils.filters import END
from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Reason, Translation, Verdict, judge
from ansible_collections.weft.vpc.plugins.plugin_utils.render.environment import template

_Part = Mapping[str, Any]

_NOTHING = {
    "input": "{destination} is the router's own address, and nothing there answers on {service}.",
    "forward": "New connections from outside pass only where an elastic IP or a port forward takes them.",
}
_ROUTER = {
    "own": "{source} is the router's own address, and its connections are not filtered.",
    "multicast": "Routers do not forward multicast ({destination}).",
    "management": "The management network reaches the statistics of load balancers.",
    "stopped": "The router is stopped.",
}


@dataclass(frozen=True)
class Rule:
    """A rule that decided: its key in the plan, the inventory path that it comes from, and what it did."""

    key: str
    source: str
    sentence: str


@dataclass(frozen=True)
class Answer:
    """What the router does with a flow, and by which rules, in the order in which a packet meets them."""

    verdict: Verdict
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class RouterAnalysis:
    """A router of a plan's slice, ready to be asked."""

    router: _Part

    @cached_property
    def config(self) -> Translation:
        """What the router's node knows of it: the file that the plan renders."""
        return Translation(json.loads(template("vpc_router/translation.json.j2").render(router=self.router)))

    @cached_property
    def _parts(self) -> dict[Reason, _Part]:
        return dict(_parts(self.router))

    def explain(self, flow: Flow) -> Answer:
        """What the router does with the flow, and why."""
        if not self.router["running"]:
            return Answer(Verdict("drop"), (self._rule(Reason("stopped", ()), flow),))
        verdict = judge(flow, self.config)
        return Answer(verdict, tuple(self._rule(reason, flow) for reason in verdict.reasons))

    def _rule(self, reason: Reason, flow: Flow) -> Rule:
        part = self._parts.get(reason, self.router)
        return Rule(part["key"], part["source"], _sentence(reason, part, flow))


def _parts(router: _Part) -> Iterator[tuple[Reason, _Part]]:
    """The parts of a router's slice by the reasons that mean them."""
    for elastic in router["elastic_ips"]:
        yield Reason("elastic_in", (elastic["address"],)), elastic
        if elastic["outbound"]:
            yield Reason("elastic_out", (elastic["target"],)), elastic
    yield from _services(router)
    for nat in router["source_nats"]:
        yield Reason("snat", (nat["cidr"],)), nat
    for nat in router["nic_source_nats"]:
        yield Reason("snat", (f"{nat['ip']}/32",)), nat
    for route in router["routes"]:
        place = (route["destination"], route["next_hop"] or "", route["distance"], route["senders"] or "")
        yield Reason("route", place), route
    for policy in router["egress"]:
        yield Reason("egress", (policy["cidr"],)), policy
    yield from _filters(router)
    for connection in router["ipsec"]:
        for cidr in connection["peer_cidrs"]:
            yield Reason("tunnel", (cidr,)), connection
    talking = (*(router["bgp"] or {"neighbors": ()})["neighbors"], router["ospf"], *router["ipsec"])
    speakers = {one["key"]: one for one in talking if one}
    for peer in router["peers"]:
        place = (peer["source"], peer["destination"], peer["protocol"], peer["port"])
        yield Reason("peer", place), speakers[peer["part"]]
    for subnet in router["subnets"]:
        for kind in ("subnet", "to_subnet", "gateway"):
            yield Reason(kind, (subnet["cidr"],)), subnet


def _filters(router: _Part) -> Iterator[tuple[Reason, _Part]]:
    """The rules of filters, and the filters themselves for what none of their rules is about."""
    firewalls = [one["filter"] for one in (*router["address_firewalls"], *router["interface_firewalls"])]
    for one in (*router["acl_filters"], *firewalls):
        yield Reason("filter", (one["name"], END)), one
        for rule in one["rules"]:
            yield Reason("filter", (one["name"], rule["counter"])), rule


def _services(router: _Part) -> Iterator[tuple[Reason, _Part]]:
    """Those that have ports of an address."""
    for forward in router["port_forwards"]:
        key = (forward["address"], forward["protocol"], forward["first"])
        yield Reason("forward", key), forward
        yield Reason("refused", key), forward
    for listener in router["listeners"]:
        yield Reason("listener", (listener["address"], listener["transport"], listener["port"])), listener
    for listener in router["udp_listeners"]:
        for kind in ("balanced", "unserved"):
            yield Reason(kind, (listener["address"], "udp", listener["port"])), listener


def _sentence(reason: Reason, part: _Part, flow: Flow) -> str:
    values = {"source": flow.source, "destination": flow.destination, "service": service(flow)}
    if reason.kind == "nothing":
        return _NOTHING[reason.key[0]].format_map(values)
    if reason.kind in _ROUTER:
        return _ROUTER[reason.kind].format_map(values)
    return _WORDS[reason.kind](part, flow)


def service(flow: Flow) -> str:
    """What a flow asks for, in words."""
    return f"{flow.protocol} port {flow.destination_port}" if flow.destination_port else flow.protocol


def _forward(part: _Part, flow: Flow) -> str:
    port = part["target_first"] + flow.destination_port - part["first"]
    return f"{service(flow)} of {part['address']} is forwarded to {part['target']}, port {port}."


def _refused(part: _Part, flow: Flow) -> str:
    allowed = ", ".join(part["allowed_cidrs"])
    return f"{service(flow)} of {part['address']} is forwarded for {allowed} alone; {flow.source} is rejected."


def _listener(part: _Part, flow: Flow) -> str:
    return f"Load balancer {part['balancer']} answers on {service(flow)} of {part['address']}."


def _balanced(part: _Part, flow: Flow) -> str:
    targets = ", ".join(f"{one['address']} port {one['port']}" for one in part["backends"] if one["weight"])
    return f"Load balancer {part['balancer']} shares {service(flow)} of {part['address']} out to {targets}."


def _unserved(part: _Part, flow: Flow) -> str:
    asked = f"{service(flow)} of {part['address']}"
    if not any(one["weight"] for one in part["backends"]):
        return f"Load balancer {part['balancer']} has no backend that takes new flows for {asked}: all are drained."
    return f"Load balancer {part['balancer']} does not serve {flow.source} on {asked}; it is rejected."


def _route(part: _Part, _flow: Flow) -> str:
    senders = f" from {part['senders']}" if part["senders"] else ""
    if part["next_hop"] is None:
        return f"Packets{senders} for {part['destination']} are dropped."
    return f"Packets{senders} for {part['destination']} go to {part['next_hop']}."


def _snat(part: _Part, flow: Flow) -> str:
    if part["address"] is None:
        return f"{flow.source} leaves as it is."
    return f"{part.get('cidr', flow.source)} leaves with {part['address']}."


def _egress(part: _Part, flow: Flow) -> str:
    why = "its policy denies what no egress rule permits" if part["policy"] == "deny" else "an egress rule blocks it"
    return f"{part['cidr']} may not send {service(flow)} to {flow.destination}: {why}."


def _filter(part: _Part, _flow: Flow) -> str:
    if "end" in part:
        return f"No rule of {part['key']} is about it, and then it says {part['end']}."
    return f"The first rule that is about it says {part['action']}."


def _subnet(part: _Part, flow: Flow) -> str:
    if "cidr" not in part:
        return "Whoever asks for an address is answered."
    return f"{flow.source} comes from {part['cidr']}, which may open connections and use the router's services."


def _tunnel(part: _Part, _flow: Flow) -> str:
    site = ", ".join(part["peer_cidrs"])
    return f"{site} is reached by a tunnel from {part['address']}, for {', '.join(part['networks'])} alone."


_WORDS: dict[str, Callable[[_Part, Flow], str]] = {
    "elastic_in": lambda part, _flow: f"{part['address']} is the elastic IP of {part['target']}.",
    "elastic_out": lambda part, _flow: f"{part['target']} leaves with its elastic IP {part['address']}.",
    "forward": _forward,
    "refused": _refused,
    "listener": _listener,
    "balanced": _balanced,
    "unserved": _unserved,
    "snat": _snat,
    "gateway": lambda part, flow: (
        f"The target's NIC has no default route and answers its own subnet only, so {flow.source} arrives as "
        f"{part['gateway']}."
    ),
    "hairpin": lambda _part, flow: (
        f"{flow.source} is in the target's own subnet, so it arrives as {flow.destination}: the answer must pass the "
        "router."
    ),
    "route": _route,
    "tunnel": _tunnel,
    "peer": lambda part, flow: f"{flow.source} is a peer by {part['interface']}.",
    "subnet": _subnet,
    "egress": _egress,
    "filter": _filter,
    "to_subnet": lambda part, _flow: f"The target is in {part['cidr']}.",
}
