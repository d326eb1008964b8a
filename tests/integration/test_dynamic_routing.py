"""BGP and OSPF with a real FRR upstream: what it learns, what it cannot make the router believe, and who may speak."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from checks.cloud import SILENCE, WAN_ADDRESS, Cloud, tcp, who
from checks.fabric import Fabric, Intent, drop

from lab.shell import patient

pytestmark = pytest.mark.packets
NOTICED_SECONDS = 30.0
OWN, STRANGER = "10.172.11.91", "10.172.200.7"
BGP_PASSWORD, OSPF_PASSWORD, WRONG = "sesame-bgp", "sesame-ospf", "open-barley"
ASKED, ROGUE, HIJACKED = "172.16.99.0/24", "192.168.21.0/25", "10.172.11.96/28"

DAEMONS = "bgpd=yes\nospfd=yes\nbfdd=yes\nvtysh_enable=yes\n"
UPSTREAM = f"""\
frr defaults datacenter
ip route {ASKED} blackhole
ip route {ROGUE} blackhole
"""
BGP = f"""\
router bgp 65000
 bgp router-id {WAN_ADDRESS}
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor {OWN} remote-as 65010
 neighbor {OWN} password {BGP_PASSWORD}
 neighbor {OWN} bfd
 address-family ipv4 unicast
  redistribute static
  network {HIJACKED}
  neighbor {OWN} default-originate
 exit-address-family
exit
"""
LEASED, LEASED_OWN = "198.51.100.1", "198.51.100.91"
LEASED_BGP = f"""\
router bgp 65000
 bgp router-id {LEASED}
 no bgp ebgp-requires-policy
 neighbor {LEASED_OWN} remote-as 65010
exit
"""
OSPF = f"""\
interface eth1
 ip ospf area 0.0.0.0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ip ospf authentication message-digest
 ip ospf message-digest-key 1 md5 {OSPF_PASSWORD}
exit
router ospf
 ospf router-id {WAN_ADDRESS}
 redistribute static
 default-information originate always
