# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a VPC router does with a connection, as a pure function of the connection and of the router's configuration.

The deploy engine asks it which live connections a change ends; analyses ask it what would happen to a packet.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Optional, TypeVar

from ansible_collections.weft.vpc.plugins.module_utils.egress import Policy
from ansible_collections.weft.vpc.plugins.module_utils.filters import Asked, Filter

ACCEPT, REJECT, DROP = "accept", "reject", "drop"

MULTICAST = ipaddress.IPv4Network("224.0.0.0/4")
BROADCAST = "255.255.255.255"
#: Who asks for an address has none yet.
UNSPECIFIED = "0.0.0.0"
#: What a router does for its subnets, by protocol and port.
SERVICES = {("udp", 53): "DNS", ("tcp", 53): "DNS", ("udp", 67): "DHCP"}

Value = TypeVar("Value")
Prefixes = dict[int, dict[int, Value]]


@dataclass(frozen=True)
class Flow:
    """A connection as its first packet reached the router; ports are 0 where the protocol has none, and only ICMP has
    a type and a code."""

    protocol: str
    source: str
    destination: str
    source_port: int = 0
    destination_port: int = 0
    icmp: tuple[int, int] = (8, 0)


@dataclass(frozen=True)
class Translated:
    """What becomes of a connection's first packet: where it goes, and as whose it leaves.

    ``target_port`` is None where only the address changes; everything is None where nothing changes.
    """

    target: Optional[str] = None
    target_port: Optional[int] = None
    source: Optional[str] = None


class Reason(NamedTuple):
    """A rule that decided, by what it is and by that which tells it from others of its kind.

    ===============  ==================================================================================
    elastic_in       the public address
    elastic_out      the private address
    forward          public address, protocol, first port: it took the flow
    refused          the same: the forward is there, but for others
    listener         public address, protocol, port
    balanced         the same: a backend of a listener that nftables balances took the flow
    unserved         the same: the listener is there, but for others, or no backend of it takes new flows
    snat             the prefix
    gateway          the prefix of the subnet with whose router address a connection goes to a NIC without default route
    hairpin          the public address with which a connection goes back into the subnet that it came from
    route            destination, next hop (empty for a black hole), distance, senders (empty: everybody)
    subnet           the prefix of the subnet that a flow comes from, which lets it pass or ask the router
    egress           the prefix of the subnet that may not send the flow out
    filter           a filter, and the rule of it that decided (empty: none)
    to_subnet        the prefix of the subnet that it goes to
    own              the address: the router's own connections are not filtered
    tunnel           the prefix of another site that the flow goes to or comes from, by a tunnel or not at all
    peer             prefix and destination of the packets of a protocol between routers, its protocol, port
    nothing          input or forward: no rule of the chain admits the flow
    multicast        the address
    ===============  ==================================================================================
    """

    kind: str
    key: tuple[Any, ...]


@dataclass(frozen=True)
class Verdict:
    """What a router does with a connection's first packet: ``action``, and to itself (``local``) or onwards.

    ``reasons`` are the rules that decided, in the order in which a packet meets them; they are no part of what is
    compared.
    """

    action: str
    local: bool = False
    translated: Translated = Translated()
    reasons: tuple[Reason, ...] = field(default=(), compare=False)


class _Tunnel(NamedTuple):
    """A way to another site: whose it is, the public address that it begins at, and the subnets that may use it."""

    site: str
    address: str
    subnets: frozenset[str]


class Way(NamedTuple):
    """Where packets for an address go: into a subnet (by its prefix), by a tunnel, to the public side, or nowhere."""

    subnet: Optional[str] = None
    nowhere: bool = False
    route: Optional[Reason] = None
    tunnel: Optional[_Tunnel] = None

    @property
    def reasons(self) -> list[Reason]:
        """What makes it the way."""
        tunnel = None if self.tunnel is None else Reason("tunnel", (self.tunnel.site,))
        return [one for one in (self.route, tunnel) if one is not None]


OUTSIDE = Way()


class _Forward(NamedTuple):
    first: int
    last: int
    target: str
    target_first: int
    sources: Prefixes[str]


