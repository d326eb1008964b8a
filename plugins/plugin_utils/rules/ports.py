# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ports of virtual IPs, and port forwards (rows N1, N3)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import path_key
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.sockets import Held, services, taken_by_daemons
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.walk import holder

# A forward whose ports are shifted costs one map element for each port.
MOST_SHIFTED_PORTS = 1024


@rule("WEFT-N1-port")
def port_clashes(intent: Intent) -> Iterator[Fault]:
    """A port of an address belongs to one port forward, to one listener, to IPsec or to a daemon of the router."""
    for vpc in intent.vpcs:
        widest: Held | None = None
        for use in sorted(services(vpc), key=lambda use: (use.address, use.protocol, use.ports, path_key(use.path))):
            if widest is None or widest[:2] != use[:2] or widest.ports.last < use.ports.first:
                widest = use
                continue
            yield _clash(*sorted((widest, use), key=lambda item: path_key(item.path)))
            if use.ports.last > widest.ports.last:
                widest = use
        for wanted, held in taken_by_daemons(vpc):
            yield _clash(held, wanted)


def _clash(first: Held, later: Held) -> Fault:
    ports = str(later.ports) if later.ports.size > 1 else later.ports.first
    wanted = f"is wanted by {later.label} on {later.address} ({later.protocol})"
    reason = f"{wanted}, and {first.ports} there belongs to {holder(first.label, first.path)}"
    return Fault(later.path, ports, reason, "Choose another port or another virtual IP for one of them.")


@rule("WEFT-N3-size")
def range_sizes(intent: Intent) -> Iterator[Fault]:
    """A port forward has as many ports at the target as on the virtual IP."""
    for vpc in intent.vpcs:
        for forward in vpc.port_forwards:
            own, target = forward.ports, forward.target_ports
            if own.size != target.size:
                reason = f"is {target.size} ports, and port is {own} ({forward.path}.port), which is {own.size}"
                remedy = f'Write "{target.first}-{target.first + own.size - 1}", or leave target_port out.'
                if own.size == 1 or target.first + own.size - 1 > 65535:
                    remedy = f"Write a target_port of {own.size} ports, or leave it out."
                yield Fault(forward.at("target_port"), str(target), reason, remedy)


@rule("WEFT-N3-shifted")
def shifted_ranges(intent: Intent) -> Iterator[Fault]:
    """A port forward to other ports than its own is of at most 1024 ports."""
    for vpc in intent.vpcs:
        for forward in vpc.port_forwards:
            own, target = forward.ports, forward.target_ports
            if own.first != target.first and own.size == target.size > MOST_SHIFTED_PORTS:
                reason = f"shifts {own.size} ports, and more than {MOST_SHIFTED_PORTS} are not possible in one forward"
                remedy = "Leave target_port out, so that ports stay as they are, or forward fewer."
                yield Fault(forward.at("target_port"), str(target), reason, remedy)
