# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Security groups: what the host of a NIC lets in and out of it (rows F1, F2, F8, F9; of load balancers B1)."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.module_utils.egress import NUMBERS
from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    Intent,
    Network,
    NicRef,
    ProviderNetwork,
    SecurityGroupRule,
    Vpc,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model import SecurityGroup as WantedGroup
from ansible_collections.weft.vpc.plugins.plugin_utils.model.load_balancer import Balanced, Listener
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import names
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context, must, network_path
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.egress import Box, disjoint
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import (
    AddressSet,
    Admitted,
    BridgeRouter,
    ConnectionZone,
    GroupChain,
    Grouped,
    GroupedPort,
    GroupRule,
    SecurityGroup,
)

_EVERYWHERE = IPv4Network("0.0.0.0/0")
_ALL_PROTOCOLS, _ALL_CODES = (0, 255), (0, 255)
_DIRECTIONS = ("ingress", "egress")

#: How many connections Linux tracks where memory is not short.
_USUALLY_TRACKED = 262144


class Served(NamedTuple):
    """What a load balancer's router sends to one NIC."""

    ports: frozenset[tuple[str, str, int]] = frozenset()
    balanced: frozenset[tuple[str, int]] = frozenset()
    pinged: frozenset[str] = frozenset()


def zone_key(host: str, segment: str) -> str:
    """Return the ledger key of the number under which a host tracks a segment's connections."""
    return f"{host}/{segment}:zone"


def grouped_nics(intent: Intent) -> Iterator[NicRef]:
    """Yield the NICs that are in security groups."""
    for instance in sorted(intent.instances, key=lambda one: one.key):
        for index, nic in enumerate(instance.nics):
            if nic.security_groups:
                yield NicRef(instance, index)


def plan(context: Context) -> None:
    """Give each hypervisor the groups of its NICs, and the members of those that their rules name."""
    by_host: defaultdict[str, list[NicRef]] = defaultdict(list)
    for nic in grouped_nics(context.intent):
        by_host[nic.instance.host].append(nic)
    everybody = _Fabric(context)
    for host, nics in by_host.items():
        part = _HostPart(context, everybody, host)
        for nic in nics:
            part.add(nic)
        context.slice_of(host).grouped = part.grouped()


@dataclass
class _Fabric:
    """What is the same for all hosts, made once."""

    context: Context

    def scope(self, nic: NicRef) -> str:
        """Name what a NIC is in: a VPC, whose addresses say who somebody is, or a provider network."""
        network = self.attachment(nic)
        return self.context.intent.vpc_of(network).key if isinstance(network, Network) else network.name

    def attachment(self, nic: NicRef) -> Network | ProviderNetwork:
        """Return what a NIC is plugged into."""
        reference = nic.nic.network
        resolved = self.context.intent.network(nic.instance.tenant, reference)
        if resolved is not None:
            return resolved.network
        return must(self.context.intent.provider_network(reference), reference)

    @cached_property
    def served(self) -> dict[str, Served]:
        """What load balancers send to NICs, by the NIC's key."""
        found: dict[str, Served] = {}
        for vpc in self.context.intent.vpcs:
            for nic, listener, balanced in _backends(self.context.intent, vpc):
                one, before = self._served(nic, listener, balanced), found.get(nic.key, Served())
                found[nic.key] = Served(
                    before.ports | one.ports, before.balanced | one.balanced, before.pinged | one.pinged
                )
        return found

    def _served(self, nic: NicRef, listener: Listener, balanced: Balanced) -> Served:
        address, port = self.context.text(f"{nic.address_key}:ip"), balanced.backend_port or 0
        check = balanced.health_check
        if listener.protocol != "udp":
            return Served(frozenset({(address, "tcp", port), (address, "tcp", check.port or port)}))
        asked = {(address, check.method, check.port or port)} if check.method != "icmp" else set()
        pinged = {address} if check.method == "icmp" else set()
        return Served(frozenset(asked), frozenset({(address, port)}), frozenset(pinged))

    @cached_property
    def members(self) -> dict[tuple[str, str], list[IPv4Network]]:
        """The addresses of a group's NICs, by scope and group: allowed addresses are others' as well."""
        found: defaultdict[tuple[str, str], list[IPv4Network]] = defaultdict(list)
        for nic in grouped_nics(self.context.intent):
            own = [IPv4Network(self.context.text(f"{one.address_key}:ip")) for one in nic.addresses]
            for group in nic.nic.security_groups:
                found[self.scope(nic), f"{nic.instance.tenant}/{group}"] += own
        return found


def _backends(intent: Intent, vpc: Vpc) -> Iterator[tuple[NicRef, Listener, Balanced]]:
    for balancer in vpc.load_balancers:
        for listener in balancer.listeners:
            for balanced in listener.balanced:
                for backend in balanced.backends:
                    yield must(intent.instance(vpc.tenant, backend.instance), backend.instance), listener, balanced


