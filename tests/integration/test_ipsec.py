"""IPsec with a real strongSwan as the other sites: who is reached by tunnels and as whom, what never leaves in clear,
what a change of one connection leaves alone (row V1), and where the keys are."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from checks.bulk import Receiver, transfer
from checks.cloud import SILENCE, Cloud, saw, tcp, udp, who
from checks.fabric import Fabric, Intent, Run, drop
from checks.planted import HOSTS, found, kept, logged, told, watching_processes
from checks.streams import Flows, Stream

from lab.shell import patient

pytestmark = [pytest.mark.packets, pytest.mark.kernel("esp")]

VIP, LEASED_VIP, OWN, INNER = "10.172.11.93", "198.51.100.92", "10.172.11.91", "192.168.20.50"
PSK, OTHER_PSK = "a-key-that-both-have", "a-key-that-one-has"
#: An address in each site's network; the last is in none.
OFFICE, ANNEX, BRANCH, OLD, WRONG, NEW, SIGNED, NOBODYS = (f"172.28.{third}.1" for third in (0, 1, 2, 3, 4, 5, 6, 9))
SITES = ("office", "branch", "old", "wrong", "new", "signed")
GATEWAY = {name: f"198.18.0.{number}" for number, name in enumerate(SITES, start=1)}
LATER = {"office", "branch", "signed", "wrong", "new"}
SEGMENT = 1359
BACK_SECONDS = 60.0

# What comes in by public links of what belongs into tunnels, and tunnels that come in by another one's link.
WATCH = """
table inet watch {
    counter sealed { }
    counter clear { }
    counter astray { }
    chain in {
        type filter hook prerouting priority -400; policy accept;
        ip protocol esp counter name sealed
        iifname "eth3" ip protocol esp ip saddr 10.0.0.0/8 counter name astray
        iifname "eth1" ip protocol esp ip saddr 198.51.100.0/24 counter name astray
        iifname { "eth1", "eth3" } ip daddr 172.28.0.0/21 meta ipsec missing counter name clear
        iifname { "eth1", "eth3" } ip saddr 192.168.0.0/16 meta ipsec missing counter name clear
    }
}
"""


#: An authority, and a certificate for each end; wan's strongSwan knows RSA alone.
CERTIFY = """
set -e
mkdir -p /run/certificates && cd /run/certificates
new="openssl req -newkey rsa:2048 -nodes"
$new -x509 -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
for host in vpn signed; do
    $new -subj /CN=$host -addext subjectAltName=DNS:$host.example.net -keyout $host.key -out csr
    openssl x509 -req -in csr -CA ca.pem -CAkey ca.key -CAcreateserial -copy_extensions copy -days 2 -out $host.pem
done
cp ca.pem /etc/swanctl/x509ca/ && cp signed.pem /etc/swanctl/x509/ && cp signed.key /etc/swanctl/private/
"""


def site(name: str, vip: str, local: str, remote: str, esp: str, *more: str, key: str = PSK, version: int = 2) -> str:
    """A connection of a site to the VPC, as the site's strongSwan has it."""
    own = {"branch": "branch@example.net", "signed": "signed.example.net"}.get(name, GATEWAY[name])
    other = "vpn.example.net" if name == "signed" else vip
    auth, certs, ca = ("pubkey", "certs = signed.pem", "cacerts = ca.pem") if name == "signed" else ("psk", "", "")
    action = "start_action = trap|start\ndpd_action = restart\nclose_action = start" if "calls" in more else ""
    return f"""
connections {{
    {name} {{
        version = {version}
        local_addrs = {GATEWAY[name]}
        remote_addrs = {vip}
        proposals = aes256-sha256-modp2048
        keyingtries = 0
        dpd_delay = 2s
        local {{
            auth = {auth}
            {certs}
            id = "{own}"
        }}
        remote {{
            auth = {auth}
            {ca}
            id = "{other}"
        }}
        children {{
            {name} {{
                local_ts = {local}
                remote_ts = {remote}
                esp_proposals = {esp}
                {action}
            }}
        }}
    }}
}}
secrets {{
    ike-{name} {{
        secret = "{key}"
        id-local = "{own}"
        id-peer = "{other}"
    }}
}}
"""


