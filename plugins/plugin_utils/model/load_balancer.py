# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers: ports of a virtual IP that lead to several instances."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import Field, Strict
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import Name, Port, Reference

Seconds = Annotated[int, Strict(), Field(ge=1, le=3600)]
Times = Annotated[int, Strict(), Field(ge=1, le=100)]


class HealthCheck(Node):
    """How a listener finds out which backends are well."""

    kind: ClassVar[str] = "health check"

    interval: Seconds = Field(default=5, description="Seconds between two checks.")
    timeout: Seconds = Field(default=2, description="Seconds until a check has failed.")
    rise: Times = Field(default=2, description="Successes until a backend is up.")
    fall: Times = Field(default=6, description="Failures until a backend is down.")


class Listener(Node):
    """One port of the load balancer, and the instances behind it."""

    kind: ClassVar[str] = "listener"

    name: Name = Field(description="Name, unique in the load balancer.")
    protocol: Literal["tcp"] = Field(default="tcp", description="Protocol.")
    port: Port = Field(description="Port on the virtual IP.")
    algorithm: Literal["roundrobin", "leastconn", "source"] = Field(
        default="roundrobin", description="Who gets a connection."
    )
    backends: tuple[Reference, ...] = Field(description="Instances of the VPC, `instance` or `instance:1`.")
    backend_port: Port = Field(description="Port at the backends.")
    health_check: HealthCheck = Field(default=HealthCheck(), description="How backends are checked.")


class LoadBalancer(Node):
    """A load balancer on a virtual IP."""

    kind: ClassVar[str] = "load balancer"

    name: Name = Field(description="Name, unique in the VPC.")
    virtual_ip: Reference = Field(description="Virtual IP of the same VPC.")
    listeners: tuple[Listener, ...] = Field(description="Its ports.")