@dataclass
class _HostPart:
    """The groups of one host, collected NIC by NIC."""

    context: Context
    fabric: _Fabric
    host: str
    zones: dict[str, int] = field(default_factory=dict)
    sets: dict[str, AddressSet] = field(default_factory=dict)
    groups: dict[str, SecurityGroup] = field(default_factory=dict)
    chains: dict[str, GroupChain] = field(default_factory=dict)
    ports: list[GroupedPort] = field(default_factory=list)

    def grouped(self) -> Grouped:
        return Grouped(
            zones=tuple(ConnectionZone(bridge, zone) for bridge, zone in sorted(self.zones.items())),
            routers=tuple(
                BridgeRouter(*one) for one in sorted({(port.bridge, port.router) for port in self.ports if port.router})
            ),
            sets=tuple(one for _name, one in sorted(self.sets.items())),
            groups=tuple(one for _name, one in sorted(self.groups.items())),
            chains=tuple(one for _name, one in sorted(self.chains.items())),
            ports=tuple(self.ports),
            connections=self.context.intent.fabric.connections,
            tracked=max(_USUALLY_TRACKED, len(_DIRECTIONS) * self.context.intent.fabric.connections * self._on_zones()),
        )

    def _on_zones(self) -> int:
        """Count the ports whose connections are tracked: those without groups on the same bridges, too."""
        return sum(port.bridge in self.zones for port in self.context.slice_of(self.host).ports)

    def add(self, nic: NicRef) -> None:
        scope, tenant = self.fabric.scope(nic), nic.instance.tenant
        named = sorted(nic.nic.security_groups)
        wanted = [must(self.context.intent.security_group(tenant, name), name) for name in named]
        groups = [self._group(one, scope) for one in wanted]
        words = f"{', '.join(one.key for one in wanted)} in {scope}"
        bridge, segment, router, mac = self._place(nic)
        zone = self.zones[bridge] = self.context.number(zone_key(self.host, segment))
        served = self.fabric.served.get(nic.key, Served())
        port = next(one for one in self.context.slice_of(self.host).ports if one.key == f"port {nic.key}")
        whitelist = any(one.egress for one in groups)
        self.ports.append(
            GroupedPort(
                key=f"security groups of {port.key}",
                source=nic.nic.path,
                bridge=bridge,
                # Both are known at any time: a limit that comes or goes moves the port while it runs.
                devices=(port.device, names.limit_device("o", self.context.number(f"{nic.key}:port"))),
                named=tuple(named),
                zone=zone,
                addresses=port.sends_from,
                groups=tuple(one.name for one in groups),
                ingress=self._chain("ingress", groups, words),
                egress=self._chain("egress", groups, words) if whitelist else None,
                router=router,
                router_mac=mac,
                served=tuple(sorted(served.ports)),
                balanced=tuple(sorted(served.balanced)),
                pinged=tuple(sorted(served.pinged)),
            )
        )

    def _place(self, nic: NicRef) -> tuple[str, str, str | None, str | None]:
        """Return the bridge that a NIC is on, the name of its segment, and its router's address and MAC there."""
        network = self.fabric.attachment(nic)
        if isinstance(network, ProviderNetwork):
            gateway = None if network.gateway is None else str(network.gateway)
            return self.context.provider_bridge(network.name), network.name, gateway, None
        vpc = self.context.intent.vpc_of(network)
        mac = self.context.text(f"{network_path(vpc, network)}:router_mac")
        segment = network_path(*self.context.segment_owner(vpc, network))
        return names.segment_bridge(self.context.vni(vpc, network)), segment, str(network.gateway_ip), mac

    def _chain(self, direction: str, groups: Sequence[SecurityGroup], words: str) -> str:
        """Return the chain of several groups, begun if this is the first NIC in them."""
        used = [one for one in groups if getattr(one, direction)]
        name = f"{direction}_{_digest(direction, words)}"
        self.chains.setdefault(name, GroupChain(name, direction, tuple(one.name for one in used), words))
        return name

    def _group(self, wanted: WantedGroup, scope: str) -> SecurityGroup:
        name = _digest("group", wanted.key, scope)
        if name not in self.groups:
            key = f"security group {wanted.key} in {scope}"
            # A rule that is there twice is one.
            found: dict[str, GroupRule] = {}
            for one in wanted.rules:
                rule = self._rule(one, wanted, key, scope)
                found.setdefault(rule.key, rule)
            rules = tuple(found.values())
            ingress, egress = (_admitted(name, rules, direction) for direction in _DIRECTIONS)
            self.groups[name] = SecurityGroup(key, wanted.path, name, ingress, egress, rules)
        return self.groups[name]

    def _rule(self, wanted: SecurityGroupRule, group: WantedGroup, key: str, scope: str) -> GroupRule:
        cidrs = tuple(map(str, collapse_addresses(wanted.cidrs)))
        peers, other = self._peers(wanted, group.tenant, scope), _other_side(wanted)
        icmp = "" if wanted.icmp_type is None else f" {wanted.icmp_type}/{_or_any(wanted.icmp_code)}"
        words = (
            f"{wanted.direction} {wanted.protocol}{icmp} {_or_any(wanted.ports)} {other or ','.join(cidrs) or 'any'}"
        )
        return GroupRule(
            key=f"rule {words} of {key}",
            source=wanted.path,
            direction=wanted.direction,
            protocol=wanted.protocol,
            ports=wanted.ports and (wanted.ports.first, wanted.ports.last),
            icmp_type=wanted.icmp_type,
            icmp_code=wanted.icmp_code,
            cidrs=cidrs,
            peers=peers,
        )

    def _peers(self, wanted: SecurityGroupRule, tenant: str, scope: str) -> str | None:
        """Return the name of the set of addresses that a rule means, and have the host keep it."""
        if wanted.address_group is not None:
            listed = must(self.context.intent.address_group(tenant, wanted.address_group), wanted.address_group)
            return self._set(f"address group {listed.key}", listed.path, listed.cidrs)
        if wanted.security_group is not None:
            group = must(self.context.intent.security_group(tenant, wanted.security_group), wanted.security_group)
            addresses = self.fabric.members.get((scope, group.key), ())
            return self._set(f"members of security group {group.key} in {scope}", group.path, addresses)
        return None

    def _set(self, key: str, source: str, addresses: Sequence[IPv4Network]) -> str:
        name = f"peers_{_digest(key)}"
        if name not in self.sets:
            # nftables takes no intervals that overlap.
            listed = sorted(collapse_addresses(addresses), key=lambda one: IPv4Address(one.network_address))
            self.sets[name] = AddressSet(key, source, name, tuple(map(str, listed)))
        return name