@pytest.fixture
def sites(fabric: Fabric) -> Iterator[None]:
    """Six sites on wan, each with a gateway's address and networks of its own."""
    cloud, lb = fabric.cloud, fabric.cloud.public("vpc-1", "vip-lb", "virtual_ip")
    every = "192.168.20.0/24,192.168.21.0/24,192.168.22.0/24"
    first = "192.168.20.0/24"
    configuration = "".join([
        site("office", VIP, "172.28.0.0/24,172.28.1.0/24", every, "aes256gcm16"),
        site("branch", lb, "172.28.2.0/24", first, "aes256gcm16", "calls"),
        site("old", lb, "172.28.3.0/24", first, "aes256-sha256-modp2048", version=1),
        site("wrong", VIP, "172.28.4.0/24", every, "aes256gcm16", key=OTHER_PSK),
        site("new", VIP, "172.28.5.0/24", every, "aes256gcm16"),
        site("signed", LEASED_VIP, "172.28.6.0/24", every, "aes256gcm16"),
    ])  # fmt: skip
    cloud.read("wan", "ip link add sites type dummy && ip link set sites up")
    for address in (OFFICE, ANNEX, BRANCH, OLD, WRONG, NEW, SIGNED, NOBODYS, *GATEWAY.values()):
        cloud.read("wan", f"ip address add {address}/32 dev sites")
    cloud.read("wan", "nft -f -", WATCH)
    cloud.read("wan", "umask 077 && cat >/etc/swanctl/conf.d/sites.conf", configuration)
    cloud.read("wan", "cat >/etc/strongswan.d/sites.conf", "charon-systemd {\nretransmit_base = 1\n}\n")
    cloud.read("wan", f"({CERTIFY}) 2>/dev/null && systemctl start strongswan")
    yield
    cloud.read("wan", "systemctl stop strongswan; ip xfrm state flush; ip xfrm policy flush; ip link delete sites")
    files = "/run/certificates /etc/strongswan.d/sites.conf /etc/swanctl/conf.d/sites.conf"
    files += " /etc/swanctl/*/ca.pem /etc/swanctl/*/signed.*"
    cloud.read("wan", f"rm -r {files}; nft delete table inet watch")


def connection(name: str, third: int, **more: Any) -> Intent:
    wanted = {
        "name": name, "virtual_ip": "vip-pf", "peer": GATEWAY[name], "peer_cidrs": [f"172.28.{third}.0/24"],
        "psk": PSK, "dpd_interval": 2, **more,
    }  # fmt: skip
    return {key: value for key, value in wanted.items() if value is not None}


def certify(fabric: Fabric) -> tuple[str, str]:
    """Give the tenant the certificate that the router shows; returns a line of its key, and the authority's."""
    certificate, key, authority = (
        fabric.cloud.read("wan", f"cat /run/certificates/{name}") for name in ("vpn.pem", "vpn.key", "ca.pem")
    )
    wanted = [{"name": "vpn", "tenant": "admin", "certificate": certificate, "key": key}]
    target = fabric.inventory / "group_vars" / "all" / "certificates.yml"
    target.write_text(yaml.safe_dump({"weft_certificates": wanted}))
    return key.splitlines()[1], authority


def connect(intent: Intent, authority: str) -> None:
    """Five sites on three virtual IPs, two of them with other services, one with a firewall, one in a second public
    network, by which a subnet leaves, too; a list for a subnet, and a balancer inside."""
    vpc = intent["weft_vpcs"][0]
    network = {"name": "leased", "interface": "eth3", "clusters": ["router_nodes"], "services": ["public"]}
    intent["weft_provider_networks"].append({**network, "cidr": "198.51.100.0/24", "gateway": "198.51.100.1"})
    vpc["router"]["public_networks"] = [{"network": "leased"}]
    vpc["virtual_ips"].append({"name": "vip-2", "network": "leased", "ip": LEASED_VIP})
    vpc["networks"][1]["snat"] = {"network": "leased"}
    passive = {"peer": None, "peer_id": "branch@example.net", "passive": True}
    named = {"local_id": "vpn.example.net", "peer_id": "signed.example.net"}
    vpc["ipsec_connections"] = [
        connection("office", 0, peer_cidrs=["172.28.0.0/24", "172.28.1.0/24"]),
        connection("branch", 2, virtual_ip="vip-lb", networks=["vpc-1-1"], **passive),
        connection("old", 3, virtual_ip="vip-lb", networks=["vpc-1-1"], ike_version=1),
        connection("signed", 6, virtual_ip="vip-2", psk=None, certificate="vpn", peer_ca=authority, **named),
        connection("wrong", 4),
    ]
    vpc["virtual_ips"][1]["firewall"] = [{"name": "line", "protocol": "tcp", "ports": 8080}]
    telnet = {"protocol": "tcp", "ports": 23, "cidrs": ["172.28.0.0/24"]}
    rules = [
        {"number": 10, "direction": "ingress", "action": "deny", **telnet},
        {"number": 20, "direction": "ingress", "action": "allow"},
    ]
    vpc["network_acls"] = [{"name": "no-telnet", "rules": rules}]
    vpc["networks"][1]["acl"] = "no-telnet"
    behind = {"backends": ["vpc-port-test-1"], "backend_port": 8080}
    listeners = [
        {"name": "line", "protocol": "tcp", "port": 8085, **behind},
        {"name": "datagrams", "protocol": "udp", "port": 8085, "health_check": {"type": "icmp"}, **behind},
    ]
    vpc["load_balancers"].append({"name": "inner", "network": "vpc-1-1", "ip": INNER, "listeners": listeners})


