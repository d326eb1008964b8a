"""The network namespace that holds a lab: bridges, and no way out."""

from __future__ import annotations

import time

from lab.errors import LabError
from lab.paths import Paths
from lab.shell import patient, quietly, run
from lab.topology import Node, Topology


def inside(paths: Paths) -> list[str]:
    """The prefix that runs a command in the lab's namespace.

    Not `ip netns exec`: that one hides the cgroup mounts, and nspawn then fails.
    """
    return ["nsenter", f"--net={paths.netns}", "--"]


def exists(paths: Paths) -> bool:
    # After a reboot of the computer the file may be there without a namespace behind it.
    return quietly([*inside(paths), "true"])


def create(paths: Paths, topology: Topology) -> None:
    """Make the namespace and its bridges; what is there already stays."""
    if not exists(paths):
        quietly(["ip", "netns", "delete", paths.netns_name])
        run(["ip", "netns", "add", paths.netns_name])
    # Bridges and host ends only carry frames; their own IPv6 chatter would show up in packet tests.
    run([*inside(paths), "sysctl", "-q", "-w", "net.ipv6.conf.default.disable_ipv6=1"])
    batch = ["link set lo up"]
    for name, mtu in topology.networks.items():
        if not quietly([*inside(paths), "ip", "link", "show", "dev", name]):
            batch.append(f"link add {name} type bridge mcast_snooping 0")
        batch += [f"link set {name} mtu {mtu}", f"link set {name} up"]
    # The controller runs in this namespace and reaches the nodes over the management network.
    batch.append("address replace 192.168.250.1/24 dev mgmt")
    run([*inside(paths), "ip", "-batch", "-"], stdin="\n".join(batch) + "\n")


def delete(paths: Paths) -> None:
    quietly(["ip", "netns", "delete", paths.netns_name])


def host_end(node: str, link: str) -> str:
    return f"{node}-{link}"


def attach(paths: Paths, topology: Topology, node: Node) -> None:
    """Plug the host ends of a node's cards into their bridges, as soon as nspawn has made them."""
    deadline = time.monotonic() + patient(10)
    for link in node.cards:
        device = host_end(node.name, link.name)
        mtu = str(topology.networks[link.network])
        command = ["ip", "link", "set", device, "master", link.network, "mtu", mtu, "up"]
        while not quietly([*inside(paths), *command]):
            if time.monotonic() > deadline:
                raise LabError(f"The card {link.name} of node '{node.name}' did not appear within {patient(10):.0f} s.")
            time.sleep(0.02)


def detach(paths: Paths, node: Node) -> None:
    """Remove host ends that a killed machine may have left."""
    for link in node.cards:
        quietly([*inside(paths), "ip", "link", "delete", host_end(node.name, link.name)])
