"""What gets through and what does not, by packets: as declared, after a change that was foretold, and after all."""

from __future__ import annotations

from checks import leftovers
from checks.cloud import LINE_PORT, WAN_ADDRESS, WAN_PORT, Cloud, Question, tcp, udp
from checks.fabric import Fabric, Intent, drop
from checks.instances import ROW, TELNET
from checks.services import answered
from checks.streams import Stream

WEB, DB, SAFE, BORROWED = "192.168.50.10", "192.168.51.10", "192.168.52.10", "192.168.50.77"
Asked = dict[str, dict[str, Question]]


def questions(cloud: Cloud) -> Asked:
    """What is asked by whom."""
    eip, vip = cloud.public("shop", "eip", "elastic_ip"), cloud.public("shop", "vip", "virtual_ip")
    inside = {"db": tcp(DB), "telnet of db": tcp(DB, TELNET), "datagram to db": udp(DB, ROW[0]), "safe": tcp(SAFE)}
    out = {"out": tcp(WAN_ADDRESS, WAN_PORT), "datagram out": udp(WAN_ADDRESS, WAN_PORT)}
    return {
        "wan": {
            "elastic": tcp(eip),
            "telnet": tcp(eip, TELNET),
            "datagram": udp(eip, ROW[0]),
            "forward": tcp(vip, 2222),
            "forwarded datagram": udp(vip, ROW[0]),
            "safe": tcp(vip, 2223),
        },
        "web": inside | out,
        "job": inside,
        "db": {"web": tcp(WEB)} | out,
        "safe": {"web": tcp(WEB)} | out,
    }


#: What of it is answered.
DECLARED = {
    "wan": {"elastic", "telnet", "forward"},
    "web": {"db", "out", "datagram out"},
    "job": set[str](),
    "db": {"web", "datagram out"},
    "safe": set[str](),
}
CHANGED = {
    "wan": {"elastic", "forward", "forwarded datagram"},
    "web": {"db", "datagram to db", "out", "datagram out"},
    "job": {"db", "datagram to db"},
    "db": {"web", "out", "datagram out"},
    "safe": set[str](),
}


def change(intent: Intent) -> None:
    """Each kind of filter lets in something more, or something less."""
    vpc = intent["weft_vpcs"][0]
    del vpc["router"]["firewall"]
    rules = vpc["network_acls"][0]["rules"]
    drop(rules, "not-job")
    rules.append({"number": 25, "direction": "ingress", "action": "allow", "protocol": "udp", "ports": ROW[0]})
    vpc["elastic_ips"][0]["firewall"] = vpc["elastic_ips"][0]["firewall"][:1]
    vpc["virtual_ips"][0]["firewall"].append({"name": "datagrams", "protocol": "udp", "ports": ROW[0]})
    intent["weft_instances"][0]["nics"][0]["allowed_addresses"] = [BORROWED]


def expect(cloud: Cloud, expected: dict[str, set[str]]) -> None:
    assert {asker: answered(cloud, asker, asked) for asker, asked in questions(cloud).items()} == expected


def sends_as(cloud: Cloud, address: str) -> bool:
    """Whether an instance is answered by its neighbour when it takes an address of its network."""
    cloud.read("web", f"ip address replace {address}/24 dev eth0")
    try:
        return cloud.on("web", ["ping", "-n", "-c", "2", "-W", "1", "-I", address, "192.168.50.12"]).returncode == 0
    finally:
        cloud.read("web", f"ip address del {address}/24 dev eth0")


def test_what_is_declared_gets_through_and_nothing_else(fabric: Fabric) -> None:
    cloud = fabric.cloud
    expect(cloud, DECLARED)
    assert cloud.ping("web", DB) is not None and cloud.ping("job", DB) is None
    assert not sends_as(cloud, BORROWED)
    counters = cloud.in_router("shop", "nft list counters table inet weft")
    assert all(f"acl_inner_ingress_{name}" in counters for name in ("not-job", "line", "ping")), counters


def test_a_change_is_foretold_and_ends_what_it_must(fabric: Fabric) -> None:
    cloud = fabric.cloud
    eip = cloud.public("shop", "eip", "elastic_ip")
    fabric.change(change)
    with (
        Stream(cloud, "wan", eip, LINE_PORT) as stays,
        Stream(cloud, "web", DB, LINE_PORT) as too,
        Stream(cloud, "wan", eip, TELNET) as cut,
    ):
        assert fabric.run_as_foretold().did().keys() == {"gw1", "hv1"}
        cut.ends()
    for stream in (stays, too):
        stream.lived()
    expect(cloud, CHANGED)
    assert sends_as(cloud, BORROWED)


def test_nothing_is_left_of_what_is_taken_out(fabric: Fabric) -> None:
    fabric.empty()
    assert leftovers.left_of_fabric(fabric.lab) == []
