"""What the lane promises of the guest's kernel, each with packets, and each taken away again: then it must not work.

Every feature has two hosts of its own, A and B, with a wire between them and all of it in namespaces that end with the
test; what runs is a script in a machine of the guest, which has the tools.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from lab.vm.guest import Guest

LAB = "df"
TOPOLOGY = "tests/integration/debian_kernel/features.yml"
# All that a script starts ends with it.
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"]
# `a` and `b` run something on A and B.
HOSTS = """
mkdir -p /run/netns; mount -t tmpfs none /run/netns
ip netns add A; ip netns add B
a() { ip netns exec A "$@"; }
b() { ip netns exec B "$@"; }
ip link add a0 netns A type veth peer name b0 netns B
for host in A B; do ip -n $host link set lo up; done
ip -n A link set a0 up; ip -n B link set b0 up
ip -n A address add 10.9.0.1/24 dev a0; ip -n B address add 10.9.0.2/24 dev b0
ping="ping -n -q -c 2 -i 0.2 -W 2"
"""
END = """
works() { %s
}
takes() { %s
}
works || { echo "it does not work"; exit 1; }
takes
if works; then echo "it works without what it needs, so this shows nothing"; exit 1; fi
"""


@dataclass(frozen=True)
class Feature:
    """Something of the kernel: how it is set up, what works then, and what is taken away so that it does not."""

    name: str
    setup: str
    works: str
    takes: str

    @property
    def script(self) -> str:
        return HOSTS + self.setup + END % (self.works, self.takes)


def both(script: str) -> str:
    """The script for each of the two hosts: its wire, the last byte of its address and of the other's."""
    ends = (("A", "a0", 1, 2), ("B", "b0", 2, 1))
    return "".join(script.format(host=host, wire=wire, mine=mine, peer=peer) for host, wire, mine, peer in ends)