class _Balancer(NamedTuple):
    allowed: Prefixes[str]
    denied: Prefixes[str]
    weights: dict[tuple[str, int], int]

    def admits(self, source: str) -> bool:
        if longest(self.denied, source) is not None:
            return False
        return not self.allowed or longest(self.allowed, source) is not None

    def target(self, actual: Translated) -> Optional[tuple[str, int]]:
        """The backend that a live flow has, if it may keep it; else one of those that new flows go to."""
        kept = (actual.target or "", actual.target_port or 0)
        if kept in self.weights:
            return kept
        return next((target for target, weight in self.weights.items() if weight), None)


def _number(address: str) -> int:
    parts = address.split(".")
    return int(parts[0]) << 24 | int(parts[1]) << 16 | int(parts[2]) << 8 | int(parts[3])


def prefixes(pairs: Mapping[str, Value]) -> Prefixes[Value]:
    """Values by prefix length, then by network number."""
    table: Prefixes[Value] = {}
    for cidr, value in pairs.items():
        network = ipaddress.IPv4Network(cidr)
        table.setdefault(network.prefixlen, {})[int(network.network_address)] = value
    return dict(sorted(table.items(), reverse=True))


def matches(table: Prefixes[Value], address: str) -> Iterator[Value]:
    """The values of all prefixes that cover the address, the longest first."""
    number = _number(address)
    for length, values in table.items():
        value = values.get(number >> (32 - length) << (32 - length) if length else 0)
        if value is not None:
            yield value


def longest(table: Prefixes[Value], address: str) -> Optional[Value]:
    """The value of the longest prefix that covers the address."""
    return next(matches(table, address), None)


