"""Steps 1 to 3: segments, VTEPs, broadcast domains; read from the live hosts, never from the plan."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from typing import Any

from checks.cloud import GUEST, Cloud
from checks.failure import CheckFailedError, expect
from checks.parallel import each
from lab.shell import patient

ZERO_MAC = "00:00:00:00:00:00"
LISTEN_SECONDS = patient(1.0)
REQUEST = 1
#: Foreign to every subnet, so that there is something to ask for even where there is one subnet alone.
ELSEWHERE = "198.51.100.77"


def hosts(cloud: Cloud) -> list[str]:
    """The nodes that can carry a part of the fabric."""
    return [node.name for role in ("hypervisor", "router") for node in cloud.lab.topology.with_role(role)]


def vxlan_devices(cloud: Cloud) -> dict[str, dict[int, dict[str, Any]]]:
    """Host -> VNI -> the kernel's description of the VXLAN device."""

    def one(host: str) -> dict[int, dict[str, Any]]:
        links = json.loads(cloud.read(host, "ip -details -json link show type vxlan") or "[]")
        return {link["linkinfo"]["info_data"]["id"]: link for link in links if link}

    return each(hosts(cloud), one)


def vni_of(cloud: Cloud, instance: str, devices: dict[int, dict[str, Any]]) -> int | None:
    """The VNI an instance's card really ends up in: its host end, the bridge that has it, the VXLAN device there."""
    peer = int(cloud.read(instance, "cat /sys/class/net/eth0/iflink"))
    links = json.loads(cloud.read(cloud.guests[instance].host, "ip -json link"))
    bridge = next((link.get("master") for link in links if link["ifindex"] == peer), None)
    return next((vni for vni, link in devices.items() if bridge and link.get("master") == bridge), None)


def expected_vnis(cloud: Cloud) -> dict[str, int]:
    """What the intent fixes; the others get the lowest free of the pool, in the order of their paths."""
    fixed = {name: one["vni"] for name, one in cloud.networks.items() if "vni" in one}
    (pool,) = cloud.intent["weft_vxlan_pools"]
    (span,) = pool["vni_ranges"]
    free = (vni for vni in range(span["start"], span["end"] + 1) if vni not in fixed.values())
    rest = sorted(cloud.networks.keys() - fixed.keys(), key=lambda name: _path(cloud.networks[name]))
    return fixed | dict(zip(rest, free, strict=False))


def _path(network: dict[str, Any]) -> str:
    return f"{network['tenant']}/{network['vpc']}/{network['name']}"


def placement(cloud: Cloud) -> dict[str, set[str]]:
    """Which networks each host needs: those of its instances, and on a router's node those of its VPC."""
    found: dict[str, set[str]] = {host: set() for host in hosts(cloud)}
    for name, instance in cloud.wanted_instances.items():
        found[instance["host"]].add(cloud.network_of(name)["name"])
    for vpc in cloud.intent["weft_vpcs"]:
        for node in vpc["router"]["nodes"]:
            found[node] |= {network["name"] for network in vpc["networks"]}
    return found


def segments(cloud: Cloud) -> str:
    """1: pool 200 to 2500, VNI 222 for the first network, the lowest free ones for the others."""
    live, vnis = vxlan_devices(cloud), expected_vnis(cloud)
    expect(
        "VNIs on each host",
        {host: sorted(found) for host, found in live.items()},
        {host: sorted(vnis[name] for name in names) for host, names in placement(cloud).items()},
    )
    expect(
        "VNI behind the card of each instance",
        each(cloud.wanted_instances, lambda name: vni_of(cloud, name, live[cloud.guests[name].host])),
        {name: vnis[cloud.network_of(name)["name"]] for name in cloud.wanted_instances},
    )
    return ", ".join(f"{name} has VNI {vni}" for name, vni in sorted(vnis.items()))


