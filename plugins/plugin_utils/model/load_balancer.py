# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Load balancers: ports of a virtual IP or of a subnet's address that lead to several instances."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import (
    BeforeValidator,
    Field,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.limits import HttpStatus
from ansible_collections.weft.vpc.plugins.plugin_utils.model.lists import Explicit, Somebody
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.qos import Qos
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import (
    COOKIE_PATTERN,
    HOST_PATTERN,
    URL_PATH_PATTERN,
    Address,
    DomainName,
    Flag,
    Name,
    Payload,
    Port,
    Prefix,
    Reference,
)

Seconds = Annotated[int, Strict(), Field(ge=1, le=3600)]
LongSeconds = Annotated[int, Strict(), Field(ge=1, le=604800)]
Times = Annotated[int, Strict(), Field(ge=1, le=100)]
Connections = Annotated[int, Strict(), Field(ge=1, le=1000000)]
UrlPath = Annotated[str, Strict(), StringConstraints(pattern=URL_PATH_PATTERN)]
HostName = Annotated[str, Strict(), StringConstraints(pattern=HOST_PATTERN)]
CookieName = Annotated[str, Strict(), StringConstraints(pattern=COOKIE_PATTERN)]

#: Among how many slots a listener of udp is shared out: most small sums of weights divide it.
SLOTS = 240


class HealthCheck(Node):
    """How a listener finds out which backends are well."""

    kind: ClassVar[str] = "health check"

    type: Literal["tcp", "http", "udp", "icmp"] | None = Field(
        default=None,
        description="`tcp`: it connects. `http`: it answers a request. `udp`: it answers a datagram. `icmp`: a ping. "
        "Default `tcp`; a listener of udp names one of `udp`, `tcp` and `icmp`.",
    )
    port: Port | None = Field(default=None, description="Port that is checked; default that of the backends.")
    interval: Seconds = Field(default=5, description="Seconds between two checks.")
    timeout: Seconds = Field(default=2, description="Seconds until a check has failed.")
    rise: Times = Field(default=2, description="Successes until a backend is up.")
    fall: Times = Field(default=6, description="Failures until a backend is down.")
    uri: UrlPath | None = Field(default=None, description="What type `http` asks for; default `/`.")
    host: DomainName | None = Field(default=None, description="Host header of type `http`; default none.")
    status: HttpStatus | None = Field(
        default=None, description="Status or range of statuses that is well for type `http`; default `200-399`."
    )
    send: Payload | None = Field(
        default=None, description="What type `udp` sends: text, or bytes as `hex:` and their digits."
    )
    expect: Payload | None = Field(
        default=None, description="What the answer to it contains, written likewise; default: any answer will do."
    )

    @property
    def method(self) -> str:
        """The type, given or not."""
        return self.type or "tcp"


class Stickiness(Node):
    """How a client stays with the backend that it got first."""

    kind: ClassVar[str] = "stickiness"

    type: Literal["source_ip", "cookie", "application_cookie"] = Field(
        description="`source_ip`: by address. `cookie`: by a cookie of the load balancer's. `application_cookie`: by "
        "one that the backends set."
    )
    cookie: CookieName | None = Field(default=None, description="Name of the cookie; default `WEFT` for type `cookie`.")
    expire: LongSeconds = Field(default=1800, description="Seconds without traffic until a client is forgotten.")


class Timeouts(Node):
    """How long to wait for what, in seconds."""

    kind: ClassVar[str] = "set of time-outs"

    connect: Seconds = Field(default=5, description="Until a backend has accepted a connection.")
    client: LongSeconds | None = Field(
        default=None, description="Silence of a client; default an hour for tcp, a minute for http and https."
    )
    server: LongSeconds | None = Field(
        default=None, description="Silence of a backend; default an hour for tcp, a minute for http and https."
    )


class Backend(Node):
    """An instance behind a listener."""

    kind: ClassVar[str] = "backend"

    instance: Reference = Field(description="Instance of the VPC, `instance` or `instance:1`.")
    weight: Annotated[int, Strict(), Field(ge=1, le=256)] = Field(
        default=1, description="Share of the traffic, against the weights of the others."
    )
    drain: Flag = Field(
        default=False, description="Whether it gets no new clients; those that it has, and sticky ones, stay."
    )


def _backend(value: object) -> object:
    return {"instance": value} if isinstance(value, str) else value


