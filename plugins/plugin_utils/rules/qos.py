# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Limits of bandwidth (row N7)."""

from __future__ import annotations

from collections.abc import Iterator

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, Qos
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import Fault, rule


@rule("WEFT-N7-empty")
def limits_something(intent: Intent) -> Iterator[Fault]:
    """A limit of bandwidth is for one direction at least."""
    for qos in _limits(intent):
        if qos.ingress is None and qos.egress is None:
            reason = "has neither ingress nor egress, so it limits nothing"
            yield Fault(qos.path, None, reason, "Set ingress, egress or both, or leave qos out.")


def _limits(intent: Intent) -> Iterator[Qos]:
    found: list[Qos | None] = [nic.qos for instance in intent.instances for nic in instance.nics]
    for vpc in intent.vpcs:
        found += [one.qos for one in vpc.virtual_ips]
        found += [one.qos for one in vpc.elastic_ips]
        found += [one.qos for one in vpc.port_forwards]
        found += [one.qos for balancer in vpc.load_balancers for one in balancer.listeners]
    yield from (one for one in found if one is not None)


@rule("WEFT-N7-internal")
def limits_on_public_links(intent: Intent) -> Iterator[Fault]:
    """Only a listener on a virtual IP has a limit: an internal load balancer's traffic passes no public link."""
    for vpc in intent.vpcs:
        for balancer in vpc.load_balancers:
            for listener in balancer.listeners if balancer.virtual_ip is None else ():
                if listener.qos is not None:
                    reason = (
                        f"limits a port of internal load balancer {balancer.name}, and only public ones have limits"
                    )
                    remedy = "Remove it, and limit the NICs of the backends instead."
                    yield Fault(listener.at("qos"), None, reason, remedy)