@dataclass(frozen=True)
class Translation:
    """A router's ``translation.json``, ready to be asked.

    The keys of ``raw``: subnets, elastic_in, elastic_out, forwards ([public address, protocol, first port, last port,
    target, first target port, allowed prefixes]; no prefixes: everybody), snat ([[prefix, address; null: as it is]]),
    without_default_route ([address of a NIC that has none]), router_addresses ({interface: address}), public_addresses
    (its own and those of its virtual IPs), balancers ([[address, protocol, port]]), udp_balancers ([{place: [address,
    port], allowed: [prefix], denied: [prefix], backends: [[address, port, weight]]}]; one of weight 0 gets no new
    flows), routes ([[prefix, next hop or null, distance, prefix of the senders that it is for or null]]), main_only
    ([prefix]: destinations that routes for
    senders do not lead to), egress ({subnet: policy}, see Policy), filters ({name: filter}, see Filter), network_acls
    ({subnet: [filter of what goes in, filter of what comes out]}), address_firewalls ({public address: filter}),
    interface_firewalls ([[in, out or local, prefix of the interface's network, filter]]), public_links ({prefix:
    prefix of the public network that is or has its interface}), management ([[own address with prefix length, ports
    that it answers on]]), peers ([[prefix, destination, protocol, port]]: which other routers are heard), tunnels
    ([[public address, [subnet], [prefix of another site]]]).
    One that an older release wrote lacks some of them.
    """

    raw: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _subnets(self) -> Prefixes[str]:
        return prefixes({cidr: cidr for cidr in self.raw.get("subnets", ())})

    @cached_property
    def _snat(self) -> Prefixes[tuple[str, Optional[str]]]:
        return prefixes({cidr: (cidr, address) for cidr, address in self.raw.get("snat", ())})

    def _routes(self, senders: Optional[str]) -> dict[str, Way]:
        """The routes for some senders, or those for all, by prefix: of several to one that with the least distance."""
        found = {}
        for cidr, hop, distance, *wanted in sorted(self.raw.get("routes", ()), key=lambda one: -one[2]):
            if (wanted or [None])[0] == senders:
                reason = Reason("route", (cidr, hop or "", distance, senders or ""))
                found[cidr] = Way(self.subnet(hop) if hop else None, not hop, reason)
        return found

    @cached_property
    def _ways(self) -> Prefixes[Way]:
        """The main routing table; a subnet comes before a route to the same prefix."""
        tunnels = {
            site: Way(tunnel=_Tunnel(site, address, frozenset(subnets)))
            for address, subnets, sites in self.raw.get("tunnels", ())
            for site in sites
        }
        return prefixes({**self._routes(None), **tunnels, **{cidr: Way(cidr) for cidr in self.raw.get("subnets", ())}})

    @cached_property
    def _sender_ways(self) -> Prefixes[Prefixes[Way]]:
        """The routing tables of senders, by their prefix."""
        senders = {one for _cidr, _hop, _distance, *wanted in self.raw.get("routes", ()) for one in wanted if one}
        return prefixes({one: prefixes(self._routes(one)) for one in senders})

    @cached_property
    def _main_only(self) -> Prefixes[str]:
        return prefixes({cidr: cidr for cidr in self.raw.get("main_only", ())})

    @cached_property
    def _gateways(self) -> dict[str, str]:
        """The router's own address by subnet."""
        found = {}
        for address in self.raw.get("router_addresses", {}).values():
            cidr = longest(self._subnets, address)
            if cidr is not None:
                found[cidr] = address
        return found

    @cached_property
    def _own(self) -> frozenset[str]:
        own = frozenset(self.raw.get("router_addresses", {}).values()) | frozenset(self.raw.get("public_addresses", ()))
        own |= {address for address, _port in self._udp_balancers}
        return own | {address for address, _protocol, _port in self._balancers}

    @cached_property
    def _balancers(self) -> frozenset[tuple[str, str, int]]:
        return frozenset((address, protocol, port) for address, protocol, port in self.raw.get("balancers", ()))

    @cached_property
    def _udp_balancers(self) -> dict[tuple[str, int], _Balancer]:
        return {
            (one["place"][0], one["place"][1]): _Balancer(
                prefixes({cidr: cidr for cidr in one["allowed"]}),
                prefixes({cidr: cidr for cidr in one["denied"]}),
                {(address, port): weight for address, port, weight in one["backends"]},
            )
            for one in self.raw.get("udp_balancers", ())
        }

    @cached_property
    def _forwards(self) -> dict[tuple[str, str], list[_Forward]]:
        found: dict[tuple[str, str], list[_Forward]] = {}
        for address, protocol, first, last, target, target_first, *allowed in self.raw.get("forwards", ()):
            sources = prefixes({cidr: cidr for cidr in allowed[0]} if allowed else {})
            found.setdefault((address, protocol), []).append(_Forward(first, last, target, target_first, sources))
        return found

    def subnet(self, address: str) -> Optional[str]:
        """The subnet of the VPC that an address lies in."""
        return longest(self._subnets, address)

    def inside(self, address: str) -> bool:
        """True for who may use what is for subnets: who is in one, and other sites."""
        way = self.way(address)
        return way.subnet is not None or way.tunnel is not None

    def own(self, address: str) -> bool:
        """True for an address of the router itself."""
        return address in self._own

    def way(self, address: str, sender: Optional[str] = None) -> Way:
        """Where a sender's packets for an address go; without a sender, where what comes from the address came in."""
        if sender is not None and self._sender_ways and longest(self._main_only, address) is None:
            for ways in matches(self._sender_ways, sender):
                found = longest(ways, address)
                if found is not None:
                    return found
        return longest(self._ways, address) or OUTSIDE

    @cached_property
    def _policies(self) -> dict[str, Policy]:
        return {cidr: Policy(raw) for cidr, raw in self.raw.get("egress", {}).items()}

    def lets_out(self, subnet: str, flow: Flow) -> bool:
        """Whether the subnet may send the flow outside the VPC."""
        policy = self._policies.get(subnet)
        return policy is None or policy.admits(flow.protocol, flow.destination, flow.destination_port)

    @cached_property
    def _filters(self) -> dict[str, Filter]:
        return {name: Filter(raw) for name, raw in self.raw.get("filters", {}).items()}

    def filtered(self, names: Iterable[Optional[str]], asked: Asked, reasons: list[Reason]) -> bool:
        """Whether filters let a connection pass, asked one after the other; who decided is added to the reasons."""
        for name in names:
            if name is not None:
                decision = self._filters[name].decide(asked)
                reasons.append(Reason("filter", (name, decision.rule)))
                if not decision.admits:
                    return False
        return True

    def firewall(self, flow: Flow, reasons: list[Reason]) -> bool:
        """Whether the firewall of a public address admits a flow to it."""
        return self.filtered([self.raw.get("address_firewalls", {}).get(flow.destination)], _asked(flow), reasons)

    @cached_property
    def _interface_firewalls(self) -> dict[tuple[str, str], str]:
        return {(direction, cidr): name for direction, cidr, name in self.raw.get("interface_firewalls", ())}

    @cached_property
    def _public_links(self) -> Prefixes[str]:
        return prefixes(self.raw.get("public_links", {}))

    def interface(self, direction: str, way: Way, address: str) -> Optional[str]:
        """The firewall of an interface: that to the subnet, or else to the public network that packets for an address
        of the router's come in by, or those of a sender leave by."""
        if not self._interface_firewalls:
            return None
        place = way.subnet or longest(self._public_links, way.tunnel.address if way.tunnel else address) or ""
        return self._interface_firewalls.get((direction, place))

    def network_acl(self, source: Optional[str], target: Optional[str]) -> tuple[Optional[str], Optional[str]]:
        """The filters that a connection from one subnet to another has to pass; outside of subnets there are none."""
        lists = self.raw.get("network_acls", {})
        return lists.get(source, (None, None))[1], lists.get(target, (None, None))[0]

    @cached_property
    def _management(self) -> list[tuple[ipaddress.IPv4Interface, list[int]]]:
        return [(ipaddress.IPv4Interface(address), ports) for address, ports in self.raw.get("management", ())]

    def managed(self, flow: Flow) -> Optional[Verdict]:
        """What becomes of a flow from or to the management network, which reaches the statistics and nothing else."""
        for own, ports in self._management:
            source, destination = (ipaddress.IPv4Address(one) in own.network for one in (flow.source, flow.destination))
            local = flow.destination == str(own.ip)
            if source and local and flow.protocol == "tcp" and flow.destination_port in ports:
                return Verdict(ACCEPT, True, reasons=(Reason("management", (str(own),)),))
            if source or destination:
                return Verdict(DROP, local, reasons=(Reason("nothing", ("input" if local else "forward",)),))
        return None

    def peer(self, flow: Flow) -> Optional[Reason]:
        """The other router that the flow comes from."""
        wanted = (flow.destination, flow.protocol, flow.destination_port)
        for cidr, *heard in self.raw.get("peers", ()):
            if tuple(heard) == wanted and ipaddress.IPv4Address(flow.source) in ipaddress.IPv4Network(cidr):
                return Reason("peer", (cidr, *wanted))
        return None

    def listens(self, flow: Flow) -> bool:
        """True if a load balancer has the port that the flow goes to."""
        return (flow.destination, flow.protocol, flow.destination_port) in self._balancers

    def _forward(self, flow: Flow) -> Optional[_Forward]:
        """The forward of the port that the flow goes to, whoever may use it."""
        for forward in self._forwards.get((flow.destination, flow.protocol), ()):
            if forward.first <= flow.destination_port <= forward.last:
                return forward
        return None

    def target(self, flow: Flow, actual: Translated) -> tuple[Optional[str], Optional[int], Optional[Reason]]:
        """Where destination translation sends the flow, and the rule that does: an elastic IP first, then a forward."""
        elastic = self.raw.get("elastic_in", {}).get(flow.destination)
        if elastic is not None:
            return elastic, None, Reason("elastic_in", (flow.destination,))
        forward = self._forward(flow)
        if forward is None:
            return self._balanced(flow, actual)
        key = (flow.destination, flow.protocol, forward.first)
        if forward.sources and longest(forward.sources, flow.source) is None:
            return None, None, Reason("refused", key)
        return forward.target, forward.target_first + flow.destination_port - forward.first, Reason("forward", key)

    def _balanced(self, flow: Flow, actual: Translated) -> tuple[Optional[str], Optional[int], Optional[Reason]]:
        """The backend that a listener of udp gives the flow."""
        balancer = self._udp_balancers.get((flow.destination, flow.destination_port))
        # A load balancer on a subnet's address is for who is inside.
        stranger = self.subnet(flow.destination) is not None and not self.inside(flow.source)
        if flow.protocol != "udp" or balancer is None or stranger:
            return None, None, None
        key = (flow.destination, flow.protocol, flow.destination_port)
        target = balancer.target(actual) if balancer.admits(flow.source) else None
        if target is None:
            return None, None, Reason("unserved", key)
        return target[0], target[1], Reason("balanced", key)

    @cached_property
    def _without_default_route(self) -> frozenset[str]:
        return frozenset(self.raw.get("without_default_route", ()))

    def source(self, flow: Flow, way: Way, target: Optional[str]) -> tuple[Optional[str], Optional[Reason]]:
        """As whose the flow leaves that way, translated to a target or not, and the rule that says so."""
        if way.tunnel is not None:
            return None, None
        if way.subnet is not None and target in self._without_default_route:
            return self._gateways.get(way.subnet), Reason("gateway", (way.subnet,))
        own = self.subnet(flow.source)
        if way.subnet is not None and (target is None or own is None):
            # East-west is left alone unless it came through a public address.
            return None, None
        elastic = self.raw.get("elastic_out", {}).get(flow.source)
        if elastic is not None:
            return elastic, Reason("elastic_out", (flow.source,))
        if way.subnet is not None:
            # In its own subnet the target would answer past the router.
            same = own == way.subnet
            return (flow.destination, Reason("hairpin", (flow.destination,))) if same else (None, None)
        cidr, address = longest(self._snat, flow.source) or (None, None)
        return address, None if cidr is None else Reason("snat", (cidr,))