def eventually(what: str, wanted: Any, seen: Callable[[], Any]) -> None:
    deadline = time.monotonic() + patient(BACK_SECONDS)
    while (found := seen()) != wanted:
        assert time.monotonic() < deadline, f"{what}: {found}, and not {wanted}"
        time.sleep(0.5)


def up(cloud: Cloud) -> dict[str, str]:
    """The connections that have a tunnel, and the numbers of their security associations."""
    found, name, number = {}, "", ""
    for line in cloud.in_router("vpc-1", "swanctl --list-sas 2>/dev/null || :").splitlines():
        if match := re.match(r"(\S+)-[0-9a-f]{8}: #(\d+), ESTABLISHED", line):
            name, number = match.groups()
        elif re.match(r"  \S+: #\d+, reqid \d+, INSTALLED", line):
            found[name] = number
    return found


def counted(cloud: Cloud) -> dict[str, int]:
    """Packets since the last call: of ESP, and those in clear that belong into tunnels."""
    listing = cloud.read("wan", "nft reset counters table inet watch")
    return {name: int(packets) for name, packets in re.findall(r"counter (\w+) \{\s+packets (\d+)", listing)}


def reached(cloud: Cloud, own: str, *places: str) -> list[bool]:
    """Which places (ADDRESS:PORT) answer an address of a site, and see it as itself."""
    return [seen == own for seen in cloud.ask_from("wan", own, *places)]


def test_sites_are_connected(fabric: Fabric, sites: None) -> None:
    key, authority = certify(fabric)
    fabric.change(lambda intent: connect(intent, authority))
    saved = ("-e", f"weft_plan_file={fabric.state / 'saved.plan'}")
    with watching_processes() as arguments:
        runs = [told(fabric, *saved, playbook="plan"), told(fabric)]
    assert all(run.status == 0 for run in runs), [run.output[-2000:] for run in runs]
    cloud = fabric.cloud
    eventually("up", {"office", "branch", "old", "signed"}, lambda: set(up(cloud)))
    # Network administration and low ports.
    main = cloud.in_router("vpc-1", "systemctl show -P MainPID strongswan").strip()
    assert cloud.in_router("vpc-1", f"grep CapBnd /proc/{main}/status").split()[1] == f"{1 << 12 | 1 << 10:016x}"
    counted(cloud)
    _sites_reach_the_vpc(cloud)
    _the_vpc_reaches_sites(cloud)
    _other_services_stay(cloud)
    crossed = counted(cloud)
    assert crossed["sealed"] > 50 and crossed["clear"] == crossed["astray"] == 0, crossed
    _what_must_not_be(cloud)
    _large_transfers(cloud)
    assert counted(cloud)["clear"] == 0
    with watching_processes() as others:
        runs += _one_changes_and_the_others_stay(fabric)
    _keys_are_where_they_are_used(fabric, [PSK, OTHER_PSK, key], runs, arguments | others)
    _what_dies_comes_back(cloud)
    _taken_back(fabric)
    assert found(fabric, "gw1", [PSK, OTHER_PSK, key]) == {}


def _keys_are_where_they_are_used(fabric: Fabric, keys: list[str], runs: list[Run], arguments: set[str]) -> None:
    """For root alone; not in what runs say, log and keep, and no program's argument."""
    router = "/var/lib/weft/routers/vpc-1.admin/upper"
    uid = fabric.cloud.read("gw1", f"stat -c %u {router}").strip()
    places = [f"{router}/etc/swanctl/{path}" for path in ("conf.d/weft.conf", "private/vpn.pem")]
    for host in HOSTS:
        assert found(fabric, host, keys) == (dict.fromkeys(places, f"600:{uid}") if host == "gw1" else {})
    shown = "".join(run.output for run in runs) + kept(fabric) + "".join(arguments) + logged(fabric)
    assert [key for key in keys if key in shown] == []
    assert "swanctl --load-all" in "".join(arguments) and "conf.d/weft.conf" in shown


