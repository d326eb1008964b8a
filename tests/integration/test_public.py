"""The public side of a router: what elastic and virtual IPs lead to, what leaves with them, and by which network."""

from __future__ import annotations

import pytest
from checks.cloud import Cloud, saw, tcp, who
from checks.fabric import Fabric, Intent, drop
from checks.streams import Background, Stream

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

# Asks from an address of its own.
FROM = (
    "import socket, sys; link = socket.create_connection((sys.argv[2], 8080), 5, (sys.argv[1], 0)); "
    "link.sendall(b'hello\\n'); print(link.recv(200).decode().strip())"
)


def ask_from(cloud: Cloud, instance: str, own: str, target: str) -> str:
    """Which address of the asker the target saw, when it asks from one of its own addresses."""
    return saw(cloud.on(instance, ["python3", "-c", FROM, own, target]).stdout.strip())


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
    assert [ask_from(cloud, "vpc-ins2", one, WORLD) for one in (own, shop)] == [vip, vip]
    assert ask_from(cloud, "vpc-ins2", blog, WORLD) == eip
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
        assert moved.process.wait(timeout=30) == 0
    assert moved.told()["broken"]
    assert stays.told()["broken"] is None
    assert who(cloud.ask("wan", [tcp(eip)])[0]) == "vpc-ins3 admin"
    assert saw(cloud.ask("vpc-ins3", [tcp(WORLD)])[0]) == eip
    assert ask_from(cloud, "vpc-ins2", blog, WORLD) == vip

    # An address in use does not go, and nothing is touched.
    def forget(intent: Intent) -> None:
        (instance,) = (one for one in intent["weft_instances"] if one["name"] == "vpc-ins2")
        drop(instance["nics"][0]["secondary_ips"], "shop")

    fabric.change(forget)
    refused = fabric.try_run()
    assert refused.status and "WEFT-A4-nobody" in refused.output
