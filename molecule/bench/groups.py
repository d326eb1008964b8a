"""What security groups cost packets: ten thousand rules, one, and none, in the same run.

Two instances on one host, of which one sends datagrams that nobody answers: no connection is ever established, so that
every packet meets the rules. It needs connection tracking on bridges, as Debian's kernels have it, so it runs in the
guest: `python -m bench.groups REPETITIONS SECONDS` prints what it found as JSON.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from ipaddress import IPv4Address
from typing import Any

from bench import fabrics, paths
from bench.dataplane import Series
from bench.traffic import SINK
from lab.vm.guest import Guest

NONE, ONE, MANY = "none", "one rule", "10,000 rules, 1,000 ports"
#: Groups, rules of each and ports on the host.
SHAPES = {NONE: (0, 0, 2), ONE: (1, 1, 2), MANY: (100, 100, 1000)}
CLIENT, SERVER = 0, 1


def rules(group: int, count: int) -> list[dict[str, Any]]:
    """One that admits the client, the last; the others are about other addresses and members.

    Each set is the largest that a group's rules can make: rules by addresses are tried last.
    """
    found = [
        {
            "direction": "ingress",
            "protocol": ("tcp", "udp")[number % 2],
            "ports": f"{1000 + number}-{1010 + number}",
            "cidrs": [f"{IPv4Address(int(IPv4Address('203.0.113.0')) + 256 * (number + 100 * group))}/24"],
        }
        for number in range(count - 1)
    ]
    return [*found, {"direction": "ingress", "protocol": "udp", "ports": SINK, "cidrs": [fabrics.SUBNET]}]


def intent(groups: int, count: int, ports: int) -> dict[str, Any]:
    """Instances on one host, in the groups in turn; client and server are in the first."""
    first = int(IPv4Address(fabrics.FIRST_INSTANCE))
    nics = [
        {
            "network": "n",
            "ip": str(IPv4Address(first + number)),
            "security_groups": [f"g{max(number - 1, 0) % groups}"] if groups else [],
        }
        for number in range(ports)
    ]
    instances = [
        {"name": f"i{number}", "tenant": "t", "host": fabrics.NODE, "nics": [nic]} for number, nic in enumerate(nics)
    ]
    return {
        **fabrics.around({"networks": [{"name": "n", "pool": "pool", "cidr": fabrics.SUBNET}]}, instances),
        "weft_security_groups": [
            {"name": f"g{group}", "tenant": "t", "rules": rules(group, count)} for group in range(groups)
        ],
    }


def hypervisor(name: str) -> paths.Way:
    """A bridge with two ports, under the rules that `site` gives a host."""
    slice_ = fabrics.planned(intent(*SHAPES[name]))
    by_name = {one["instance"]: one for one in slice_["ports"]}
    path = paths.Way(f"groups{list(SHAPES).index(name)}", "host")
    path.add_namespaces()
    _client, host, _server = path.namespaces
    path.exec(host, "nft", "-f", "-", text=paths.ruleset(fabrics.files(slice_, "host")))
    bridge = by_name["i0"]["bridge"]
    path.batch({host: [f"link add {bridge} type bridge", f"link set {bridge} up"]})
    for number, namespace in ((CLIENT, path.client), (SERVER, path.server)):
        port = by_name[f"i{number}"]
        path.link(host, port["device"], namespace, "eth0")
        path.batch(
            {
                host: [f"link set {port['device']} master {bridge}"],
                namespace: [f"link set eth0 address {port['mac']}", f"address add {port['ip']}/16 dev eth0"],
            }
        )
    path.serve()
    return path


def run(repetitions: int, seconds: float) -> Series:
    """Packets of one flow: all shapes in turn in random order, repetition by repetition."""
    ways: dict[str, paths.Way] = {}
    series: Series = {name: {"packets": []} for name in SHAPES}
    target = str(IPv4Address(int(IPv4Address(fabrics.FIRST_INSTANCE)) + SERVER))
    wanted = json.dumps({"seconds": seconds, "targets": [(target, SINK)]})
    try:
        for name in SHAPES:
            ways[name] = hypervisor(name)
        for number in range(repetitions):
            for name in random.Random(number).sample(list(ways), len(ways)):
                series[name]["packets"].append(_measured(ways[name], wanted))
    finally:
        for path in ways.values():
            path.remove()
        paths.sweep()
    return series


def _measured(path: paths.Way, wanted: str) -> tuple[float, float]:
    """The rates of a flood; what rules dropped would be fast, too."""
    counter = ["cat", "/sys/class/net/eth0/statistics/rx_packets"]
    before = int(path.exec(path.server, *counter))
    found = path.measure("flood", wanted)
    arrived = int(path.exec(path.server, *counter)) - before
    if arrived < json.loads(wanted)["seconds"] * found[0] * 0.99:
        raise RuntimeError(f"Of {path.name}'s packets {arrived} arrived, at a rate of {found[0]:.0f} a second.")
    return found


def in_guest(repetitions: int, seconds: float) -> dict[str, Any]:
    """Run it on Debian's kernel; the kernel's release, and what was found."""
    guest = Guest()
    guest.up()
    command = ["env", "PYTHONPATH=.cache/collections:molecule", "python", "-m", "bench.groups"]
    done = guest.exec([*command, str(repetitions), str(seconds)], stdout=subprocess.PIPE, check=True)
    guest.down()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps({"kernel": os.uname().release, "series": run(int(sys.argv[1]), float(sys.argv[2]))}))
