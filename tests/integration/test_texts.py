"""Hostile texts reach guests and daemons byte for byte: DHCP options at a guest's own socket, the password of a BGP
session in FRR, a path in HAProxy. What cannot arrive so is refused before a host is touched."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from typing import Any

import pytest
from checks.cloud import GUEST, Cloud
from checks.fabric import Fabric, Intent

pytestmark = pytest.mark.packets

ASKER, BACKEND = "vpc-ins1", "vpc-port-test-1"
PASSWORD = "b.gp_~@%/+:=,^*()-"
PATH = "/~@%25/+:=,-"
ACLS = 'for (0..40) { $s = IO::Socket::UNIX->new("/run/haproxy/admin.sock"); print $s "show acl #$_\\n"; print <$s> }'


def addresses(*texts: str) -> bytes:
    return b"".join(IPv4Address(text).packed for text in texts)


#: Each number with what the inventory says and what the guest is to see. `{{` is Ansible's, before it is ours. dnsmasq
#: ends names of boot servers and files with a zero, for PXE's sake; clients take it away (RFC 2132, section 2).
OPTIONS: dict[int, tuple[Any, bytes]] = {
    17: ("  a,b;$HOME`id`#c\\n'  ", b"  a,b;$HOME`id`#c\\n'  "),
    66: ("pxe # v2", b"pxe # v2\0"),
    67: ('say "hi" \\', b'say "hi" \\\0'),
    40: ("\u00e9\u20ac", "\u00e9\u20ac".encode()),
    64: ("192.0.2.1,8:9", b"192.0.2.1,8:9"),
    114: ("https://example.net/?a=b#c", b"https://example.net/?a=b#c"),
    46: (8, b"\x08"),
    19: (True, b"\x01"),
    13: (258, b"\x01\x02"),
    35: (2**32 - 1, b"\xff" * 4),
    2: (-3600, (-3600).to_bytes(4, "big", signed=True)),
    33: (["192.0.2.7", "192.0.2.8"], addresses("192.0.2.7", "192.0.2.8")),
    150: ("192.0.2.1, 192.0.2.2", addresses("192.0.2.1", "192.0.2.2")),
    119: (["example.net", "a.example.org"], b"\x07example\x03net\0\x01a\x07example\x03org\0"),
    224: ("hex:00ff0a", b"\x00\xff\x0a"),
    225: ("hex:07", b"\x07"),
    226: ("5", b"5"),
    227: ('a "b" #\'', b'a "b" #\''),
}


def hostile(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    vpc["networks"][0]["dhcp_options"] = {code: value for code, (value, _seen) in OPTIONS.items()}
    vpc["router"]["bgp"] = {"asn": 65010, "neighbors": [{"address": "10.0.0.1", "asn": 65000, "password": PASSWORD}]}
    behind = {"backends": [BACKEND], "backend_port": 8080}
    group = {"name": "pages", **behind}
    rules = [{"path_prefix": PATH, "group": "pages"}]
    listener = {"name": "texts", "port": 8088, "protocol": "http", **behind, "backend_groups": [group], "rules": rules}
    vpc["load_balancers"].append({"name": "texts", "virtual_ip": "vip-lb", "listeners": [listener]})


def injected(intent: Intent) -> None:
    intent["weft_vpcs"][0]["networks"][0]["dhcp_options"] = {66: "a\nserver=6.6.6.6"}


def told(cloud: Cloud, instance: str, numbers: list[int]) -> dict[int, bytes]:
    """What DHCP tells an instance of these options."""
    network = cloud.network_of(instance)["name"]
    device = cloud.read(instance, "ip -o -4 route show default | sed 's/.* dev \\([^ ]*\\).*/\\1/'").strip()
    asked = [
        "python3",
        "-c",
        (GUEST / "inform.py").read_text(),
        device,
        cloud.address(instance),
        cloud.gateway(network),
    ]
    done = cloud.on(instance, [*asked, *map(str, numbers)])
    assert done.returncode == 0, done.stderr[-500:]
    return {int(code): bytes.fromhex(value) for code, value in json.loads(done.stdout).items()}


def test_texts_arrive_byte_for_byte(fabric: Fabric) -> None:
    cloud = fabric.cloud
    fabric.change(hostile)
    fabric.run()
    seen: dict[int, bytes] = {}
    # A packet has room for some of them only.
    for numbers in (list(OPTIONS)[:9], list(OPTIONS)[9:]):
        seen |= told(cloud, ASKER, numbers)
    assert {code: seen.get(code) for code in OPTIONS} == {code: value for code, (_said, value) in OPTIONS.items()}
    running = cloud.in_router("vpc-1", "vtysh -c 'show running-config'").splitlines()
    assert f" neighbor 10.0.0.1 password {PASSWORD}" in running
    # All that HAProxy compares with is numbered.
    assert f" {PATH}\n" in cloud.in_router("vpc-1", f"perl -MIO::Socket::UNIX -e '{ACLS}'")


def test_a_line_break_is_refused_before_a_host_is_touched(fabric: Fabric) -> None:
    before = fabric.cloud.in_router("vpc-1", "cat /etc/weft/dnsmasq.conf")
    fabric.change(injected)
    refused = fabric.try_run()
    assert refused.status != 0 and "WEFT-A6-value" in refused.output
    assert fabric.cloud.in_router("vpc-1", "cat /etc/weft/dnsmasq.conf") == before
