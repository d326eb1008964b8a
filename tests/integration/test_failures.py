"""What goes wrong in a run leaves what ran before: bad files, bad hosts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from checks import steps
from checks.fabric import Fabric, Intent
from checks.streams import Ping

from ansible_collections.weft.vpc.plugins.module_utils.deploy import preflight

pytestmark = pytest.mark.packets
ROUTER_ROOT = "/var/lib/weft/routers/vpc-1.admin/root"
#: Template -> what to break in it, the file it makes, and the words of the daemon that refuses it.
BROKEN = {
    "lb/templates/haproxy.cfg.j2": ("    balance ", "    balnace ", "/etc/haproxy/haproxy.cfg", "unknown keyword"),
    "dhcp_dns/templates/dnsmasq.conf.j2": ("cache-size=", "cash-size=", "/etc/weft/dnsmasq.conf", "bad option"),
    "routes/templates/frr.conf.j2": ("ip route ", "ip rout3 ", "/etc/frr/frr.conf", "rout3"),
    "port_forward/templates/port_forward.nft.j2": (
        "type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service",
        "type ipv4_addr . inet_proto . inet_servise : ipv4_addr . inet_service",
        "/etc/weft/nftables.d/30-port_forward.nft",
        "inet_servise",
    ),
}


def checksums(fabric: Fabric) -> str:
    places = f"/etc/systemd /etc/weft {ROUTER_ROOT}/etc /var/lib/weft/manifest.json"
    return fabric.cloud.read("gw1", f"find {places} -type f ! -name machine-id -print0 | sort -z | xargs -0 sha256sum")


@pytest.mark.parametrize("template", BROKEN)
def test_bad_file_is_never_installed(fabric: Fabric, collections: Path, template: str) -> None:
    good, bad, path, words = BROKEN[template]
    source = collections / "ansible_collections/weft/vpc/roles" / template
    text = source.read_text()
    assert good in text
    source.write_text(text.replace(good, bad))
    before = checksums(fabric)
    done = fabric.try_run(collections=collections)
    assert done.status != 0
    assert path in done.output and words in done.output, done.output[-3000:]
    assert checksums(fabric) == before
    assert steps.failures(fabric.cloud, [5, 7, 8, 11]) == []
    assert fabric.run().changed == 0


def test_an_image_that_cannot_be_built_disturbs_no_router(fabric: Fabric, collections: Path) -> None:
    """The routers that are to move to it go on, and nothing of it stays."""

    def newer(intent: Intent) -> None:
        intent["weft_router_images"][0]["suite"] = "trixie"

    units = "systemctl show -P MainPID weft-router@vpc-1.admin weft-router@vpc-2.admin1"
    pids, images = fabric.cloud.read("gw1", units), fabric.cloud.read("gw1", "ls /var/lib/weft/images")
    before = checksums(fabric)
    source = collections / "ansible_collections/weft/vpc/roles/router_image/templates/build-router-image.py.j2"
    begun = "os.makedirs(partial + '/etc'); sys.exit('nobody is there')"
    source.write_text(source.read_text().replace("bootstrap(recipe, partial, lock)\n", f"{begun}\n", 1))
    fabric.change(newer)
    with Ping(fabric.cloud, "vpc-ins1", fabric.cloud.address("vpc-ins3")) as inside:
        done = fabric.try_run(collections=collections)
    assert done.status != 0 and "nobody is there" in done.output, done.output[-3000:]
    sent, answered = inside.counts()
    assert sent == answered > 0
    assert fabric.cloud.read("gw1", units) == pids
    assert fabric.cloud.read("gw1", "ls /var/lib/weft/images") == images
    assert checksums(fabric) == before


def test_file_of_the_user_is_not_taken(fabric: Fabric) -> None:
    """A host where a run must fail keeps what it has; when the user has made room, the next run goes through."""

    def add(intent: Intent) -> None:
        new = {"name": "vpc-ins4", "tenant": "admin", "host": "hv2", "nics": [{"network": "vpc-1-2"}]}
        intent["weft_instances"].append(new)

    fabric.change(add)
    fabric.run(playbook="plan")
    device = f"wp{fabric.cloud.recorded('admin/vpc-ins4/0:port')}"
    mine = f"/etc/systemd/network/05-weft-{device}.network"
    old = fabric.cloud
    old.read("hv2", f"printf '# mine\\n' > {mine}")
    done = fabric.try_run()
    assert done.status != 0 and mine in done.output, done.output[-3000:]
    assert old.read("hv2", f"cat {mine}") == "# mine\n"
    old.read("hv2", f"rm {mine}")
    fabric.apply()
    assert steps.failures(fabric.cloud, [4, 5, 7, 10]) == []


def test_networkd_that_answers_nobody_is_started_anew(fabric: Fabric) -> None:
    """It may lose its name on the bus under load; whatever a run asked of it then, it waited for in vain."""

    def add(intent: Intent) -> None:
        new = {"name": "vpc-ins4", "tenant": "admin", "host": "hv2", "nics": [{"network": "vpc-1-2"}]}
        intent["weft_instances"].append(new)

    fabric.change(add)
    fabric.cloud.read("hv2", "kill -STOP $(systemctl show -P MainPID systemd-networkd.service)")
    began = time.monotonic()
    assert "It was started anew, and has done it then." in " ".join(fabric.run().output.split())
    assert time.monotonic() - began < 80
    cloud = fabric.apply()
    assert cloud.ping("vpc-ins4", cloud.address("vpc-ins1"), count=3) == 63
    assert fabric.run().changed == 0


def test_bad_intent_touches_no_host(fabric: Fabric) -> None:
    def overlap(intent: Intent) -> None:
        network = {"name": "again", "pool": "vxlan-pool", "cidr": "192.168.20.0/23"}
        intent["weft_vpcs"][0]["networks"].append(network)

    ledger, before = (fabric.state / "weft-ledger.json").read_bytes(), checksums(fabric)
    fabric.change(overlap)
    done = fabric.try_run()
    assert done.status != 0 and "WEFT-R3-overlap" in done.output
    assert "Traceback" not in done.output
    assert checksums(fabric) == before and (fabric.state / "weft-ledger.json").read_bytes() == ledger


def test_hard_reboot_of_hypervisor_and_router_node(fabric: Fabric) -> None:
    """A power cut: everything works again without a run."""
    for node in ("hv1", "gw1"):
        fabric.lab.reboot(node, hard=True)
    # The guests on hv1 start with it and ask for their leases themselves; nothing is told to them here.
    fabric.await_leases()
    assert steps.failures(fabric.cloud) == []


def test_a_reboot_takes_no_backend_out_that_is_well(fabric: Fabric) -> None:
    """HAProxy asks its backends when the router has its links, and not before."""
    fabric.lab.reboot("gw1")
    assert steps.failures(fabric.cloud, [8, 9]) == []
    said = fabric.cloud.in_router("vpc-1", "journalctl --boot --unit=haproxy.service --output=cat")
    assert "Loading success" in said and "is DOWN" not in said


def grouped(intent: Intent) -> None:
    intent["weft_security_groups"] = [{"name": "closed", "tenant": "admin"}]
    intent["weft_instances"][0]["nics"][0]["security_groups"] = ["closed"]


def connected(intent: Intent) -> None:
    office = {"name": "office", "virtual_ip": "vip-pf", "peer": "198.18.0.1", "peer_cidrs": ["172.28.0.0/24"]}
    intent["weft_vpcs"][0]["ipsec_connections"] = [office | {"psk": "a-key-of-some-length"}]


@pytest.mark.parametrize(
    ("feature", "host", "purpose", "need"),
    [("nft_bridge_ct", "hv1", "security groups", grouped), ("esp", "gw1", "IPsec connections", connected)],
)
def test_a_kernel_that_lacks_something_is_told_before_anything_changes(
    fabric: Fabric, feature: str, host: str, purpose: str, need: Callable[[Intent], None]
) -> None:
    if preflight.probe()[feature]:
        pytest.skip("this computer's kernel has it")
    before = checksums(fabric)
    elastic = {"name": "eip-x", "network": "L3-public", "target": "vpc-ins3"}
    fabric.change(need)
    fabric.change(lambda intent: intent["weft_vpcs"][0]["elastic_ips"].append(elastic))
    done = fabric.try_run()
    words = f"'{feature}' is missing in the kernel of {host}, but the plan needs it for {purpose}"
    assert done.status != 0 and words in " ".join(done.output.split()), done.output[-3000:]
    assert "Deploy" not in done.output and checksums(fabric) == before
