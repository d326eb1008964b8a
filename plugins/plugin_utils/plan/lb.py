# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers: listeners on a virtual IP and their backends (rows B1-B3)."""

from __future__ import annotations

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Listener as WantedListener
from ansible_collections.weft.vpc.plugins.plugin_utils.model import LoadBalancer, Vpc
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.slices import Backend, HealthCheck, Listener


def listeners(context: Context, vpc: Vpc) -> tuple[Listener, ...]:
    """Return every listener of a VPC's load balancers, by balancer and name."""
    return tuple(
        _listener(context, vpc, balancer, wanted)
        for balancer in sorted(vpc.load_balancers, key=lambda one: one.name)
        for wanted in sorted(balancer.listeners, key=lambda one: one.name)
    )


def _listener(context: Context, vpc: Vpc, balancer: LoadBalancer, wanted: WantedListener) -> Listener:
    check = wanted.health_check
    return Listener(
        key=f"listener {vpc.key}/{balancer.name}/{wanted.name}",
        source=wanted.path,
        name=wanted.name,
        balancer=balancer.name,
        address=context.text(f"{vpc.key}/{balancer.virtual_ip}:virtual_ip"),
        protocol=wanted.protocol,
        port=wanted.port,
        algorithm=wanted.algorithm,
        backends=tuple(
            Backend(
                name=reference.replace(":", "-nic").replace("/", "-"),
                address=context.nic_address(vpc.tenant, reference),
                port=wanted.backend_port,
            )
            for reference in wanted.backends
        ),
        health_check=HealthCheck(check.interval, check.timeout, check.rise, check.fall),
    )
