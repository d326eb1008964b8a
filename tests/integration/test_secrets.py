"""Planted secrets of all kinds are where they are used, for root alone, and nowhere else: not in what a run says, logs,
keeps or passes to a program, on the controller, on hosts or in routers."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
import yaml
from checks.fabric import Fabric, Intent, Run
from checks.web import make_pair

pytestmark = pytest.mark.packets

SITE, OTHER = "site.example.net", "other.example.net"
HOSTS = ("hv1", "hv2", "gw1")
PSK, NEW_PSK = "planted-psk-1618", "planted-psk-1619"
BGP, NEW_BGP, OSPF, NEW_OSPF = "planted-bgp-2718", "planted-bgp-3141", "planted-ospf-16", "planted-ospf-14"
#: Packages, the kernel's files, the lab's; and what a router's root shows of its image and of `upper`.
ELSEWHERE = (
    "/proc", "/sys", "/dev", "/usr/lib", "/usr/share", "/var/lib/lab", "/var/lib/weft/images", "/run/planted",
    "/var/lib/weft/routers/*/root",
)  # fmt: skip
IN_ROUTER = "/var/lib/weft/routers/vpc-1.admin/upper"
#: Records what vtysh is called with, and calls it.
RECORDER = """\
mv /usr/bin/vtysh /usr/bin/vtysh.real
printf '#!/bin/sh\\necho "$*" >>/run/vtysh.log\\nexec /usr/bin/vtysh.real "$@"\\n' >/usr/bin/vtysh
chmod 755 /usr/bin/vtysh
"""


def plant(bgp: str | None, ospf: str | None) -> Any:
    """The change of an intent that brings passwords, and a balancer with certificates."""

    def edit(intent: Intent) -> None:
        vpc = intent["weft_vpcs"][0]
        neighbor = {"address": "10.0.0.1", "asn": 65000, "password": bgp}
        vpc["router"]["bgp"] = {"asn": 65010, "neighbors": [neighbor]}
        vpc["router"]["ospf"] = {"password": ospf}
        if vpc["load_balancers"][-1]["name"] != "secure":
            listener = {"name": "site", "protocol": "https", "port": 8443, "certificates": ["one", "two"]}
            listener |= {"backends": ["vpc-port-test-1"], "backend_port": 8080}
            vpc["load_balancers"].append({"name": "secure", "virtual_ip": "vip-lb", "listeners": [listener]})

    return edit


def certificates(fabric: Fabric) -> list[str]:
    """One as variables, one as files; returns a line of each key."""
    files = fabric.inventory / "certificates"
    pairs = [make_pair(files, host) for host in (SITE, OTHER)]
    (certificate, key), (_other, other_key) = pairs
    paths = {f"{what}_file": f"certificates/{OTHER}.{end}" for what, end in (("certificate", "pem"), ("key", "key"))}
    wanted = [
        {"name": "one", "tenant": "admin", "certificate": certificate, "key": key},
        {"name": "two", "tenant": "admin", **paths},
    ]
    target = fabric.inventory / "group_vars" / "all" / "certificates.yml"
    target.write_text(yaml.safe_dump({"weft_certificates": wanted}))
    return [text.splitlines()[1] for text in (key, other_key)]


@contextmanager
def watching_processes() -> Iterator[set[str]]:
    """The arguments of all processes of this computer while something runs; those of routers are among them."""
    seen: set[str] = set()
    done = Event()

    def look() -> None:
        while not done.wait(0.02):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def told(fabric: Fabric, *options: str, **how: Any) -> Run:
    """A run with everything that it can be asked to say, and a log."""
    log = {"ANSIBLE_LOG_PATH": str(fabric.state / "ansible.log")}
    return fabric.try_run("-vvv", "--diff", *options, env=log, **how)


def kept(fabric: Fabric) -> str:
    """What the controller keeps besides the inventory: ledger, records, log, saved plan."""
    files = [path for path in fabric.state.rglob("*") if path.is_file() and fabric.inventory not in path.parents]
    assert {"weft-ledger.json", "ansible.log", "saved.plan"} <= {path.name for path in files}
    with zipfile.ZipFile(fabric.state / "saved.plan") as archive:
        plan = "".join(archive.read(name).decode() for name in archive.namelist())
    return plan + "".join(path.read_text(errors="replace") for path in files)


def found(fabric: Fabric, host: str, secrets: list[str]) -> dict[str, str]:
    """Files of a host (and of routers on it) with one of these in them: path -> mode and owner."""
    pruned = " -o ".join(f"-path '{path}'" for path in ELSEWHERE)
    command = (
        f"cat >/run/planted; find / \\( {pruned} \\) -prune -o -type f -print0 | "
        "xargs -0 -r grep -lF -f /run/planted -- | xargs -r stat -c '%n %a:%u'; rm /run/planted"
    )
    lines = fabric.cloud.on(host, ["sh", "-c", command], "\n".join(secrets) + "\n").stdout.splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


def logged(fabric: Fabric) -> str:
    """Journals of hosts and of the router, and what vtysh was called with."""
    journals = [fabric.cloud.read(host, "journalctl --no-pager --boot") for host in HOSTS]
    return "".join(journals) + fabric.cloud.in_router("vpc-1", "journalctl --no-pager --boot; cat /run/vtysh.log")


def test_secrets_are_nowhere_but_where_they_are_used(fabric: Fabric, collections: Path) -> None:
    cloud = fabric.cloud
    cloud.in_router("vpc-1", RECORDER)
    saved = ("-e", f"weft_plan_file={fabric.state / 'saved.plan'}")
    keys = certificates(fabric)
    secrets = [*keys, BGP, NEW_BGP, OSPF, NEW_OSPF]
    with watching_processes() as arguments:
        fabric.change(plant(BGP, OSPF))
        runs = [told(fabric, "--check"), told(fabric, *saved, playbook="plan"), told(fabric)]
        uid = cloud.read("gw1", f"stat -c %u {IN_ROUTER}").strip()
        used = ("frr/frr.conf", "haproxy/certificates/one.pem", "haproxy/certificates/two.pem")
        places = [f"{IN_ROUTER}/etc/{path}" for path in used]
        assert found(fabric, "gw1", secrets) == dict.fromkeys(places, f"600:{uid}")
        # Passwords that change and that go, and a router's checker that complains of the very line.
        for change in (plant(NEW_BGP, NEW_OSPF), plant(None, None)):
            fabric.change(change)
            runs.append(told(fabric))
        assert all(run.status == 0 for run in runs), [run.output[-2000:] for run in runs if run.status]
        assert found(fabric, "gw1", [BGP, NEW_BGP, OSPF, NEW_OSPF]) == {}
        fabric.change(plant(BGP, OSPF))
        template = collections / "ansible_collections/weft/vpc/roles/routes/templates/frr.conf.j2"
        template.write_text(template.read_text().replace(" password {{", " passw0rd {{"))
        broken = told(fabric, collections=collections)
        assert broken.status != 0 and "passw0rd" in broken.output
    shown = "".join(run.output for run in [*runs, broken]) + kept(fabric) + "".join(arguments) + logged(fabric)
    assert [secret for secret in secrets if secret in shown] == []
    assert "frr-reload" in "".join(arguments) and "show running-config" in logged(fabric)
    for host in HOSTS:
        allowed = set(places) if host == "gw1" else set()
        assert set(found(fabric, host, secrets)) <= allowed
    cloud.in_router("vpc-1", "mv /usr/bin/vtysh.real /usr/bin/vtysh; rm /run/vtysh.log")
    fabric.restore()
    fabric.run()
    assert found(fabric, "gw1", secrets) == {}


@pytest.mark.kernel("esp")
def test_a_pre_shared_key_is_nowhere_but_where_it_is_used(fabric: Fabric) -> None:
    def connect(psk: str) -> Any:
        office = {"name": "office", "virtual_ip": "vip-pf", "peer": "198.18.0.1", "peer_cidrs": ["172.28.0.0/24"]}
        return lambda intent: intent["weft_vpcs"][0].update(ipsec_connections=[office | {"psk": psk}])

    saved, cloud = ("-e", f"weft_plan_file={fabric.state / 'saved.plan'}"), fabric.cloud
    place = f"{IN_ROUTER}/etc/swanctl/conf.d/weft.conf"
    with watching_processes() as arguments:
        fabric.change(connect(PSK))
        runs = [told(fabric, "--check"), told(fabric, *saved, playbook="plan"), told(fabric)]
        uid = cloud.read("gw1", f"stat -c %u {IN_ROUTER}").strip()
        assert found(fabric, "gw1", [PSK]) == {place: f"600:{uid}"}
        fabric.change(connect(NEW_PSK))
        runs.append(told(fabric))
        assert found(fabric, "gw1", [PSK, NEW_PSK]) == {place: f"600:{uid}"}
    assert all(run.status == 0 for run in runs), [run.output[-2000:] for run in runs if run.status]
    shown = "".join(run.output for run in runs) + kept(fabric) + "".join(arguments)
    shown += "".join(cloud.read(host, "journalctl --no-pager --boot") for host in HOSTS)
    shown += cloud.in_router("vpc-1", "journalctl --no-pager --boot")
    assert [secret for secret in (PSK, NEW_PSK) if secret in shown] == []
    assert "swanctl --load-all" in "".join(arguments)
    fabric.restore()
    fabric.run()
    assert found(fabric, "gw1", [PSK, NEW_PSK]) == {}