def _sites_reach_the_vpc(cloud: Cloud) -> None:
    """As themselves: an instance with an elastic IP, others, and load balancers inside; lists are asked."""
    one, two, three = (cloud.address(name) for name in ("vpc-ins1", "vpc-ins2", "vpc-ins3"))
    places = [f"{address}:8080" for address in (one, two, three)]
    for own in (OFFICE, ANNEX, SIGNED):
        assert reached(cloud, own, *places) == [True] * 3, own
    for own in (BRANCH, OLD):
        assert reached(cloud, own, places[0]) == [True], own
    assert cloud.ask_from("wan", OFFICE, f"{INNER}:8085") == ["192.168.20.1"], "a balancer's backend sees the router"
    assert who(cloud.ask("wan", [udp(INNER, 8085)])[0]) == "vpc-port-test-1 admin"
    assert reached(cloud, OFFICE, f"{two}:23") == [False]
    assert reached(cloud, ANNEX, f"{two}:23") == [True]


def _the_vpc_reaches_sites(cloud: Cloud) -> None:
    """As themselves too, whatever elastic IP or address they leave with elsewhere."""
    for guest in ("vpc-ins1", "vpc-ins2", "vpc-ins3", "vpc-port-test-2"):
        found = cloud.ask(guest, [tcp(OFFICE), tcp(ANNEX), udp(OFFICE), tcp(SIGNED)])
        assert [saw(one) for one in found] == [cloud.address(guest)] * 4, guest
    assert [saw(one) for one in cloud.ask("vpc-ins1", [tcp(BRANCH), tcp(OLD)])] == [cloud.address("vpc-ins1")] * 2


def _other_services_stay(cloud: Cloud) -> None:
    """The virtual IPs of connections have SNAT, forwards and load balancers as before."""
    assert saw(cloud.ask("vpc-ins3", [tcp("223.5.5.5")])[0]) == VIP
    assert saw(cloud.ask("vpc-ins1", [tcp("223.5.5.5")])[0]) == cloud.public("vpc-1", "eip-a", "elastic_ip")
    lb = cloud.public("vpc-1", "vip-lb", "virtual_ip")
    assert [who(one) != "nobody" for one in cloud.ask("wan", [tcp(VIP, 2223), tcp(VIP, 8081), tcp(lb)])] == [True] * 3


def _what_must_not_be(cloud: Cloud) -> None:
    one, three = f"{cloud.address('vpc-ins1')}:8080", f"{cloud.address('vpc-ins3')}:8080"
    elastic = cloud.public("vpc-1", "eip-a", "elastic_ip")
    # A connection for one network is for no other, in neither direction.
    for own in (BRANCH, OLD):
        assert reached(cloud, own, three) == [False], own
    quick = {"seconds": SILENCE}
    answers = cloud.ask("vpc-ins3", [tcp(BRANCH, **quick), tcp(OLD, **quick), tcp(WRONG, **quick)])
    assert answers == [None] * 3
    # With a wrong key there is no tunnel, and nothing instead of it.
    assert cloud.ask("vpc-ins1", [tcp(WRONG, **quick), udp(WRONG, **quick)]) == [None] * 2
    assert cloud.ping("vpc-ins1", WRONG) is None
    assert counted(cloud)["clear"] == 0
    # By a route to the router, in clear: who is in no site's network, and who pretends to be in one.
    cloud.read("wan", f"ip route add 192.168.20.0/22 via {OWN} dev eth1")
    try:
        assert reached(cloud, NOBODYS, one, f"{INNER}:8085") == [False] * 2
        assert reached(cloud, WRONG, one, f"{INNER}:8085", f"{elastic}:8080") == [False] * 3
    finally:
        cloud.read("wan", f"ip route delete 192.168.20.0/22 via {OWN} dev eth1")
    assert reached(cloud, NOBODYS, f"{elastic}:8080") == [True], "what is no site's is the public side"


def _large_transfers(cloud: Cloud) -> None:
    with Receiver(cloud, "vpc-ins1"):
        told = transfer(cloud, "wan", cloud.address("vpc-ins1"), "both", "1000000b", source=OFFICE)
    assert [one["bytes"] >= 1_000_000 for one in told] == [True, True], told
    assert [one["segment"] <= SEGMENT for one in told] == [True, True], told


