# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Intents of any size, all of them right: for measuring how cost grows."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts

VPCS_OF_TENANT = 10


def scale(vpcs: int, instances_of_vpc: int = 10, hosts: int = 1000) -> tuple[dict[str, Any], Hosts]:
    """`vpcs` VPCs: two networks each, a forward, a load balancer, an elastic IP and a route, on `hosts` hosts."""
    names = [f"hv{index}" for index in range(hosts)]
    variables = _fabric(vpcs) | {
        "weft_vpcs": [_vpc(index, names) for index in range(vpcs)],
        "weft_instances": [_instance(vpc, number, names) for vpc in range(vpcs) for number in range(instances_of_vpc)],
    }
    return variables, Hosts({name: _host(name, index) for index, name in enumerate(names)}, {"all_nodes": names})


def _host(name: str, index: int) -> HostFacts:
    addresses = (
        ("eth0", IPv4Interface((int(IPv4Address("198.18.0.1")) + index, 16))),
        ("eth2", IPv4Interface((int(IPv4Address("172.20.0.1")) + index, 16))),
    )
    return HostFacts(name, addresses, mtus={"eth1": 1500, "eth2": 1500})


def _fabric(vpcs: int) -> dict[str, Any]:
    return {
        "weft_fabric": {"name": "scale"},
        "weft_tenants": [
            {"name": f"tenant-{index}", "quotas": {"vpcs": 20, "networks": 100}}
            for index in range((vpcs + VPCS_OF_TENANT - 1) // VPCS_OF_TENANT)
        ],
        "weft_provider_networks": [
            {
                "name": "public",
                "interface": "eth1",
                "clusters": ["all_nodes"],
                "cidr": "10.0.0.0/8",
                "gateway": "10.0.0.1",
                "ip_ranges": [{"start": "10.1.0.0", "end": "10.255.255.254"}],
                "services": ["public"],
            }
        ],
        "weft_vxlan_pools": [
            {
                "name": "pool",
                "vni_ranges": [{"start": 1, "end": 16000000}],
                "clusters": [{"group": "all_nodes", "vtep_cidr": "172.20.0.0/16"}],
            }
        ],
        "weft_router_images": [{"name": "debian-12", "suite": "bookworm"}],
        "weft_router_offerings": [
            {"name": "small", "cpus": 0.5, "memory": "128M", "image": "debian-12", "public_network": "public"}
        ],
    }


def _vpc(index: int, hosts: list[str]) -> dict[str, Any]:
    web = [f"i-{index}-{number}" for number in range(3)]
    return {
        "name": f"vpc-{index}",
        "tenant": f"tenant-{index // VPCS_OF_TENANT}",
        "router": {"offering": "small", "nodes": [hosts[index % len(hosts)]]},
        "networks": [
            {"name": f"front-{index}", "pool": "pool", "cidr": "192.168.20.0/24", "snat": {"virtual_ip": "vip"}},
            {"name": f"back-{index}", "pool": "pool", "vni": index + 1, "cidr": "192.168.21.0/24"},
        ],
        "virtual_ips": [{"name": "vip", "network": "public", "ip": str(IPv4Address("10.1.0.0") + index)}],
        "port_forwards": [
            {"name": "ssh", "virtual_ip": "vip", "protocol": "tcp", "port": 2222, "target": web[0], "target_port": 22}
        ],
        "load_balancers": [
            {
                "name": "web",
                "virtual_ip": "vip",
                "listeners": [{"name": "http", "port": 80, "backends": web, "backend_port": 8080}],
            }
        ],
        "elastic_ips": [{"name": "eip", "network": "public", "target": web[1], "outbound": True}],
        "routes": [{"destination": "172.31.0.0/16", "next_hop": web[0]}],
    }


def _instance(vpc: int, number: int, hosts: list[str]) -> dict[str, Any]:
    nic: dict[str, Any] = {"network": f"front-{vpc}" if number < 5 else f"vpc-{vpc}/back-{vpc}"}
    if number % 2:
        nic["ip"] = f"192.168.{20 if number < 5 else 21}.{100 + number}"
    return {
        "name": f"i-{vpc}-{number}",
        "tenant": f"tenant-{vpc // VPCS_OF_TENANT}",
        "host": hosts[(vpc + number) % len(hosts)],
        "nics": [nic],
    }