exit
"""
# Nobody on wan asks by ARP who has a public address, so that only an announced route leads there.
DEAF = f"""\
table arp deaf {{
    chain out {{
        type filter hook output priority 0;
        arp operation request arp daddr ip 10.172.11.0/24 arp daddr ip != {OWN} drop
    }}
}}
"""
NO_DEFAULT = {
    "bgp": ("router bgp 65000", "address-family ipv4 unicast", f"no neighbor {OWN} default-originate"),
    "ospf": ("router ospf", "no default-information originate"),
}


def eventually(what: str, wanted: Any, seen: Callable[[], Any]) -> None:
    deadline = time.monotonic() + patient(NOTICED_SECONDS)
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"{what}: {found}, and not {wanted}"
        time.sleep(0.3)


@contextmanager
def upstream(cloud: Cloud, protocols: str) -> Iterator[None]:
    """FRR on wan, which finds public addresses by what it learns alone: nobody answers its ARP for them."""
    cloud.read("wan", "cp -a /etc/frr /run/frr.before")
    cloud.read("wan", "cat >/etc/frr/daemons", DAEMONS)
    cloud.read("wan", "cat >/etc/frr/frr.conf && systemctl restart frr", UPSTREAM + protocols)
    cloud.read("wan", "nft -f - && ip neighbour flush to 10.172.11.0/24", DEAF)
    try:
        yield
    finally:
        cloud.read("wan", "nft delete table arp deaf; systemctl stop frr; rm -r /etc/frr; mv /run/frr.before /etc/frr")


def configure(cloud: Cloud, *lines: str) -> None:
    cloud.read("wan", "vtysh -c 'configure terminal'" + "".join(f" -c '{line}'" for line in lines))


def shown(cloud: Cloud, command: str) -> dict[str, Any]:
    return dict(json.loads(cloud.read("wan", f"vtysh -c '{command} json'")))


def bgp_session(cloud: Cloud) -> tuple[str, int, int]:
    """State, and how often it came and went."""
    session = shown(cloud, f"show bgp neighbors {OWN}")[OWN]
    return session["bgpState"], session["connectionsEstablished"], session["connectionsDropped"]


def ospf_adjacency(cloud: Cloud) -> tuple[str, int]:
    """State, and how often it changed."""
    (adjacency,) = shown(cloud, "show ip ospf neighbor detail")["neighbors"].get(OWN) or [{}]
    return adjacency.get("nbrState", "none"), adjacency.get("stateChangeCounter", 0)


def learned(cloud: Cloud, protocol: str, gateway: str = OWN) -> set[str]:
    """The prefixes that wan has routes for by an address of the router."""
    routes = json.loads(cloud.read("wan", f"ip -j route show proto {protocol}"))
    return {one["dst"] for one in routes if one.get("gateway") == gateway}


def believed(cloud: Cloud, protocol: str) -> set[str]:
    """The prefixes that the router has routes for by what wan said."""
    return {one["dst"] for one in json.loads(cloud.in_router("vpc-1", f"ip -j route show proto {protocol}"))}


def public(cloud: Cloud, *names: str) -> set[str]:
    kinds = {"eip": "elastic_ip", "vip": "virtual_ip"}
    return {cloud.public("vpc-1", name, kinds[name[:3]]) for name in names}


def way_out(cloud: Cloud) -> str:
    """Who told the router the only default route of its main table; `gateway` where there is none."""
    protocols = [one["protocol"] for one in json.loads(cloud.in_router("vpc-1", "ip -j route show default"))]
    return " ".join(protocols) or "gateway"


def answers(cloud: Cloud, elastic: str) -> str:
    return who(cloud.ask("wan", [tcp(cloud.public("vpc-1", elastic, "elastic_ip"), seconds=SILENCE)])[0])


def router_of(intent: Intent) -> Intent:
    return dict(intent)["weft_vpcs"][0]["router"]


def speak_bgp(intent: Intent, *accept: str) -> None:
    neighbor = {"address": WAN_ADDRESS, "asn": 65000, "password": BGP_PASSWORD, "bfd": True, "accept": list(accept)}
    router_of(intent)["bgp"] = {"asn": 65010, "neighbors": [neighbor]}


def speak_ospf(intent: Intent, *accept: str) -> None:
    ospf = {"password": OSPF_PASSWORD, "hello_interval": 1, "dead_interval": 4, "accept": list(accept)}
    router_of(intent)["ospf"] = ospf


def test_bgp_announces_public_addresses(fabric: Fabric) -> None:
    cloud = fabric.cloud
    with upstream(cloud, BGP):
        assert answers(cloud, "eip-a") == "nobody"
        fabric.change(speak_bgp)
        _told(fabric)
        eventually("learned", public(cloud, "eip-a", "eip-b", "vip-pf", "vip-lb"), lambda: learned(cloud, "bgp"))
        assert fabric.run().changed == 0
        before = bgp_session(cloud)
        assert before[0] == "Established"
        assert [one["status"] for one in json.loads(cloud.read("wan", "vtysh -c 'show bfd peers json'"))] == ["up"]
        _addresses_come_and_go(fabric, "bgp")
        _only_what_is_asked_for_is_learned(fabric, "bgp", speak_bgp)
        assert bgp_session(cloud) == before
        _strangers_are_refused(cloud)
        _a_wrong_password_is_no_session(cloud)
        _a_stopped_router_announces_nothing(fabric)
        _taken_back(fabric, "bgpd", "bgp")


def test_ospf_announces_public_addresses(fabric: Fabric) -> None:
    cloud = fabric.cloud
    with upstream(cloud, OSPF):
        fabric.change(speak_ospf)
        _told(fabric)
        eventually("learned", public(cloud, "eip-a", "eip-b", "vip-pf", "vip-lb"), lambda: learned(cloud, "ospf"))
        assert fabric.run().changed == 0
        before = ospf_adjacency(cloud)
        assert before[0].startswith("Full")
        _addresses_come_and_go(fabric, "ospf")
        _only_what_is_asked_for_is_learned(fabric, "ospf", speak_ospf)
        assert ospf_adjacency(cloud) == before
        configure(
            cloud, "interface eth1", "no ip ospf message-digest-key 1", f"ip ospf message-digest-key 1 md5 {WRONG}"
        )
        eventually("learned with a wrong password", set(), lambda: learned(cloud, "ospf"))
        assert answers(cloud, "eip-a") == "nobody"
        _taken_back(fabric, "ospfd", "ospf")


def speak_bgp_on_a_leased_line(intent: Intent) -> None:
    line = {"name": "leased", "interface": "eth3", "cidr": "198.51.100.0/24", "gateway": LEASED}
    intent["weft_provider_networks"].append({**intent["weft_provider_networks"][0], **line})
    del intent["weft_provider_networks"][-1]["ip_ranges"]
    router = router_of(intent)
    router["public_networks"] = [{"network": "leased", "ip": LEASED_OWN}]
    router["bgp"] = {"asn": 65010, "neighbors": [{"address": LEASED, "asn": 65000}]}
    eip = {"name": "eip-leased", "network": "leased", "target": "vpc-ins2"}
    intent["weft_vpcs"][0]["elastic_ips"].append(eip)


def test_a_neighbor_is_told_addresses_of_its_network(fabric: Fabric) -> None:
    cloud = fabric.cloud
    with upstream(cloud, LEASED_BGP):
        fabric.change(speak_bgp_on_a_leased_line)
        fabric.run()
        eventually("learned", public(cloud, "eip-leased"), lambda: learned(cloud, "bgp", LEASED_OWN))
        assert answers(cloud, "eip-leased") == "vpc-ins2 admin"
        assert who(cloud.ask("vpc-ins2", [tcp(WAN_ADDRESS)])[0]).startswith("wan")
        assert fabric.run().changed == 0


def _told(fabric: Fabric) -> None:
    """The run itself, which shows no password, nor does what it leaves behind to anybody but root."""
    static = fabric.cloud.in_router("vpc-1", "ip route show proto static; pidof zebra staticd")
    shown = fabric.run("--diff", "-vv").output
    assert static == fabric.cloud.in_router("vpc-1", "ip route show proto static; pidof zebra staticd")
    assert "update-source" not in shown
    _no_password_anywhere(fabric, shown)


def _no_password_anywhere(fabric: Fabric, output: str) -> None:
    files = [path for path in fabric.state.rglob("*") if path.is_file() and fabric.inventory not in path.parents]
    state = "".join(path.read_bytes().decode(errors="replace") for path in files)
    logs = fabric.cloud.in_router("vpc-1", "cat /var/log/frr/*; journalctl --no-pager --boot")
    for password in (BGP_PASSWORD, OSPF_PASSWORD):
        assert password not in output
        assert password not in state
        assert password not in logs
        assert fabric.cloud.on("gw1", ["sh", "-c", f"journalctl --boot | grep -F -e {password}"]).returncode == 1
    assert fabric.cloud.in_router("vpc-1", "stat -c %a /etc/frr/frr.conf") == "600\n"


def _addresses_come_and_go(fabric: Fabric, protocol: str) -> None:
    cloud = fabric.cloud
    assert answers(cloud, "eip-a") == "vpc-ins1 admin"
    there = learned(cloud, protocol)
    new = {"name": "eip-new", "network": "L3-public", "target": "vpc-ins3"}
    spare = {"name": "eip-spare", "network": "L3-public"}
    fabric.change(lambda intent: intent["weft_vpcs"][0]["elastic_ips"].extend([new, spare]))
    fabric.run()
    eventually("learned", there | public(cloud, "eip-new"), lambda: learned(cloud, protocol))
    assert answers(cloud, "eip-new") == "vpc-ins3 admin"
    address = cloud.public("vpc-1", "eip-new", "elastic_ip")
    fabric.change(lambda intent: drop(intent["weft_vpcs"][0]["elastic_ips"], "eip-new"))
    fabric.run()
    eventually("learned", there, lambda: learned(cloud, protocol))
    assert who(cloud.ask("wan", [tcp(address, seconds=SILENCE)])[0]) == "nobody"
    assert answers(cloud, "eip-a") == "vpc-ins1 admin"


def _only_what_is_asked_for_is_learned(fabric: Fabric, protocol: str, speak: Callable[..., None]) -> None:
    cloud = fabric.cloud
    assert believed(cloud, protocol) == set()
    fabric.change(lambda intent: speak(intent, "0.0.0.0/0", ASKED))
    fabric.run()
    eventually("believed", {"default", ASKED}, lambda: believed(cloud, protocol))
    assert way_out(cloud) == protocol
    assert who(cloud.ask("vpc-ins3", [tcp(cloud.address("vpc-ins2"))])[0]) == "vpc-ins2 admin"
    assert who(cloud.ask("vpc-ins3", [tcp(WAN_ADDRESS)])[0]).startswith("wan")
    assert fabric.run().changed == 0
    # Without it, the gateway's default route is there again.
    configure(cloud, *NO_DEFAULT[protocol])
    eventually("believed", {ASKED}, lambda: believed(cloud, protocol))
    assert way_out(cloud) == "gateway"
    assert who(cloud.ask("vpc-ins3", [tcp(WAN_ADDRESS)])[0]).startswith("wan")


def _strangers_are_refused(cloud: Cloud) -> None:
    for guest in ("vpc-ins1", "other-1"):
        assert who(cloud.ask(guest, [tcp(OWN, 179, seconds=SILENCE)])[0]) == "nobody"
    assert who(cloud.ask("vpc-ins1", [tcp("192.168.20.1", 179, seconds=SILENCE)])[0]) == "nobody"
    cloud.read("wan", f"ip address add {STRANGER}/8 dev eth1")
    try:
        assert cloud.on("wan", ["nc", "-z", "-w", "2", "-s", STRANGER, OWN, "179"]).returncode
    finally:
        cloud.read("wan", f"ip address delete {STRANGER}/8 dev eth1")


def _a_wrong_password_is_no_session(cloud: Cloud) -> None:
    configure(cloud, "router bgp 65000", f"neighbor {OWN} password {WRONG}")
    eventually("learned with a wrong password", set(), lambda: learned(cloud, "bgp"))
    assert answers(cloud, "eip-a") == "nobody"
    configure(cloud, "router bgp 65000", f"neighbor {OWN} password {BGP_PASSWORD}")
    eventually("session", "Established", lambda: bgp_session(cloud)[0])


def _a_stopped_router_announces_nothing(fabric: Fabric) -> None:
    cloud = fabric.cloud
    fabric.change(lambda intent: router_of(intent).update(state="stopped"))
    fabric.run()
    eventually("learned of a stopped router", set(), lambda: learned(cloud, "bgp"))
    fabric.change(lambda intent: router_of(intent).update(state="running"))
    fabric.run()
    eventually("learned", True, lambda: public(cloud, "eip-a") < learned(cloud, "bgp"))


def _taken_back(fabric: Fabric, daemon: str, protocol: str) -> None:
    cloud = fabric.cloud
    fabric.restore()
    output = fabric.run("--diff").output
    eventually("learned", set(), lambda: learned(cloud, protocol))
    assert cloud.in_router("vpc-1", f"pidof {daemon} || :") == ""
    assert cloud.in_router("vpc-1", "ip route show table main proto 87") == ""
    assert cloud.in_router("vpc-1", f"grep -c -e {protocol} -e route-map /etc/frr/frr.conf || :") == "0\n"
    assert way_out(cloud) == "static"
    assert "default" not in cloud.in_router("vpc-1", "ip route show table default")
    for password in (BGP_PASSWORD, OSPF_PASSWORD):
        assert password not in output + cloud.in_router("vpc-1", "cat /etc/frr/* /var/log/frr/*; journalctl --no-pager")