VLAN = both("""
ip -n {host} link add v0 link {wire} type vlan id 7
ip -n {host} address add 10.9.7.{mine}/24 dev v0; ip -n {host} link set v0 up
""")
GRE = both("""
ip -n {host} link add t0 type gre local 10.9.0.{mine} remote 10.9.0.{peer} key 5
ip -n {host} address add 10.9.8.{mine}/24 dev t0; ip -n {host} link set t0 up
""")
VXLAN = both("""
ip -n {host} link add x0 type vxlan id 9 dstport 4789 local 10.9.0.{mine} nolearning
ip netns exec {host} bridge fdb append 00:00:00:00:00:00 dev x0 dst 10.9.0.{peer}
ip -n {host} address add 10.9.9.{mine}/24 dev x0; ip -n {host} link set x0 up
""")
# A's port of the bridge answers for B's neighbour, which is not there; without suppression nobody does.
# The bridge has a MAC of its own: it would take over a smaller one of a port's, and forget its neighbours with that.
SUPPRESSED = """
ip -n A link add br0 address 02:00:00:00:00:fe type bridge; ip -n A link set br0 up
ip -n A link add x0 type vxlan id 9 dstport 4789 local 10.9.0.1 nolearning
ip -n A link set x0 master br0; ip -n A link set x0 up
a bridge link set dev x0 neigh_suppress on learning off
a bridge fdb add 02:00:00:00:00:77 dev x0 master static
ip -n A neigh add 10.9.6.77 lladdr 02:00:00:00:00:77 dev br0 nud permanent
ip -n A address add 10.9.6.254/24 dev br0
ip -n A link add p0 type veth peer name q0 netns B
ip -n A link set p0 master br0; ip -n A link set p0 up; ip -n B link set q0 up
ip -n B address add 10.9.6.1/24 dev q0
"""
VRF = """
ip -n A link add r0 type vrf table 100; ip -n A link set r0 up
ip -n A link set a0 master r0
"""
WIREGUARD = """
for host in A B; do wg genkey >/run/netns/key$host; ip -n $host link add w0 type wireguard; done
a wg set w0 listen-port 51820 private-key /run/netns/keyA peer $(wg pubkey </run/netns/keyB) \\
    allowed-ips 10.9.5.0/24 endpoint 10.9.0.2:51820
b wg set w0 listen-port 51820 private-key /run/netns/keyB peer $(wg pubkey </run/netns/keyA) \\
    allowed-ips 10.9.5.0/24 endpoint 10.9.0.1:51820
ip -n A address add 10.9.5.1/24 dev w0; ip -n B address add 10.9.5.2/24 dev w0
ip -n A link set w0 up; ip -n B link set w0 up
"""
ESP = """
key=0x000102030405060708090a0b0c0d0e0f10111213
for host in A B; do
    for way in "10.9.0.1 dst 10.9.0.2 proto esp spi 256" "10.9.0.2 dst 10.9.0.1 proto esp spi 257"; do
        ip -n $host xfrm state add src $way mode transport aead 'rfc4106(gcm(aes))' $key 128
    done
done
policy() { ip -n $1 xfrm policy add src $2 dst $3 dir $4 tmpl proto esp mode transport; }
policy A 10.9.0.1 10.9.0.2 out; policy A 10.9.0.2 10.9.0.1 in
policy B 10.9.0.2 10.9.0.1 out; policy B 10.9.0.1 10.9.0.2 in
"""
# A bridge on A between its own end and B, which tracks in a zone and lets only A ask.
BRIDGE_CT = """
ip -n A address flush dev a0
ip -n A link add br0 type bridge; ip -n A link set br0 up; ip -n A link set a0 master br0
ip netns add C
ip -n A link add p0 type veth peer name c0 netns C
ip -n A link set p0 master br0; ip -n A link set p0 up
ip -n C link set c0 up; ip -n C address add 10.9.0.3/24 dev c0
a nft -f - <<END
table bridge t {
    map zones {
        typeof iifname : ct zone
        elements = { "p0" : 7, "a0" : 7 }
    }
    chain zone {
        type filter hook prerouting priority -300;
        ct zone set iifname map @zones
    }
    chain forward {
        type filter hook forward priority filter; policy drop;
        ether type arp accept
        ct state established accept
        iifname "p0" ct state new accept
    }
}
END
"""
# The product's ways of looking something up: ranges in a concatenation, in both families, and a map to what to do.
RANGES = """
b nft -f - <<END
table inet t {
    set open {
        type ipv4_addr . inet_proto . inet_service
        flags interval
        elements = { 10.9.0.0/24 . tcp . 1000-1020 }
    }
    set closed {
        type inet_proto . inet_service . ipv4_addr
        flags interval
        elements = { udp . 1-2 . 10.0.0.0/8 }
    }
    chain input {
        type filter hook input priority filter; policy drop;
        ip protocol . th dport . ip saddr @closed drop
        ip daddr . ip protocol . th dport @open accept
    }
}
table bridge u {
    set ports {
        type inet_proto . inet_service
        flags interval
        elements = { tcp . 10-20 }
    }
    set protocols {
        type ipv4_addr . inet_proto
        flags interval
        elements = { 10.0.0.0/8 . tcp }
    }
    set served {
        type ifname . ipv4_addr . ipv4_addr . inet_proto . inet_service
    }
    map classes {
        type ifname . ipv4_addr . inet_proto . inet_service : classid
    }
    chain forward {
        type filter hook forward priority filter;
        ip protocol . th dport @ports accept
        ip saddr . ip protocol @protocols accept
        meta obrname . ip saddr . ip daddr . ip protocol . th dport @served accept
        meta priority set oifname . ip daddr . ip protocol . th dport map @classes
    }
}
END
b nc -lk 1015 &
sleep 0.5
"""
DNAT = """
ip -n A route add 10.66.0.0/24 via 10.9.0.2
b nft -f - <<END
table ip t {
    map to {
        type ipv4_addr : ipv4_addr
        elements = { 10.66.0.1 : 10.9.0.2 }
    }
    chain prerouting {
        type nat hook prerouting priority dstnat;
        dnat ip to ip daddr map @to
    }
}
END
"""
MARKED = """
ip -n B address add 10.70.0.1/32 dev lo
ip -n A route add 10.70.0.1/32 via 10.9.0.2 table 77
ip -n A rule add fwmark 7 lookup 77
"""
HTB = """
a tc qdisc add dev a0 root handle 1: htb default 10
a tc class add dev a0 parent 1: classid 1:10 htb rate 20mbit
a tc qdisc add dev a0 parent 1:10 fq_codel
b iperf3 -s -D >/dev/null
sleep 1
rate() {
    a iperf3 -J -c 10.9.0.2 -t 3 | python3 -c 'import json, sys
print(int(json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"]))'
}
"""
# How much less passes says only how busy the computer is.
SHAPED = """rate=$(rate) && echo "$rate bits/s" && [ "$rate" -gt 2000000 ] && [ "$rate" -lt 21000000 ]"""
NETEM = "a tc qdisc add dev a0 root netem delay 100ms\n"
DELAYED = """least=$(a $ping 10.9.0.2 | sed -n 's|^rtt[^=]*= \\([0-9]*\\)\\..*|\\1|p') && [ "$least" -ge 100 ]"""

