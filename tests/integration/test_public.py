"""The public side of a router: what elastic and virtual IPs lead to, what leaves with them, and by which network."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from checks.cloud import SILENCE, Cloud, saw, tcp, who
from checks.fabric import Fabric, Intent, drop
from checks.streams import Background, Ping, Stream

from lab.shell import patient

pytestmark = pytest.mark.packets
WORLD = "223.5.5.5"

# Answers on one address only, with the address of who asks.
ONE_ADDRESS = """
import socket, sys, threading
server = socket.create_server((sys.argv[1], 9000))
def serve():
    while True:
        link, asker = server.accept()
        link.recv(100)
        link.sendall(f"{sys.argv[1]} saw {asker[0]}:{asker[1]}\\n".encode())
        link.close()
threading.Thread(target=serve, daemon=True).start()
print("ready", flush=True)
sys.stdin.readline()
"""


def with_secondary_ips(intent: Intent) -> None:
    """Two more addresses on vpc-ins2: one with an elastic IP, both with a forward; one VIP for two subnets' SNAT."""
    vpc, instances = intent["weft_vpcs"][0], {one["name"]: one for one in intent["weft_instances"]}
    instances["vpc-ins2"]["nics"][0]["secondary_ips"] = [{"name": "blog"}, {"name": "shop", "ip": "192.168.21.77"}]
    vpc["networks"][1]["snat"] = {"virtual_ip": "vip-pf"}
    vpc["elastic_ips"].append({"name": "eip-blog", "network": "L3-public", "target": "vpc-ins2/blog"})
    forward = {"name": "shop", "virtual_ip": "vip-pf", "protocol": "tcp", "port": 2230, "target": "vpc-ins2:0/shop"}
    vpc["port_forwards"].append({**forward, "target_port": 9000})


def test_secondary_ips_elastic_ips_and_a_shared_virtual_ip(fabric: Fabric) -> None:
    fabric.change(with_secondary_ips)
    cloud = fabric.apply()
    eip, vip = cloud.public("vpc-1", "eip-blog", "elastic_ip"), cloud.public("vpc-1", "vip-pf", "virtual_ip")
    own, blog, shop = cloud.address("vpc-ins2"), cloud.recorded("admin/vpc-ins2/0/blog:ip"), "192.168.21.77"
    assert {cloud.ping("vpc-port-test-1", address) for address in (own, blog, shop)} == {63}, "all three, over VXLAN"

    answer = ["python3", "-c", ONE_ADDRESS]
    with Background(cloud, "vpc-ins2", [*answer, blog]), Background(cloud, "vpc-ins2", [*answer, shop]):
        found = cloud.ask("wan", [tcp(eip, 9000), tcp(vip, 2230)])
    assert [who(one) for one in found] == [blog, shop]
    assert {saw(one) for one in found} == {"10.0.0.1"}, "who comes from outside keeps its address"

    # One virtual IP: two subnets leave with it, and forwards and a load balancer answer on it.
    assert saw(cloud.ask("vpc-ins3", [tcp(WORLD)])[0]) == vip
    assert [cloud.ask_from("vpc-ins2", one, f"{WORLD}:8080") for one in (own, shop)] == [[vip], [vip]]
    assert cloud.ask_from("vpc-ins2", blog, f"{WORLD}:8080") == [eip]
    balanced, forwarded = cloud.ask("wan", [tcp(vip, 8081), tcp(vip, 2223)])
    assert who(balanced) in ("vpc-port-test-2 admin", "vpc-port-test-3 admin")
    assert who(forwarded) == "vpc-port-test-2 admin"
    assert saw(cloud.ask("wan", [tcp(vip, 2299)])[0]) == "nobody", "a port that nothing has asked for"

    # The elastic IP moves to another instance: what it carried ends, what the others carry lives.
    def move(intent: Intent) -> None:
        intent["weft_vpcs"][0]["elastic_ips"][-1]["target"] = "vpc-ins3"

    fabric.change(move)
    with Stream(cloud, "wan", eip, 8080) as moved, Stream(cloud, "wan", vip, 2223) as stays:
        assert fabric.run().changed
        moved.ends()
    stays.lived()
    assert who(cloud.ask("wan", [tcp(eip)])[0]) == "vpc-ins3 admin"
    assert saw(cloud.ask("vpc-ins3", [tcp(WORLD)])[0]) == eip
    assert cloud.ask_from("vpc-ins2", blog, f"{WORLD}:8080") == [vip]

    # An address in use does not go, and nothing is touched.
    def forget(intent: Intent) -> None:
        (instance,) = (one for one in intent["weft_instances"] if one["name"] == "vpc-ins2")
        drop(instance["nics"][0]["secondary_ips"], "shop")

    fabric.change(forget)
    refused = fabric.try_run()
    assert refused.status and "WEFT-A4-nobody" in refused.output


