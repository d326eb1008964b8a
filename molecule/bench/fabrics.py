"""A fabric with one busy router, for measuring what its rules cost, and the files that this router gets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Interface
from typing import Any, NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import load

NODE = "gw1"
#: Addresses of the public side: the router's, then virtual IPs, then elastic IPs from FIRST_EIP on.
PUBLIC, GATEWAY, ROUTER, VIRTUAL_IP, FIRST_EIP = "10.0.0.0/8", "10.0.0.1", "10.1.0.1", "10.1.1.1", "10.2.0.0"
SUBNET, INSIDE, FIRST_INSTANCE = "172.16.0.0/16", "172.16.0.1", "172.16.64.0"
#: Port forwards of one virtual IP, each to port 9000 of an instance.
PORTS_OF_ADDRESS, FIRST_PORT, TARGET_PORT = 10_000, 10_000, 9000


class Translation(NamedTuple):
    """One elastic IP and one port forward, both to the same instance."""

    elastic_ip: str
    port: int
    target: str


class Router(NamedTuple):
    """A router's slice, as far as the bench needs it, and its files by path."""

    public: str
    inside: str
    files: dict[str, str]


def translations(count: int) -> list[Translation]:
    """What a router of this size translates."""
    eip, instance = int(IPv4Address(FIRST_EIP)), int(IPv4Address(FIRST_INSTANCE))
    return [
        Translation(str(IPv4Address(eip + number)), FIRST_PORT + number, str(IPv4Address(instance + number)))
        for number in range(count)
    ]


def intent(count: int) -> dict[str, Any]:
    """A VPC with so many instances, each with an elastic IP and a port forward of its own."""
    wanted = translations(count)
    return around(
        {
            "networks": [{"name": "n", "pool": "pool", "cidr": SUBNET}],
            "virtual_ips": [{"name": "vip", "network": "public", "ip": VIRTUAL_IP}],
            "elastic_ips": [
                {"name": f"e{number}", "network": "public", "ip": one.elastic_ip, "target": f"i{number}"}
                for number, one in enumerate(wanted)
            ],
            "port_forwards": [
                {
                    "name": f"f{number}",
                    "virtual_ip": "vip",
                    "protocol": "tcp",
                    "port": one.port,
                    "target": f"i{number}",
                    "target_port": TARGET_PORT,
                }
                for number, one in enumerate(wanted)
            ],
        },
        [
            {"name": f"i{number}", "tenant": "t", "host": NODE, "nics": [{"network": "n", "ip": one.target}]}
            for number, one in enumerate(wanted)
        ],
    )


def around(vpc: dict[str, Any], instances: list[dict[str, Any]]) -> dict[str, Any]:
    """The least that a VPC and its instances need besides."""
    return {
        "weft_fabric": {"name": "bench"},
        "weft_tenants": [{"name": "t"}],
        "weft_provider_networks": [
            {
                "name": "public",
                "interface": "eth1",
                "clusters": ["nodes"],
                "cidr": PUBLIC,
                "gateway": GATEWAY,
                "services": ["public"],
            }
        ],
        "weft_vxlan_pools": [
            {
                "name": "pool",
                "vni_ranges": [{"start": 1, "end": 9}],
                "clusters": [{"group": "nodes", "vtep_cidr": "192.168.255.0/24"}],
            }
        ],
        "weft_router_images": [{"name": "debian-12", "suite": "bookworm"}],
        "weft_router_offerings": [
            {"name": "small", "cpus": 1, "memory": "1G", "image": "debian-12", "public_network": "public"}
        ],
        "weft_vpcs": [
            {
                "name": "v",
                "tenant": "t",
                "router": {"offering": "small", "nodes": [NODE], "public_ip": ROUTER},
                **vpc,
            }
        ],
        "weft_instances": instances,
    }


def router(count: int) -> Router:
    """Plan and render such a router, with the code that a run of `site` uses."""
    slice_ = planned(intent(count))
    links = {link["kind"]: link["inner"] for link in slice_["routers"][0]["links"]}
    return Router(links["public"], links["subnet"], files(slice_, "router:"))


def planned(variables: dict[str, Any]) -> dict[str, Any]:
    """The slice of the one host."""
    underlay = (("eth2", IPv4Interface("192.168.255.1/24")),)
    hosts = Hosts({NODE: HostFacts(NODE, underlay, mtus={"eth1": 1500, "eth2": 1500})}, {"nodes": [NODE]})
    wanted, _warnings = load(variables, hosts)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    values = allocate(Ledger("bench"), list(requests(wanted)), now, timedelta(days=1)).values
    return make_plan(wanted, values, "", {NODE: None}).hosts[NODE]


def files(slice_: dict[str, Any], scope: str) -> dict[str, str]:
    """What is written to scopes whose names begin like this, by path."""
    return {
        str(file["path"]): str(file["content"])
        for item in render(slice_)
        if item["scope"].startswith(scope)
        for file in item["files"]
        if "content" in file
    }
