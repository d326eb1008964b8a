"""Planted secrets of all kinds are where they are used, for root alone, and nowhere else: not in what a run says, logs,
keeps or passes to a program, on the controller, on hosts or in routers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from checks.fabric import Fabric, Intent
from checks.planted import HOSTS, found, kept, logged, told, watching_processes
from checks.web import make_pair

pytestmark = pytest.mark.packets

SITE, OTHER = "site.example.net", "other.example.net"
BGP, NEW_BGP, OSPF, NEW_OSPF = "planted-bgp-2718", "planted-bgp-3141", "planted-ospf-16", "planted-ospf-14"
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
    shown += cloud.in_router("vpc-1", "cat /run/vtysh.log")
    assert [secret for secret in secrets if secret in shown] == []
    assert "frr-reload" in "".join(arguments) and "show running-config" in shown
    for host in HOSTS:
        allowed = set(places) if host == "gw1" else set()
        assert set(found(fabric, host, secrets)) <= allowed
    cloud.in_router("vpc-1", "mv /usr/bin/vtysh.real /usr/bin/vtysh; rm /run/vtysh.log")
    fabric.restore()
    fabric.run()
    assert found(fabric, "gw1", secrets) == {}
