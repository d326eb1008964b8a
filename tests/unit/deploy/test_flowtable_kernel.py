"""The clean-up of live connections, with a real kernel: a router between a client and a server, in namespaces."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy import flowtable, netlink
from ansible_collections.weft.vpc.plugins.module_utils.deploy.netns import open_socket
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import ScopeSpec
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope
from ansible_collections.weft.vpc.plugins.module_utils.flows import Translated, Translation

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")

OLD = {
    "subnets": ["192.168.20.0/24"],
    "elastic_in": {"10.0.0.4": "192.168.20.5", "10.0.0.6": "192.168.20.5"},
    "elastic_out": {"192.168.20.5": "10.0.0.4"},
    "forwards": [["10.0.0.9", "tcp", 2222, 2222, "192.168.20.5", 7000]],
    "snat": [["192.168.20.0/24", "10.0.0.9"]],
    "router_addresses": {"lan": "192.168.20.1"},
}
RULES = """
table ip nat {
  chain pre { type nat hook prerouting priority dstnat;
    ip daddr { 10.0.0.4, 10.0.0.6 } dnat to 192.168.20.5
    ip daddr 10.0.0.9 tcp dport 2222 dnat to 192.168.20.5:7000; }
  chain post { type nat hook postrouting priority srcnat; oifname pub ip saddr 192.168.20.5 snat to 10.0.0.4; }
}
"""
SETUP = """
ip link set lo up
ip link add pub type veth peer name eth0 netns {client}
ip link add lan type veth peer name eth0 netns {server}
ip addr add 10.0.0.1/8 dev pub
for last in 4 6 9; do ip addr add 10.0.0.$last/32 dev pub; done
ip addr add 192.168.20.1/24 dev lan
ip link set pub up; ip link set lan up
echo 1 >/proc/sys/net/ipv4/ip_forward
"""


class Router(Scope):
    """A machine whose leader is known."""

    def __init__(self, pid: int) -> None:
        super().__init__(ScopeSpec("router:test", "/", "none.service"))
        self._pid = pid

    @property
    def leader(self) -> int | None:
        return self._pid


def shell(pid: int, script: str, stdin: str = "") -> None:
    subprocess.run(["nsenter", f"--target={pid}", "--net", "sh", "-ec", script], input=stdin, text=True, check=True)


@pytest.fixture
def namespaces() -> Iterator[tuple[int, int, int]]:
    """Processes that hold the namespaces of client, router and server."""
    holders = [
        subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    for holder in holders:
        assert holder.stdout is not None
        holder.stdout.readline()
    client, router, server = (holder.pid for holder in holders)
    try:
        shell(router, SETUP.format(client=client, server=server))
        shell(client, "ip addr add 10.0.0.2/8 dev eth0; ip link set eth0 up")
        shell(
            server, "ip addr add 192.168.20.5/24 dev eth0; ip link set eth0 up; ip route add default via 192.168.20.1"
        )
        shell(router, "nft -f -", RULES)
        yield client, router, server
    finally:
        for holder in holders:
            holder.kill()
            holder.communicate()


def connection(
    listener_at: int, bound: tuple[str, int], caller_at: int, called: tuple[str, int]
) -> list[socket.socket]:
    """A live TCP connection: the caller's and the answering end."""
    listener = open_socket(socket.AF_INET, socket.SOCK_STREAM, 0, listener_at)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(bound)
    listener.listen()
    caller = open_socket(socket.AF_INET, socket.SOCK_STREAM, 0, caller_at)
    caller.settimeout(5)
    caller.connect(called)
    answering, _ = listener.accept()
    listener.close()
    return [caller, answering]


def test_exactly_the_connections_of_what_changed_end(namespaces: tuple[int, int, int]) -> None:
    client, router, server = namespaces
    target = ("192.168.20.5", 7000)
    live = {
        "first": connection(server, target, client, ("10.0.0.4", 7000)),
        "second": connection(server, target, client, ("10.0.0.6", 7000)),
        "forward": connection(server, target, client, ("10.0.0.9", 2222)),
        "outwards": connection(client, ("10.0.0.2", 7001), server, ("10.0.0.2", 7001)),
    }

    def tracked() -> dict[tuple[str, int], Translated]:
        with netlink.open_netfilter(router) as link:
            return {
                (each.flow.destination, each.flow.destination_port): each.actual for each in flowtable.entries(link)
            }

    before = tracked()
    assert before == {
        ("10.0.0.4", 7000): Translated("192.168.20.5", 7000),
        ("10.0.0.6", 7000): Translated("192.168.20.5", 7000),
        ("10.0.0.9", 2222): Translated("192.168.20.5", 7000),
        ("10.0.0.2", 7001): Translated(source="10.0.0.4"),
    }
    new = {**OLD, "elastic_in": {"10.0.0.4": "192.168.20.5"}}
    assert flowtable.clean(Router(router), Translation(OLD), Translation(new)) == 1
    assert set(before) - set(tracked()) == {("10.0.0.6", 7000)}
    assert flowtable.clean(Router(router), Translation(OLD), Translation({**new, "elastic_out": {}})) == 1
    assert set(tracked()) == {("10.0.0.4", 7000), ("10.0.0.9", 2222)}
    for caller, answering in (live["first"], live["forward"]):
        caller.sendall(b"still here")
        assert answering.recv(100) == b"still here"
    for ends in live.values():
        for end in ends:
            end.close()


def test_tables_are_listed_without_a_program(namespaces: tuple[int, int, int]) -> None:
    assert netlink.tables(namespaces[1]) == {"ip nat"}
    assert netlink.tables(namespaces[0]) == set()
