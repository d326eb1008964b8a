# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the security groups of a host's ports do with a connection, as a pure function.

The deploy engine asks it which live connections a change ends; analyses ask it what would happen to a packet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Optional

from ansible_collections.weft.vpc.plugins.module_utils.egress import NUMBERS
from ansible_collections.weft.vpc.plugins.module_utils.flows import (
    ACCEPT,
    DROP,
    SERVICES,
    Flow,
    Prefixes,
    Reason,
    Verdict,
    longest,
    matches,
    prefixes,
)

#: The mark of a connection that a change ended: "weft". It stays ended, whichever end goes on sending.
CUT_MARK = 0x77656674

INGRESS, EGRESS = "ingress", "egress"


class _Box(NamedTuple):
    """Protocols by number, and ports (of ICMP: type and code)."""

    first: int
    last: int
    low: int
    high: int


class _Admitted:
    """What one kind of peers may."""

    def __init__(self, sets: Mapping[str, Prefixes[str]], raw: Sequence[Any]) -> None:
        name, ports, protocols, messages = raw
        self.peers = None if name is None else sets[name]
        boxes: dict[str, list[_Box]] = {}
        for protocol, first, last, cidr in ports:
            boxes.setdefault(cidr, []).append(_Box(NUMBERS[protocol], NUMBERS[protocol], first, last))
        for first, last, cidr in protocols:
            boxes.setdefault(cidr, []).append(_Box(first, last, 0, 65535))
        for number, first, last, cidr in messages:
            icmp = NUMBERS["icmp"]
            boxes.setdefault(cidr, []).append(_Box(icmp, icmp, number << 8 | first, number << 8 | last))
        self.boxes = prefixes(boxes)

    def admits(self, peer: str, number: int, port: int) -> bool:
        if self.peers is not None and longest(self.peers, peer) is None:
            return False
        return any(
            box.first <= number <= box.last and box.low <= port <= box.high
            for boxes in matches(self.boxes, peer)
            for box in boxes
        )


class Port(NamedTuple):
    """A port in groups; the fields are those of the file."""

    device: str
    groups: tuple[str, ...]
    whitelist: bool
    router: Optional[str]
    served: frozenset[tuple[str, str, int]]
    balanced: frozenset[tuple[str, int]]
    pinged: frozenset[str]

    def serves(self, flow: Flow, direction: str) -> Optional[str]:
        """What the flow does for the port that needs no rule: asking its router, or being sent to by it."""
        service = (flow.protocol, flow.destination_port)
        if direction == EGRESS:
            return SERVICES.get(service) if flow.destination == self.router else None
        if flow.protocol == "udp" and (flow.destination, flow.destination_port) in self.balanced:
            return "load balancer"
        if flow.source != self.router:
            return None
        pinged = flow.protocol == "icmp" and flow.icmp[0] == 8 and flow.destination in self.pinged
        if pinged or (flow.destination, *service) in self.served:
            return "load balancer"
        return "DHCP" if service == ("udp", 68) and flow.source_port == 67 else None


@dataclass(frozen=True)
class Groups:
    """A host's ``groups.json``, ready to be asked.

    The keys of ``raw``: zones ([number]), sets ({name: [prefix]}), groups ({name: {ingress, egress: [[set of peers or
    null, ports, protocols, ICMP messages]]}}, see the plan's Admitted), ports ([{device, zone, addresses, groups,
    whitelist: whether it sends only what rules admit, router, served, balanced, pinged}]).
    """

    raw: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def zones(self) -> frozenset[int]:
        """Where the connections of its ports are tracked."""
        return frozenset(self.raw.get("zones", ()))

    @cached_property
    def _admitted(self) -> dict[tuple[str, str], list[_Admitted]]:
        sets = {name: prefixes({cidr: cidr for cidr in cidrs}) for name, cidrs in self.raw.get("sets", {}).items()}
        return {
            (name, direction): [_Admitted(sets, one) for one in group[direction]]
            for name, group in self.raw.get("groups", {}).items()
            for direction in (INGRESS, EGRESS)
        }

    @cached_property
    def _ports(self) -> dict[int, Prefixes[list[Port]]]:
        by_zone: dict[int, dict[str, list[Port]]] = {}
        for one in self.raw.get("ports", ()):
            port = Port(
                one["device"],
                tuple(one["groups"]),
                one["whitelist"],
                one["router"],
                frozenset((address, protocol, number) for address, protocol, number in one["served"]),
                frozenset((address, number) for address, number in one["balanced"]),
                frozenset(one["pinged"]),
            )
            for cidr in one["addresses"]:
                by_zone.setdefault(one["zone"], {}).setdefault(cidr, []).append(port)
        return {zone: prefixes(by_cidr) for zone, by_cidr in by_zone.items()}

    def ports(self, zone: int, address: str) -> Sequence[Port]:
        """The ports that have an address: several, where it moves between them."""
        return longest(self._ports.get(zone, {}), address) or ()

    def admits(self, port: Port, flow: Flow, direction: str) -> Optional[Reason]:
        """Why a port takes a flow, or opens it; None if it does not."""
        if direction == EGRESS and not port.whitelist:
            return Reason("everything", (port.device,))
        service = port.serves(flow, direction)
        if service is not None:
            return Reason("service", (port.device, service))
        number = NUMBERS.get(flow.protocol) or int(flow.protocol)
        told = flow.icmp[0] << 8 | flow.icmp[1] if flow.protocol == "icmp" else flow.destination_port
        peer = flow.source if direction == INGRESS else flow.destination
        for group in port.groups:
            if any(one.admits(peer, number, told) for one in self._admitted[group, direction]):
                return Reason("group", (group, direction))
        return None


def judge(flow: Flow, zone: int, groups: Groups) -> Verdict:
    """What the host does with the first packet of a flow between two addresses of one segment.

    First the sender's groups are asked, then the receiver's, as far as they are ports of this host. Of several ports
    with one address it is enough that one lets the flow pass: which has it now, only the frames tell.
    """
    reasons: list[Reason] = []
    for address, direction in ((flow.source, EGRESS), (flow.destination, INGRESS)):
        ports = groups.ports(zone, address)
        found = [reason for port in ports for reason in [groups.admits(port, flow, direction)] if reason is not None]
        if ports and not found:
            return Verdict(DROP, reasons=(*reasons, Reason("refused", (ports[0].device, direction))))
        reasons += found[:1]
    return Verdict(ACCEPT, reasons=tuple(reasons))


def ends(flow: Flow, zone: int, old: Groups, new: Groups) -> bool:
    """True if a live connection must end because only what the change took away admitted it."""
    return judge(flow, zone, old).action == ACCEPT != judge(flow, zone, new).action