def judge(flow: Flow, config: Translation, actual: Translated = Translated()) -> Verdict:
    """What the router does with the flow.

    ``actual`` is what a live connection's entry says: where several targets will do, it keeps its own. That a router
    forwards a flow presumes that it knows a way: a default route, for what lies outside.
    """
    came = config.way(flow.source)
    if config.own(flow.source):
        return _sent(flow, config)
    managed = config.managed(flow)
    if managed is not None:
        return managed
    peer = config.peer(flow)
    if peer is not None:
        return Verdict(ACCEPT, True, reasons=(peer,))
    if came.tunnel is not None and config.subnet(flow.destination) not in came.tunnel.subnets:
        return Verdict(DROP, config.own(flow.destination), reasons=tuple(came.reasons))
    target, port, reason = config.target(flow, actual)
    reasons = came.reasons + ([] if reason is None else [reason])
    if came.nowhere:
        # The first packet may pass, its answer never does.
        return Verdict(DROP, reasons=tuple(reasons[:1]))
    if target is None and (config.own(flow.destination) or flow.destination == BROADCAST):
        return _received(flow, config, came, reasons)
    if ipaddress.IPv4Address(flow.destination) in MULTICAST:
        return Verdict(DROP, reasons=(Reason("multicast", (flow.destination,)),))
    return _forwarded(flow, config, came, Translated(target, port), reasons)


