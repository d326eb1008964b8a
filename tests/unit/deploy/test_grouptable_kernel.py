"""The end of connections that security groups no longer admit, with a real kernel, in a network of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")

#: Two connections, each in a zone of its own; after every change it says which are left and which of them are ended.
SCRIPT = """
import json, socket, subprocess
from ansible_collections.weft.vpc.plugins.module_utils.deploy import flowtable, grouptable, netlink
from ansible_collections.weft.vpc.plugins.module_utils.groups import CUT_MARK, Groups

RULES = '''
table ip raw {
  chain zones { type filter hook output priority raw; udp sport 7001 ct zone set 40001; udp dport 7001 ct zone set 40001
    udp sport 7002 ct zone set 40002; udp dport 7002 ct zone set 40002; }
  chain come { type filter hook prerouting priority raw; udp sport 7001 ct zone set 40001
    udp dport 7001 ct zone set 40001; udp sport 7002 ct zone set 40002; udp dport 7002 ct zone set 40002; }
  chain kept { type filter hook input priority 0; ct state established accept; }
}
'''
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
subprocess.run(["nft", "-f", "-"], input=RULES, text=True, check=True)
for port in (7001, 7002):
    server, client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    server.bind(("127.0.0.1", 6000 + port - 7000))
    client.bind(("127.0.0.2", port))
    client.sendto(b"x", server.getsockname())
    server.sendto(b"x", server.recvfrom(9)[1])

def host(*zones, admits=()):
    ports = [
        {"device": f"wp{zone}", "zone": zone, "addresses": ["127.0.0.1/32"], "groups": ["g"], "whitelist": False,
         "router": None, "served": [], "balanced": [], "pinged": []}
        for zone in zones
    ]
    group = {"ingress": [[None, [["udp", one, one, "127.0.0.0/8"] for one in admits], [], []]], "egress": []}
    return Groups({"zones": list(zones), "sets": {}, "groups": {"g": group}, "ports": ports})

def change(old, new):
    grouptable.clean(old, new)
    with netlink.open_netfilter(None) as link:
        print(json.dumps(sorted((one.zone, one.mark == CUT_MARK) for one in flowtable.entries(link))))

both, first = host(40001, 40002, admits=(6001, 6002)), host(40001, 40002, admits=(6001,))
change(Groups(), both)
change(both, first)
change(first, first)
change(first, both)
change(both, host(40001, admits=(6001,)))
change(host(40001, admits=(6001,)), Groups())
"""


def test_what_is_not_admitted_is_marked_and_what_is_not_tracked_forgotten() -> None:
    command = ["unshare", "--net", sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": PATH})
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told == [
        [[40001, False], [40002, False]],
        [[40001, False], [40002, True]],
        [[40001, False], [40002, True]],
        [[40001, False]],
        [[40001, False]],
        [],
    ]


PATH = os.pathsep.join(sys.path)