def _admitted(group: str, rules: Sequence[GroupRule], direction: str) -> tuple[Admitted, ...]:
    """Return what the rules of one direction admit: by sets of addresses, then by CIDRs, whose lookup costs more."""
    by_peers: defaultdict[str, list[GroupRule]] = defaultdict(list)
    for rule in rules:
        if rule.direction == direction:
            by_peers[rule.peers or ""].append(rule)
    return tuple(
        Admitted(
            name=f"{direction}_{_digest(group, peers)}",
            peers=peers or None,
            ports=tuple(
                (protocol, first, last, str(cidr))
                for protocol in ("tcp", "udp")
                for first, last, cidr in disjoint(_ports(found, protocol))
            ),
            protocols=tuple((first, last, str(cidr)) for first, last, cidr in disjoint(_protocols(found))),
            icmp=tuple(
                (number, first, last, str(cidr))
                for number in sorted({rule.icmp_type for rule in found if rule.icmp_type is not None})
                for first, last, cidr in disjoint(_codes(found, number))
            ),
        )
        for peers, found in sorted(by_peers.items(), key=lambda one: (not one[0], one[0]))
    )


def _other_side(wanted: SecurityGroupRule) -> str | None:
    """Return in words which group a rule is about: the two kinds may have one name."""
    if wanted.address_group is not None:
        return f"address group {wanted.address_group}"
    return None if wanted.security_group is None else f"group {wanted.security_group}"


def _cidrs(rule: GroupRule) -> Sequence[IPv4Network]:
    return [IPv4Network(one) for one in rule.cidrs] or [_EVERYWHERE]


def _ports(rules: Sequence[GroupRule], protocol: str) -> Iterator[Box]:
    for rule in rules:
        if rule.protocol == protocol and rule.ports is not None:
            yield from ((*rule.ports, cidr) for cidr in _cidrs(rule))


def _protocols(rules: Sequence[GroupRule]) -> Iterator[Box]:
    """Yield what rules admit whole, so that it needs no port to be looked at."""
    for rule in rules:
        if rule.ports is None and rule.icmp_type is None:
            number = NUMBERS.get(rule.protocol)
            numbers = _ALL_PROTOCOLS if number is None else (number, number)
            yield from ((*numbers, cidr) for cidr in _cidrs(rule))


def _codes(rules: Sequence[GroupRule], number: int) -> Iterator[Box]:
    for rule in rules:
        if rule.icmp_type == number:
            codes = _ALL_CODES if rule.icmp_code is None else (rule.icmp_code, rule.icmp_code)
            yield from ((*codes, cidr) for cidr in _cidrs(rule))


def _or_any(value: object) -> str:
    return "any" if value is None else str(value)


def _digest(*words: str) -> str:
    """Name something in nftables: names of the intent are longer than nftables takes, and in more than one part."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