def vteps(cloud: Cloud) -> str:
    """2: each host's VTEP is its own address in the CIDR; broadcasts go to the other hosts of the segment alone."""
    (pool,) = cloud.intent["weft_vxlan_pools"]
    (cidr,) = {ipaddress.ip_network(cluster["vtep_cidr"]) for cluster in pool["clusters"]}
    live = vxlan_devices(cloud)
    used = [host for host in live if live[host]]
    own = {host: _address_in(cloud, host, cidr) for host in used}
    expect(
        "VTEPs",
        {host: sorted({link["linkinfo"]["info_data"]["local"] for link in live[host].values()}) for host in used},
        {host: [own[host]] for host in used},
    )
    flood, expected = {}, {}
    for host in used:
        entries = json.loads(cloud.read(host, "bridge -json fdb show"))
        for vni, link in live[host].items():
            mine = [one["dst"] for one in entries if one["ifname"] == link["ifname"] and one["mac"] == ZERO_MAC]
            flood[host, vni] = sorted(mine)
            expected[host, vni] = sorted(own[other] for other in used if other != host and vni in live[other])
    expect("hosts that broadcasts are sent to", flood, expected)
    return ", ".join(f"{host} {address}" for host, address in own.items()) + "; floods only where a segment is"


def _address_in(cloud: Cloud, host: str, cidr: ipaddress.IPv4Network | ipaddress.IPv6Network) -> str:
    links = json.loads(cloud.read(host, "ip -json -4 address"))
    found = [one["local"] for link in links for one in link["addr_info"] if ipaddress.ip_address(one["local"]) in cidr]
    if len(found) != 1:
        raise CheckFailedError(f"{host} has {len(found)} addresses in {cidr}: {', '.join(found)}")
    return str(found[0])


def broadcast_domains(cloud: Cloud) -> str:
    """3: gateways on the router; who asks by ARP is heard in its own subnet by everybody, and nowhere else."""
    for vpc in cloud.intent["weft_vpcs"]:
        links = json.loads(cloud.in_router(vpc["name"], "ip -json -4 address"))
        here = {f"{one['local']}/{one['prefixlen']}" for link in links for one in link["addr_info"]}
        for network in vpc["networks"]:
            wanted = f"{cloud.gateway(network['name'])}/{ipaddress.ip_network(network['cidr']).prefixlen}"
            if wanted not in here:
                raise CheckFailedError(f"the router of {vpc['name']} has {', '.join(sorted(here))}, but not {wanted}")
    targets = {name: _others(cloud, name) for name in cloud.wanted_instances}
    heard = listen(cloud, targets)
    macs = {_mac(cloud, name): name for name in cloud.wanted_instances}
    seen = {
        name: sorted({macs[mac] for operation, mac, _ip, target in packets if mac in macs and operation == REQUEST})
        for name, packets in heard.items()
    }
    expected = {
        name: sorted(
            other
            for other in cloud.wanted_instances
            if other != name and cloud.network_of(other) == cloud.network_of(name)
        )
        for name in cloud.wanted_instances
    }
    expect("whose ARP requests each instance hears", seen, expected)
    foreign = {
        name: sorted({ip for operation, _mac_, ip, _t in packets if operation != REQUEST and ip in targets[name]})
        for name, packets in heard.items()
    }
    expect("who answers ARP for an address of another subnet", foreign, {name: [] for name in targets})
    asked = sum(map(len, targets.values()))
    return f"gateways on the routers; {asked} ARP requests for foreign addresses: heard in their own subnet, no answer"


def _others(cloud: Cloud, name: str) -> list[str]:
    """Addresses that are foreign to an instance's subnet: instances' and gateways'."""
    subnet = ipaddress.ip_network(cloud.network_of(name)["cidr"])
    known = {cloud.address(other) for other in cloud.wanted_instances} | {cloud.gateway(net) for net in cloud.networks}
    known.add(ELSEWHERE)
    return sorted(address for address in known if ipaddress.ip_address(address) not in subnet)


def _mac(cloud: Cloud, name: str) -> str:
    return cloud.read(name, "cat /sys/class/net/eth0/address").strip()


def listen(cloud: Cloud, targets: dict[str, list[str]]) -> dict[str, list[list[Any]]]:
    """Let every instance broadcast ARP requests at once; returns what each card received."""
    script = (GUEST / "arp.py").read_text()
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = {
        name: cloud.guests[name].popen(["python3", "-c", script, str(LISTEN_SECONDS), *addresses], **pipes)
        for name, addresses in targets.items()
    }
    for name, process in running.items():
        assert process.stdout
        if process.stdout.readline() != "ready\n":
            raise CheckFailedError(f"ARP could not be watched on {name}: {process.communicate()[1][-300:]}")
    # All at once, so that all listen while each sends.
    heard = each(running, lambda name: running[name].communicate("go\n", timeout=patient(30))[0], len(running))
    return {name: json.loads(text) for name, text in heard.items()}
