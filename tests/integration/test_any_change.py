"""Three properties of any change of an intent (X5):

(a) the way there does not matter: what came is what goes, in kernel and daemons, not only in files;
(b) a restart of routers, of networkd and of hosts changes nothing;
(c) check mode says exactly what the run does.

Changes are drawn from all that the model knows, of the fabric that has every key, as far as this kernel can have it.
Two steps are tried, always the same; WEFT_CHANGES says how many others, WEFT_SEED which.
"""

from __future__ import annotations

import copy
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from checks import instances, live
from checks.fabric import Fabric

from ansible_collections.weft.vpc.plugins.module_utils.deploy import preflight
from ansible_collections.weft.vpc.tests.tools import mutations
from ansible_collections.weft.vpc.tests.tools.intents import everything, findings_of
from lab.api import Lab
from lab.paths import ROOT
from lab.shell import run

pytestmark = pytest.mark.packets
STEPS = int(os.environ.get("WEFT_CHANGES", "2"))
#: What a change must pass is the same for each; what else there is to find is drawn where WEFT_CHANGES is set.
SEED = os.environ.get("WEFT_SEED", "0") if "WEFT_CHANGES" in os.environ else "1"
#: So many keys change in one step; a failure names them all.
AT_ONCE = 4
CERTIFICATE = "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=shop -keyout {0}.key -out {0}.pem"
Document = dict[str, Any]


def fitting(document: Document) -> Document:
    """The part of an intent that this computer's kernel can have."""
    has = preflight.probe()
    if not has["vlan"]:
        for network in document["weft_provider_networks"]:
            if network.pop("vlan", None):
                del network["type"]
    if not has["nft_bridge_ct"]:
        del document["weft_security_groups"]
        for instance in document["weft_instances"]:
            for nic in instance["nics"]:
                nic.pop("security_groups", None)
    if not has["esp"]:
        for vpc in document["weft_vpcs"]:
            vpc.pop("ipsec_connections", None)
    return document


def with_certificates(document: Document, inventory: Path) -> Document:
    """Certificates that a daemon takes, in files and as texts."""
    run(["sh", "-c", f"cd {inventory} && {CERTIFICATE.format('shop')}"])
    for one in document["weft_certificates"]:
        if "certificate" in one:
            one |= {"certificate": (inventory / "shop.pem").read_text(), "key": (inventory / "shop.key").read_text()}
    return document


@pytest.fixture(scope="module")
def everywhere(spare: tuple[Lab, Path, str]) -> Fabric:
    """The everything fabric, applied."""
    lab, state, suite = spare
    source = state / "everything"
    shutil.copytree(ROOT / "inventories/everything", source)
    shutil.copy(ROOT / "inventories/walkthrough/hosts.yml", source)
    intent = with_certificates(fitting(everything()[0]), source)
    intent["weft_router_images"][0]["suite"] = suite
    (source / "group_vars/all/fabric.yml").write_text(yaml.safe_dump(intent, sort_keys=False))
    fabric = Fabric(lab, state, source)
    settle(fabric)
    return fabric


def settle(fabric: Fabric) -> None:
    """Apply, and have the instances; none waits for a lease, as not every network has DHCP."""
    fabric.run("-e", "weft_max_removal_percent=100")
    instances.start(fabric.cloud, seconds=0)


def draw(chance: random.Random, document: Document) -> tuple[list[str], Document]:
    """Some changes that the rules take together, and what they make of a document."""
    hosts = everything()[1]
    done: list[str] = []

    def taken(changed: Document) -> bool:
        return not any(finding.severity == "error" for finding in findings_of(changed, hosts))

    # What is wrong with a certificate or a host's NIC is said when these are looked at; a lab has the archive of one
    # release, and hosts are of one fabric.
    late = re.compile("^weft_certificates|^weft_fabric[.]name$|[.](interface|suite)$")
    every = [one for one in mutations.mutations(document) if not late.search(one.path)]

    for mutation in chance.sample(every, len(every)):
        if changed := mutations.apply(document, mutation, taken):
            document = changed
            done.append(str(mutation))
        if len(done) == AT_ONCE:
            break
    return done, document