UPSTREAM, LEASED = "10.0.0.1", "198.51.100.1"  # wan's addresses in the two public networks
OWN, LEASED_OWN = "10.172.11.91", "198.51.100.91"  # the router's

# Which source address came in by which link of the outside world.
WATCH = """
table inet watch {
    set seen { type ifname . ipv4_addr; flags dynamic; size 1000; }
    chain in {
        type filter hook prerouting priority -300;
        iifname { "eth1", "eth3" } update @seen { iifname . ip saddr }
    }
}
"""


def with_two_uplinks(intent: Intent) -> None:
    """A second public network for vpc-1: one subnet leaves by it, and it has addresses of every kind."""
    network = {"name": "leased", "interface": "eth3", "clusters": ["router_nodes"], "services": ["public"]}
    intent["weft_provider_networks"].append({**network, "cidr": "198.51.100.0/24", "gateway": LEASED})
    vpc = intent["weft_vpcs"][0]
    vpc["router"]["public_networks"] = [{"network": "leased", "ip": LEASED_OWN}]
    vpc["networks"][1]["snat"] = {"network": "leased"}
    vpc["virtual_ips"].append({"name": "vip-2", "network": "leased"})
    forward = {"name": "leased-1", "virtual_ip": "vip-2", "protocol": "tcp", "port": 2231, "target": "vpc-port-test-1"}
    vpc["port_forwards"].append({**forward, "target_port": 23})
    nics = {one["name"]: one["nics"][0] for one in intent["weft_instances"]}
    nics["vpc-port-test-2"]["snat"] = {"virtual_ip": "vip-2"}
    nics["vpc-port-test-3"]["snat"] = {"network": "leased"}
    listener = {"name": "line", "protocol": "tcp", "port": 8082, "backends": ["vpc-port-test-2"], "backend_port": 8080}
    vpc["load_balancers"].append({"name": "leased", "virtual_ip": "vip-2", "listeners": [listener]})
    vpc["elastic_ips"] += [
        {"name": "eip-z1", "network": "leased", "target": "vpc-ins1"},
        {"name": "eip-z3", "network": "leased", "target": "vpc-ins3"},
    ]


@pytest.fixture
def watch(fabric: Fabric) -> Iterator[None]:
    fabric.cloud.read("wan", "nft -f -", WATCH)
    yield
    fabric.cloud.read("wan", "nft delete table inet watch")


def came_by(cloud: Cloud) -> dict[str, set[str]]:
    """Who came in by which link since the last call."""
    listing = json.loads(cloud.read("wan", "nft -j list set inet watch seen && nft flush set inet watch seen"))
    pairs = [one.get("elem", {}).get("val", one)["concat"] for one in listing["nftables"][1]["set"].get("elem", ())]
    return {link: {address for name, address in pairs if name == link} for link in ("eth1", "eth3")}