BackendChoice = Annotated[
    Backend,
    BeforeValidator(_backend),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["instance"],
                    "properties": {
                        "instance": {"type": "string"},
                        "weight": {"type": "integer", "minimum": 1, "maximum": 256},
                        "drain": {"type": "boolean"},
                    },
                },
            ]
        }
    ),
]


class Balanced(Node):
    """Instances that share the traffic that is sent to them, and how."""

    kind: ClassVar[str] = "group of backends"

    name: Name = Field(description="Name, unique in the load balancer.")
    algorithm: Literal["roundrobin", "leastconn", "source"] = Field(
        default="roundrobin", description="Who gets a connection."
    )
    backends: tuple[BackendChoice, ...] = Field(
        default=(),
        description="Instances of the VPC, `instance` or `instance:1`, or `{instance: name, weight: 3, drain: true}`.",
    )
    backend_port: Port | None = Field(default=None, description="Port at the backends.")
    health_check: HealthCheck = Field(default=HealthCheck(), description="How backends are checked.")
    stickiness: Stickiness | None = Field(default=None, description="How clients stay with a backend; default not.")
    proxy_protocol: Literal["v1", "v2"] | None = Field(
        default=None, description="PROXY protocol that tells the backends the client's address; default none."
    )
    backend_connections: Connections | None = Field(
        default=None, description="Most connections to one backend at a time; others wait."
    )


class BackendGroup(Balanced):
    """Backends that rules of a listener lead to."""

    kind: ClassVar[str] = "backend group"

    name: Name = Field(description="Name, unique in the listener.")


class HttpRule(Node):
    """Requests for a host, a path or both, and the group that answers them."""

    kind: ClassVar[str] = "rule"

    host: Explicit[HostName] = Field(
        default=None, description="Host that is asked for, or `*.` and a domain for all hosts in it."
    )
    path_prefix: Explicit[UrlPath] = Field(
        default=None, description="Path that is asked for; it stands for all paths below it, too."
    )
    group: Name = Field(description="Backend group of the listener.")


class Listener(Balanced):
    """One port of the load balancer, and the instances behind it."""

    kind: ClassVar[str] = "listener"

    protocol: Literal["tcp", "http", "https", "udp"] = Field(
        default="tcp", description="Protocol. `https`: TLS ends here, and the backends get plain HTTP."
    )
    port: Port = Field(description="Port on the load balancer's address.")
    certificates: tuple[Reference, ...] = Field(
        default=(),
        description="Certificates of the tenant's, for `https`. Clients that name a host get the one for it, others "
        "the first.",
    )
    allowed_cidrs: Somebody[Prefix] = Field(default=(), description="Sources that may connect; default all.")
    denied_cidrs: tuple[Prefix, ...] = Field(default=(), description="Sources that may not, even if they are allowed.")
    rules: tuple[HttpRule, ...] = Field(
        default=(), description="Requests that other backends answer; the first rule that fits counts."
    )
    backend_groups: tuple[BackendGroup, ...] = Field(default=(), description="Backends that the rules name.")
    redirect_to_https: Port | None = Field(
        default=None, description="Port of https that all requests are sent to instead of backends."
    )
    max_connections: Connections | None = Field(default=None, description="Most connections at a time; others wait.")
    timeouts: Timeouts = Field(default=Timeouts(), description="How long to wait.")
    qos: Qos | None = Field(default=None, description="Bandwidth of this port, within that of the virtual IP.")

    @property
    def is_http(self) -> bool:
        """Whether requests are seen, not only connections."""
        return self.protocol in ("http", "https")

    @property
    def transport(self) -> Literal["tcp", "udp"]:
        """The protocol whose ports the listener takes."""
        return "udp" if self.protocol == "udp" else "tcp"

    @property
    def balanced(self) -> Iterator[Balanced]:
        """Everything with backends: the listener itself, then its groups."""
        yield self
        yield from self.backend_groups


class LoadBalancer(Node):
    """A load balancer on a virtual IP, or inside the VPC on an address of a subnet."""

    kind: ClassVar[str] = "load balancer"

    name: Name = Field(description="Name, unique in the VPC.")
    virtual_ip: Reference | None = Field(default=None, description="Virtual IP of the same VPC.")
    network: Reference | None = Field(
        default=None, description="Network of the same VPC, for an internal load balancer instead of a virtual IP."
    )
    ip: Address | None = Field(default=None, description="Its address in `network`; default: allocated.")
    listeners: tuple[Listener, ...] = Field(description="Its ports.")
