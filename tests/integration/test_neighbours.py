"""Other software on the same hosts: its rules and ours leave each other alone; what breaks ours is said or mended."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from checks import steps
from checks.cloud import Cloud
from checks.fabric import Fabric
from checks.frames import IPV4, datagram, frame, heard, send

from lab.shell import patient

pytestmark = pytest.mark.packets

HOSTS = ("hv1", "gw1")
#: What Docker and libvirt load, in short: base chains with a policy, chains for their bridges, masquerading.
RULES = """\
table ip filter {
    chain DOCKER-USER { return; }
    chain DOCKER { }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        jump DOCKER-USER
        oifname "docker0" ct state established,related accept
        oifname "docker0" jump DOCKER
        iifname "docker0" accept
    }
}
table ip nat {
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 172.17.0.0/16 oifname != "docker0" masquerade
        ip saddr 192.168.122.0/24 ip daddr != 192.168.122.0/24 masquerade
    }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local tcp dport 8443 dnat to 172.17.0.2:443
    }
}
table inet libvirt_like {
    chain guest_input {
        type filter hook input priority filter; policy accept;
        iifname "virbr0" udp dport { 53, 67 } accept
        iifname "virbr0" drop
    }
    chain guest_forward {
        type filter hook forward priority filter; policy accept;
        iifname "virbr0" ip saddr 192.168.122.0/24 accept
        oifname "virbr0" reject
    }
}
"""
TABLES = ("ip filter", "ip nat", "inet libvirt_like")
BRIDGED = "/proc/sys/net/bridge/bridge-nf-call-iptables"


@pytest.fixture
def shared(fabric: Fabric) -> Iterator[Fabric]:
    """Hosts with rules of others, and bridged frames kept out of them, as Docker's own documentation has it."""
    cloud = fabric.cloud
    before = {host: cloud.read(host, f"cat {BRIDGED}").strip() for host in HOSTS}
    for host in HOSTS:
        cloud.read(host, f"echo 0 >{BRIDGED}; nft -f -", RULES)
    yield fabric
    for host in HOSTS:
        deletions = "".join(f"table {table}\ndelete table {table}\n" for table in TABLES)
        cloud.read(host, f"echo {before[host]} >{BRIDGED}; nft -f -", deletions)


def rules_of_others(cloud: Cloud) -> list[str]:
    return [cloud.read(host, f"nft --stateless list table {table}") for host in HOSTS for table in TABLES]


def forged_passes(cloud: Cloud) -> bool:
    """Whether a frame with somebody else's MAC comes through: without our rules it does."""
    forged = frame("02:00:00:00:ca:fe", IPV4, datagram("192.168.20.77"), "forged")
    told = heard(cloud, ["forged"], ["vpc-ins1"], lambda: send(cloud, "vpc-port-test-1", [forged]))
    return told["vpc-ins1"] == {"forged"}


def test_rules_of_others_and_ours_live_side_by_side(shared: Fabric) -> None:
    before = rules_of_others(shared.cloud)
    assert steps.failures(shared.cloud) == []
    assert shared.run().changed == 0
    for host in HOSTS:
        shared.cloud.read(host, "systemctl restart weft-nftables.service")
    assert rules_of_others(shared.cloud) == before
    assert not forged_passes(shared.cloud)
    assert shared.run().changed == 0


def test_bridged_frames_in_a_dropping_chain_are_said(shared: Fabric) -> None:
    shared.cloud.read("hv1", f"echo 1 >{BRIDGED}")
    refused = shared.try_run()
    assert refused.status != 0 and refused.changed == 0
    assert "host hv1" in refused.output and "WEFT-P11-br-netfilter" in refused.output
    assert "the chain of ip filter drops" in refused.output and "bridge-nf-call-iptables=0" in refused.output
    shared.cloud.read("hv1", f"echo 0 >{BRIDGED}")
    assert shared.run().changed == 0


def await_rules(cloud: Cloud) -> None:
    """What loads the rules again needs a moment."""
    deadline = time.monotonic() + patient(10.0)
    while {"table bridge weft", "table inet weft"} - set(cloud.read("hv1", "nft list tables").splitlines()):
        assert time.monotonic() < deadline, cloud.read("hv1", "journalctl --unit weft-nftables --no-pager --lines 20")
        time.sleep(0.05)


def test_a_flush_by_somebody_else_is_mended_without_a_run(fabric: Fabric) -> None:
    cloud = fabric.cloud
    # Debian's nftables.service flushes whatever one does with it.
    services = [f"systemctl {how} nftables.service" for how in ("start", "reload", "restart", "stop")]
    for command in ("nft flush ruleset", "nft delete table bridge weft", *services):
        cloud.read("hv1", command)
        await_rules(cloud)
        assert not forged_passes(cloud), command
    assert "Somebody deleted table bridge weft" in cloud.read("hv1", "journalctl --unit weft-nftables --no-pager")
    assert steps.failures(cloud, [4, 5, 7, 10]) == []
    assert fabric.run().changed == 0

    cloud.read("hv1", "systemctl kill --signal=KILL weft-nftables.service; sleep 2; nft flush ruleset")
    await_rules(cloud)
    assert not forged_passes(cloud)
    assert fabric.run().changed == 0


def test_a_run_mends_what_was_flushed_while_nobody_looked(fabric: Fabric) -> None:
    cloud = fabric.cloud
    cloud.read("hv1", "systemctl stop weft-nftables.service; nft flush ruleset")
    assert forged_passes(cloud)
    assert fabric.run("--check").changed == 1
    assert fabric.run().changed == 1
    assert not forged_passes(cloud)
    cloud.read("hv1", "nft flush ruleset")
    await_rules(cloud)
    assert fabric.run().changed == 0