def way_out(cloud: Cloud) -> None:
    """Who leaves by which network, and as whom; also for what the other network is directly connected to."""
    elastic = {name: cloud.public("vpc-1", name, "elastic_ip") for name in ("eip-a", "eip-z3")}
    virtual = cloud.public("vpc-1", "vip-2", "virtual_ip")
    wanted = {
        ("vpc-port-test-1", WORLD): OWN,
        ("vpc-port-test-1", LEASED): OWN,
        ("vpc-port-test-2", WORLD): virtual,
        ("vpc-port-test-2", UPSTREAM): virtual,
        ("vpc-port-test-3", WORLD): LEASED_OWN,
        ("vpc-ins2", WORLD): LEASED_OWN,
        ("vpc-ins2", UPSTREAM): LEASED_OWN,
        ("vpc-ins1", WORLD): elastic["eip-a"],
        ("vpc-ins3", WORLD): elastic["eip-z3"],
        ("vpc-ins3", UPSTREAM): elastic["eip-z3"],
    }
    came_by(cloud)
    found = {(one, target): saw(cloud.ask(one, [tcp(target)])[0]) for one, target in wanted}
    assert found == wanted
    assert came_by(cloud) == {"eth1": {OWN, elastic["eip-a"]}, "eth3": {LEASED_OWN, virtual, elastic["eip-z3"]}}


def way_back(cloud: Cloud) -> None:
    """Answers leave where the question came in, whichever network the asker is in."""
    vip, leased = (cloud.public("vpc-1", name, "virtual_ip") for name in ("vip-lb", "vip-2"))
    elastic, first, third = (cloud.public("vpc-1", name, "elastic_ip") for name in ("eip-b", "eip-z1", "eip-z3"))
    came_by(cloud)
    seen = [f"{target}:8080" for target in (first, third, elastic)] + [f"{leased}:2231"]
    for own in (UPSTREAM, LEASED):
        *translated, one, two = cloud.ask_from("wan", own, *seen, f"{vip}:8080", f"{leased}:8082")
        assert translated == [own] * 4
        assert {one, two} <= {"192.168.20.1"}, "the balancers' backends see the router"
    assert saw(cloud.ask("wan", [tcp(leased, 2299)])[0]) == "nobody"
    assert came_by(cloud) == {"eth1": {elastic, vip}, "eth3": {first, third, leased}}


@pytest.mark.usefixtures("watch")
def test_two_public_networks(fabric: Fabric) -> None:
    before = fabric.cloud
    first = before.public("vpc-1", "eip-a", "elastic_ip")
    fabric.change(with_two_uplinks)
    with Stream(before, "wan", first, 8080) as stays, Ping(before, "wan", first) as ping:
        cloud = fabric.apply()
    stays.lived()
    sent, answered = ping.counts()
    assert sent == answered > 100, "a second link disturbs nothing that uses the first"
    assert fabric.run().changed == 0
    way_out(cloud)
    way_back(cloud)

    # Inside, nothing is different, and who asks stays himself: by a public address of either network, and directly.
    leased, third = cloud.public("vpc-1", "vip-2", "virtual_ip"), cloud.public("vpc-1", "eip-z3", "elastic_ip")
    inside = cloud.ask("vpc-ins2", [tcp(third), tcp(leased, 2231), tcp(leased, 8082), tcp(cloud.address("vpc-ins3"))])
    assert [who(one).split()[0] for one in inside] == ["vpc-ins3", "vpc-port-test-1", "vpc-port-test-2", "vpc-ins3"]
    assert [saw(inside[index]) for index in (0, 1, 3)] == [cloud.address("vpc-ins2")] * 3
    assert saw(cloud.ask("vpc-ins3", [tcp(third)])[0]) == third, "itself, by its elastic IP"

    # networkd, read again and restarted, and the whole router.
    rules = cloud.in_router("vpc-1", "ip rule")
    cloud.in_router("vpc-1", "networkctl reload && systemctl restart systemd-networkd")
    assert cloud.in_router("vpc-1", "ip rule") == rules
    way_out(cloud)
    cloud.read("gw1", "systemctl restart weft-router@vpc-1.admin")
    deadline = time.monotonic() + patient(40)
    balancers = [tcp(cloud.public("vpc-1", "vip-lb", "virtual_ip")), tcp(leased, 8082)]
    while not all(saw(one).startswith("192.168.") for one in cloud.ask("wan", balancers)):
        assert time.monotonic() < deadline, "a backend is asked again after two checks that succeed"
    way_out(cloud)
    way_back(cloud)

    # The second network goes: nothing is left of it, and the first does not notice.
    fabric.restore()
    with Stream(cloud, "wan", first, 8080) as stays:
        fabric.run()
    stays.lived()
    assert "fwmark" not in (left := cloud.in_router("vpc-1", "ip rule; ip route show table all; ls /sys/class/net"))
    assert "198.51.100." not in left and left.count("pub4\n") == 1