def change(fabric: Fabric, chance: random.Random) -> list[str]:
    """Change the intent in a way that fits what the ledger remembers, too."""
    intent = copy.deepcopy(fabric.cloud.intent)
    for _attempt in range(20):
        changes, document = draw(chance, intent)
        (fabric.inventory / "group_vars/all/fabric.yml").write_text(yaml.safe_dump(document, sort_keys=False))
        planned = fabric.try_run(playbook="plan")
        if not planned.status:
            return changes
        assert "no host was touched" in planned.output, planned.output[-3000:]
    raise AssertionError("no change was taken in twenty attempts")


def restart(fabric: Fabric, chance: random.Random) -> str:
    """One of the things that must change nothing."""
    what = chance.choice(["routers", "networkd", "hosts"])
    if what == "hosts":
        for host in ("gw1", "hv1", "hv2"):
            fabric.lab.reboot(host)
        return what
    for host in ("gw1", "hv1", "hv2"):
        units = "'weft-router@*'" if what == "routers" else "systemd-networkd.service"
        fabric.cloud.read(host, f"systemctl restart {units}")
    if what == "networkd":
        for vpc in fabric.cloud.intent["weft_vpcs"]:
            if vpc["router"].get("state") != "stopped":
                fabric.cloud.in_router(vpc["name"], "systemctl restart systemd-networkd.service")
    return what


def test_the_way_there_and_a_restart_do_not_matter(everywhere: Fabric) -> None:
    fabric, seed = everywhere, int(SEED)
    chance, at_first, wrong = random.Random(seed), live.steady(everywhere.lab), []
    for step in range(STEPS):
        what = f"WEFT_SEED={seed}, step {step}: {'; '.join(change(fabric, chance))}"
        print(f"\n{what}", flush=True)
        try:
            fabric.run_as_foretold("-e", "weft_max_removal_percent=100")
        except AssertionError as error:
            wrong += [f"{what}: {error}"]
        instances.start(fabric.cloud, seconds=0)
        changed = live.steady(fabric.lab)
        restarted = restart(fabric, chance)
        if found := live.await_state(fabric.lab, changed):
            wrong += [f"{what}: a restart of {restarted} is seen:", *found]
        fabric.restore()
        settle(fabric)
        if found := live.await_state(fabric.lab, at_first):
            wrong += [f"{what}: taken back, the state is not what it was:", *found]
            # Each step has its own to show.
            at_first = live.state(fabric.lab)
    assert not wrong, "\n".join(wrong)


#: For each view, what puts something beside the plan in a router and what takes it back.
BESIDE = {
    "address": ("ip address add 10.66.0.1/32 dev lo", "ip address delete 10.66.0.1/32 dev lo"),
    "route": ("ip route add blackhole 10.66.0.0/24", "ip route delete blackhole 10.66.0.0/24"),
    "policy": ("ip rule add from 10.66.0.1 table 66", "ip rule delete from 10.66.0.1 table 66"),
    "link": ("ip link set dev lo mtu 1400", "ip link set dev lo mtu 65536"),
    "nft": ("nft add table ip beside", "nft delete table ip beside"),
    "qdisc": ("tc qdisc add dev lo root pfifo", "tc qdisc delete dev lo root"),
    "neighbour": ("ip neighbour add 10.66.0.1 lladdr 02:00:00:66:00:01 dev lan2 nud permanent",
                  "ip neighbour delete 10.66.0.1 dev lan2"),
    "setting": ("echo 1 >/proc/sys/net/ipv4/conf/lo/proxy_arp", "echo 0 >/proc/sys/net/ipv4/conf/lo/proxy_arp"),
    "unit": ("systemctl stop haproxy.service", "systemctl start haproxy.service"),
    "socket": ("systemctl stop weft-dnsmasq.service", "systemctl start weft-dnsmasq.service"),
}  # fmt: skip


def test_what_is_beside_the_plan_is_seen(everywhere: Fabric) -> None:
    """What the comparison must not miss."""
    before = live.steady(everywhere.lab)
    for view, (put, take) in BESIDE.items():
        everywhere.cloud.in_router("shop", put)
        seen = live.difference(before, live.state(everywhere.lab))
        everywhere.cloud.in_router("shop", take)
        assert any(line.startswith(f"shop.blue, {view}: ") for line in seen), f"{put}: {seen}"
        assert live.await_state(everywhere.lab, before) == []