def _sent(flow: Flow, config: Translation) -> Verdict:
    """A connection of the router's own."""
    reasons = [Reason("own", (flow.source,))]
    if config.own(flow.destination) or ipaddress.IPv4Address(flow.destination) in MULTICAST:
        return Verdict(ACCEPT, config.own(flow.destination), reasons=tuple(reasons))
    way = config.way(flow.destination, flow.source)
    return Verdict(DROP if way.nowhere else ACCEPT, False, reasons=(*reasons, *way.reasons))


def _received(flow: Flow, config: Translation, came: Way, reasons: list[Reason]) -> Verdict:
    """A connection to the router itself: its services for subnets, and what load balancers listen on."""
    local = config.interface("local", came, flow.destination) if flow.source != UNSPECIFIED else None
    if not config.firewall(flow, reasons) or not config.filtered([local], _asked(flow), reasons):
        return _denied(came, True, reasons)
    if any(reason.kind == "unserved" for reason in reasons):
        return Verdict(REJECT, True, reasons=tuple(reasons))
    # A load balancer on a subnet's address is for who is inside.
    if config.listens(flow) and (config.inside(flow.source) or config.subnet(flow.destination) is None):
        return _to_balancer(flow, config, came, reasons)
    inside = came.subnet is not None or flow.source == UNSPECIFIED
    serves = flow.destination == BROADCAST or config.subnet(flow.destination) is not None
    if inside and (flow.protocol == "icmp" or (serves and (flow.protocol, flow.destination_port) in SERVICES)):
        return Verdict(ACCEPT, True, reasons=(*reasons, Reason("subnet", (came.subnet or "",))))
    if any(reason.kind == "refused" for reason in reasons):
        return Verdict(REJECT, True, reasons=tuple(reasons))
    return Verdict(DROP, True, reasons=(*reasons, Reason("nothing", ("input",))))