def with_addresses_of_their_own(intent: Intent) -> None:
    """NICs and a secondary IP that leave otherwise than their subnets, and one that has an elastic IP, too."""
    nics = {one["name"]: one["nics"][0] for one in intent["weft_instances"]}
    for name in ("vpc-port-test-1", "vpc-ins1", "vpc-ins2"):
        nics[name]["snat"] = {"virtual_ip": "vip-lb"}
    nics["vpc-ins3"]["snat"] = True
    nics["vpc-port-test-3"]["snat"] = {"enabled": False}
    nics["vpc-ins2"]["secondary_ips"] = [{"name": "as-its-nic"}, {"name": "other", "snat": {"virtual_ip": "vip-pf"}}]


@pytest.mark.usefixtures("watch")
def test_nics_leave_with_addresses_of_their_own(fabric: Fabric) -> None:
    fabric.change(with_addresses_of_their_own)
    cloud = fabric.apply()
    assert fabric.run().changed == 0
    vip, other, elastic = (
        cloud.public("vpc-1", name, kind)
        for name, kind in (("vip-lb", "virtual_ip"), ("vip-pf", "virtual_ip"), ("eip-a", "elastic_ip"))
    )
    wanted = {"vpc-port-test-1": vip, "vpc-port-test-2": OWN, "vpc-ins1": elastic, "vpc-ins2": vip, "vpc-ins3": OWN}
    assert {one: saw(cloud.ask(one, [tcp(WORLD)])[0]) for one in wanted} == wanted
    secondary = {name: cloud.recorded(f"admin/vpc-ins2/0/{name}:ip") for name in ("as-its-nic", "other")}
    found = {name: cloud.ask_from("vpc-ins2", own, f"{WORLD}:8080") for name, own in secondary.items()}
    assert found == {"as-its-nic": [vip], "other": [other]}

    # Who is not translated leaves as it is, and the outside has no way back to it; inside nothing is different.
    untranslated = cloud.address("vpc-port-test-3")
    came_by(cloud)
    assert saw(cloud.ask("vpc-port-test-3", [tcp(WORLD, seconds=SILENCE)])[0]) == "nobody"
    assert untranslated in came_by(cloud)["eth1"]
    assert saw(cloud.ask("vpc-port-test-3", [tcp(cloud.address("vpc-ins2"))])[0]) == untranslated
    assert saw(cloud.ask("vpc-port-test-1", [tcp(cloud.address("vpc-ins2"))])[0]) == cloud.address("vpc-port-test-1")

    # The services of the virtual IP go on, and a NIC that chooses no more leaves as its subnet.
    assert who(cloud.ask("wan", [tcp(vip)])[0]) != "nobody"
    fabric.restore()
    cloud = fabric.apply()
    assert saw(cloud.ask("vpc-port-test-1", [tcp(WORLD)])[0]) == OWN
    assert saw(cloud.ask("vpc-ins3", [tcp(WORLD)])[0]) == other
    assert "nic_source_nat" not in cloud.in_router("vpc-1", "nft list table inet weft; ls /etc/weft/nftables.d")
