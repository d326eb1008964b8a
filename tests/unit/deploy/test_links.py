"""What has left a machine's .network files leaves the kernel: with a real kernel, in a network of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.links import (
    ATTRIBUTES,
    KEPT,
    Held,
    said,
    sections,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import ROLES_DIRECTORY

#: Keys that networkd applies to a link whatever it was: they leave nothing behind.
APPLIED = {
    "Match": {"Name"},
    "Link": {"MTUBytes", "Group"},
    "Network": {"LinkLocalAddressing", "IPv6AcceptRA", "ConfigureWithoutCarrier", "KeepConfiguration"},
}
#: The templates of links of machines.
TEMPLATES = [
    "vpc_router/templates/link.network.j2", "vpc_router/templates/gateway.network.j2",
    "lb/templates/internal.network.j2",
]  # fmt: skip

BEFORE = """
[Match]
Name=d0
[Network]
Address=10.1.0.1/24
Gateway=10.1.0.254
[Address]
Address=10.9.0.1/24
AddPrefixRoute=no
[Route]
Destination=10.5.0.0/16
Scope=link
Table=1002
[Route]
Gateway=10.1.0.253
Table=default
[RoutingPolicyRule]
Priority=10020
FirewallMark=257/511
Table=main
[RoutingPolicyRule]
Priority=30023
From=10.2.0.0/16
IncomingInterface=lo
Table=1002
[RoutingPolicyRule]
Priority=30025
OutgoingInterface=d0
Table=1002
"""

#: Adds what the file says as networkd does, and things of others; then says what is compared before and after a change.
SCRIPT = """
import json, subprocess, sys
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators import links
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import attempt

class Scope:
    suffix = ""
    def attempt_in_network(self, argv, stdin=""):
        return attempt(argv, stdin)

def ip(line):
    subprocess.run(["ip", *line.split()], check=True)

# As a router's sysctl.d has it: the second address of a prefix outlives the first.
subprocess.run(["sysctl", "-qw", "net.ipv4.conf.all.promote_secondaries=1"], check=True)
for line in sys.argv[2].splitlines():
    ip(line)
device, wanted = links.said([sys.argv[1]])
def told():
    there = links.live(Scope(), {device})
    print(json.dumps([sorted(one.words for one in wanted - there), sorted(one.words for one in there - wanted)]))
told()
_device, wanted = links.said(["[Match]\\nName=d0\\n[Network]\\nAddress=10.1.0.2/24\\n"])
links.delete(Scope(), links.live(Scope(), {device}) - wanted)
told()
"""
AS_NETWORKD = """link add d0 type veth peer name d1
link set d0 up
link set d1 up
address add 10.1.0.1/24 dev d0
address add 10.1.0.2/24 dev d0
address add 10.9.0.1/24 dev d0 noprefixroute
route add default via 10.1.0.254 dev d0 proto static
route add default via 10.1.0.253 dev d0 table default proto static
route add 10.5.0.0/16 dev d0 table 1002 proto static
rule add priority 10020 fwmark 257/511 table main protocol static
rule add priority 30023 from 10.2.0.0/16 iif lo table 1002 protocol static
rule add priority 30025 oif d0 table 1002 protocol static
route add 10.6.0.0/16 dev d0 proto 196
rule add priority 20001 from 10.3.0.0/16 table main
address add 10.7.0.1/24 dev d1"""


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
def test_the_kernel_is_compared_and_made_as_files_say() -> None:
    command = ["unshare", "--net", sys.executable, "-c", SCRIPT, BEFORE, f"{AS_NETWORKD}"]
    path = os.pathsep.join(sys.path)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": path})
    assert done.returncode == 0, done.stderr
    first, second = map(json.loads, done.stdout.splitlines())
    # The one address that the file does not say is found; then all that the new file does not say has gone.
    assert first == [[], ["address 10.1.0.2/24 on d0"]]
    assert second == [[], []]


def test_what_a_file_says_is_read() -> None:
    device, held = said([BEFORE, "[Network]\nAddress=10.1.0.77/32\n"])
    assert device == "d0"
    assert Held("address", "d0", ("10.1.0.77/32",)) in held
    assert Held("route", "d0", ("default", "10.1.0.253", "253")) in held
    assert Held("rule", "", ("10020", "", "0x101/0x1ff", "", "")) in held
    assert len(held) == 9


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_key_of_every_template_is_known(template: str) -> None:
    """A new line of a .network file is compared with the kernel, or said to leave nothing there."""
    text = re.sub(r"\{[%#].*?[%#]\}", "", Path(ROLES_DIRECTORY, template).read_text(), flags=re.DOTALL)
    for name, values in sections(text):
        known = KEPT.get(name, set()) | ATTRIBUTES.get(name, set()) | APPLIED.get(name, set())
        assert set(values) <= known, f"{template}: [{name}]"


def test_no_template_of_a_machines_links_is_forgotten() -> None:
    declared = {
        f"{path.parents[1].name}/templates/{name}"
        for path in Path(ROLES_DIRECTORY).glob("*/meta/deploy.yml")
        for item in path.read_text().split("  - id: ")
        if "scope: \"router:" in item
        for name in re.findall(r"template: (\S+\.network\.j2)", item)
    }  # fmt: skip
    assert declared == set(TEMPLATES)