def _to_balancer(flow: Flow, config: Translation, came: Way, reasons: list[Reason]) -> Verdict:
    """A connection to a load balancer, which may be in a subnet; what stays in that is not asked about."""
    place = config.subnet(flow.destination)
    names = () if place is not None and place == came.subnet else config.network_acl(came.subnet, place)
    if not config.filtered(names, _asked(flow), reasons):
        return _denied(came, True, reasons)
    listener = Reason("listener", (flow.destination, flow.protocol, flow.destination_port))
    return Verdict(ACCEPT, True, reasons=(*reasons, listener))


def _denied(came: Way, local: bool, reasons: list[Reason], made: Translated = Translated()) -> Verdict:
    """A filter let a connection not pass: only who is inside is told."""
    return Verdict(DROP if came.subnet is None else REJECT, local, made, tuple(reasons))


def _asked(flow: Flow, made: Translated = Translated()) -> Asked:
    """What filters see: inside addresses and ports."""
    port = flow.destination_port if made.target_port is None else made.target_port
    return Asked(flow.protocol, flow.source, made.target or flow.destination, port, flow.icmp)


def _forwarded(flow: Flow, config: Translation, came: Way, translated: Translated, reasons: list[Reason]) -> Verdict:
    """A connection through the router: subnets reach everything, and what is outside only what is published."""
    way = config.way(translated.target or flow.destination, flow.source)
    reasons += way.reasons
    if way.nowhere:
        return Verdict(DROP, translated=translated, reasons=tuple(reasons))
    if way.tunnel is not None and came.subnet not in way.tunnel.subnets:
        return Verdict(DROP, translated=translated, reasons=tuple(reasons))
    if came.subnet is None and came.tunnel is None and translated.target is None:
        return Verdict(DROP, translated=translated, reasons=(*reasons, Reason("nothing", ("forward",))))
    leaves_as, named = config.source(flow, way, translated.target)
    names = [
        config.interface("in", came, flow.destination),
        config.interface("out", way, leaves_as or flow.source),
        *config.network_acl(came.subnet, way.subnet),
    ]
    if not config.firewall(flow, reasons) or not config.filtered(names, _asked(flow, translated), reasons):
        return _denied(came, False, reasons, translated)
    if came.subnet is not None:
        if way.subnet is None and not config.lets_out(came.subnet, flow):
            return Verdict(REJECT, translated=translated, reasons=(*reasons, Reason("egress", (came.subnet,))))
        reasons.append(Reason("subnet", (came.subnet,)))
    if way.subnet is not None:
        reasons.append(Reason("to_subnet", (way.subnet,)))
    if named is not None:
        reasons.append(named)
    made = Translated(translated.target, translated.target_port, leaves_as)
    return Verdict(ACCEPT, False, made, tuple(reasons))


def ends(flow: Flow, actual: Translated, old: Translation, new: Translation) -> bool:
    """True if a live connection must end because the change from ``old`` to ``new`` no longer admits it, or translates
    it otherwise.

    ``actual`` is what the connection's entry says. It keeps alive what lives under the new rules already, and what the
    old rules did not reach: a connection that a route of another router's leads elsewhere leaves untranslated.
    """
    was, is_now = judge(flow, old, actual), judge(flow, new, actual)
    if was == is_now:
        return False
    if was.action == ACCEPT and is_now.action != ACCEPT:
        return True
    before, after = was.translated, is_now.translated
    redirected = (before.target, before.target_port) != (after.target, after.target_port)
    if redirected and not _lands(actual, after):
        return True
    untouched = actual.source is None and before.source is not None
    return before.source != after.source and actual.source != after.source and not untouched


def _lands(actual: Translated, wanted: Translated) -> bool:
    """True if the connection already goes where it should."""
    return actual.target == wanted.target and wanted.target_port in (None, actual.target_port)