def _one_changes_and_the_others_stay(fabric: Fabric) -> list[Run]:
    """One goes, one comes, one gets the right key: live connections of the others and their keys do not notice."""
    cloud, before = fabric.cloud, up(fabric.cloud)

    def change(intent: Intent) -> None:
        connections = intent["weft_vpcs"][0]["ipsec_connections"]
        drop(connections, "old")
        connections[-1]["psk"] = OTHER_PSK
        connections.append(connection("new", 5))

    fabric.change(change)
    flows = {"becomes a site's": tcp(NEW), "is in the internet": tcp("223.5.5.5")}
    foretold = told(fabric, "--check")
    with (
        Stream(cloud, "vpc-ins2", OFFICE, 8080) as stays,
        Flows(cloud, "vpc-ins3", flows, patient(1.5)) as others,
    ):
        done = told(fabric)
        assert done.did() == foretold.did()
        cut = {"becomes a site's": True, "is in the internet": False}
        eventually("cut", cut, lambda: {name: bool(one["broken"]) for name, one in others.tell().items()})
    assert stays.told()["broken"] is None
    eventually("up", LATER, lambda: set(up(cloud)))
    after = up(cloud)
    stayed = ("office", "branch", "signed")
    assert {name: after[name] for name in stayed} == {name: before[name] for name in stayed}
    assert [saw(one) for one in cloud.ask("vpc-ins3", [tcp(NEW), tcp(WRONG)])] == [cloud.address("vpc-ins3")] * 2
    assert fabric.run().changed == 0
    policies = cloud.in_router("vpc-1", "ip xfrm policy; ip xfrm state")
    assert "172.28.3." not in policies and GATEWAY["old"] not in policies
    return [foretold, done]


def _what_dies_comes_back(cloud: Cloud) -> None:
    """The peer without a word, the router's own daemon, and the whole router: nothing leaves in clear meanwhile."""
    before = up(cloud)["office"]
    counted(cloud)
    cloud.read("wan", "systemctl kill --signal=KILL strongswan; ip xfrm state flush; ip xfrm policy flush")
    eventually("another tunnel", True, lambda: up(cloud).get("office", before) != before)
    assert saw(cloud.ask("vpc-ins1", [tcp(OFFICE)])[0]) == cloud.address("vpc-ins1")
    cloud.in_router("vpc-1", "systemctl stop strongswan")
    assert cloud.in_router("vpc-1", "ip xfrm policy list dir out; ip xfrm state") == ""
    assert cloud.ask("vpc-ins1", [tcp(OFFICE, seconds=SILENCE)]) == [None]
    cloud.in_router("vpc-1", "systemctl start strongswan")
    eventually("up", LATER, lambda: set(up(cloud)))
    cloud.read("gw1", "systemctl restart weft-router@vpc-1.admin")
    eventually("up", LATER, lambda: set(up(cloud)))
    assert saw(cloud.ask("vpc-ins1", [tcp(OFFICE)])[0]) == cloud.address("vpc-ins1")
    assert counted(cloud)["clear"] == 0


def _taken_back(fabric: Fabric) -> None:
    """Nothing is left, and what was a site's is an address like any other."""
    cloud = fabric.cloud
    fabric.restore()
    fabric.run("-e", "weft_max_removal_percent=100")
    assert cloud.in_router("vpc-1", "ip xfrm state; ip xfrm policy; pidof charon-systemd || :") == ""
    assert "ipsec" not in cloud.in_router("vpc-1", "nft list table inet weft; ls /etc/weft/nftables.d")
    files = "/etc/swanctl/conf.d /etc/swanctl/*/*.pem /etc/strongswan.d/weft.conf /usr/local/lib/weft/ipsec-reload"
    left = f"ls {files} 2>/dev/null || :"
    assert "weft" not in (found := cloud.in_router("vpc-1", left)) and ".pem" not in found
    assert saw(cloud.ask("vpc-ins1", [tcp(OFFICE)])[0]) == cloud.public("vpc-1", "eip-a", "elastic_ip")
    cloud.read("wan", f"ip route add 192.168.20.0/22 via {OWN} dev eth1")
    assert reached(cloud, OFFICE, f"{cloud.address('vpc-ins1')}:8080") == [False]
    cloud.read("wan", f"ip route delete 192.168.20.0/22 via {OWN} dev eth1")