FEATURES = [
    Feature("IPv6", "ip -n A address add fd00:9::1/64 dev a0 nodad; ip -n B address add fd00:9::2/64 dev b0 nodad\n",
            "a $ping fd00:9::2", "ip -n B address del fd00:9::2/64 dev b0"),
    Feature("VLAN", VLAN, "a $ping 10.9.7.2",
            "ip -n B link del v0; ip -n B link add v0 link b0 type vlan id 8\n"
            "ip -n B address add 10.9.7.2/24 dev v0; ip -n B link set v0 up"),
    Feature("GRE", GRE, "a $ping 10.9.8.2", "ip -n B link set t0 type gre key 6"),
    Feature("VXLAN", VXLAN, "a $ping 10.9.9.2", "a bridge fdb del 00:00:00:00:00:00 dev x0 dst 10.9.0.2"),
    Feature("ARP suppression", SUPPRESSED, "b arping -q -f -w 10 -I q0 10.9.6.77",
            "a bridge link set dev x0 neigh_suppress off"),
    Feature("VRF", VRF, "a $ping -I r0 10.9.0.2 && ! a $ping 10.9.0.2", "ip -n A link set a0 nomaster"),
    Feature("WireGuard", WIREGUARD, "a $ping 10.9.5.2", "b wg set w0 peer $(wg pubkey </run/netns/keyA) remove"),
    Feature("ESP", ESP, "a $ping 10.9.0.2 && ip -n A -s xfrm state | grep -Eq '[1-9][0-9]*.packets'",
            "ip -n B xfrm state flush"),
    Feature("connections in a bridge, by zones", BRIDGE_CT,
            "ip netns exec C $ping 10.9.0.2 && ! b $ping 10.9.0.3 && a conntrack -L -w 7 2>&1 | grep -q icmp",
            "a nft flush chain bridge t zone; a nft add rule bridge t zone notrack"),
    Feature("ranges in concatenations", RANGES, "a nc -z -w 2 10.9.0.2 1015", "b nft flush set inet t open"),
    Feature("translation by a map", DNAT, "a $ping 10.66.0.1", "b nft flush map ip t to; b conntrack -F 2>&1"),
    Feature("routes by mark", MARKED, "a $ping -m 7 10.70.0.1 && ! a $ping 10.70.0.1", "ip -n A rule del fwmark 7"),
    Feature("HTB", HTB, SHAPED, "a tc qdisc del dev a0 root"),
    Feature("netem", NETEM, DELAYED, "a tc qdisc del dev a0 root"),
    Feature("macvlan", "ip -n A link add m0 link a0 type macvlan mode bridge; ip -n A link set m0 up\n"
            "ip -n A address add 10.9.4.1/24 dev m0; ip -n B address add 10.9.4.2/24 dev b0\n",
            "b $ping 10.9.4.1", "ip -n A link del m0"),
]  # fmt: skip


@pytest.fixture(scope="module")
def machine(guest: Guest) -> Iterator[list[str]]:
    """What a command begins with that runs in a machine of the guest."""
    guest.exec(["bin/lab", "--lab", LAB, "up", "--topology", TOPOLOGY], check=True)
    yield ["bin/lab", "--lab", LAB, "exec", "wan", "--"]
    guest.exec(["bin/lab", "--lab", LAB, "down"], check=True)


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: str(feature.name))
def test_feature(guest: Guest, machine: list[str], feature: Feature) -> None:
    alone = [*NAMESPACES, "sh", "-euc", feature.script]
    done = guest.exec([*machine, *alone], capture_output=True)
    assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
