"""The load balancer: listeners of all kinds, and what is refused (rows B1-B6)."""

from __future__ import annotations

import subprocess
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import yaml
from checks.cloud import LINE_PORT, SILENCE, Cloud, tcp, who
from checks.fabric import Fabric, Intent
from checks.web import PORT, PROXIED_PORT, Web, await_backends, get, make_pair, names, shown_certificate, silent

pytestmark = pytest.mark.packets

ONE, TWO, THREE = (f"vpc-port-test-{number}" for number in (1, 2, 3))
OUTSIDE, STRANGER = "10.0.0.1", "10.9.9.9"
CHECK = {"type": "http", "uri": "/health", "interval": 1, "timeout": 1, "rise": 2, "fall": 2}
BEHIND: dict[str, Any] = {"backends": [ONE, TWO, THREE], "backend_port": PORT, "health_check": CHECK}


def listener(name: str, port: int, protocol: str = "http", **more: Any) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": protocol, **BEHIND, **more}


LISTENERS = [
    listener(
        "front", 80,
        backends=[{"instance": ONE, "weight": 3}, TWO],
        rules=[
            {"path_prefix": "/api", "group": "third"},
            {"host": "*.img.example.net", "path_prefix": "/", "group": "third"},
        ],
        backend_groups=[{"name": "third", **BEHIND, "backends": [THREE]}],
    ),
    {"name": "redirect", "port": 81, "protocol": "http", "redirect_to_https": 8443},
    listener("by-source", 82, "tcp", stickiness={"type": "source_ip"}),
    listener("by-cookie", 83, stickiness={"type": "cookie"}),
    listener("by-application", 84, stickiness={"type": "application_cookie", "cookie": "APP"}),
    listener("least", 85, algorithm="leastconn"),
    listener("hashed", 86, "tcp", algorithm="source"),
    listener("denied", 87, denied_cidrs=[OUTSIDE, "192.0.2.0/24"]),
    listener("allowed", 88, allowed_cidrs=["192.0.2.0/24", f"{OUTSIDE}/32"]),
    listener("proxy-1", 89, "tcp", backend_port=PROXIED_PORT, proxy_protocol="v1"),
    listener("proxy-2", 90, backend_port=PROXIED_PORT, proxy_protocol="v2"),
    listener("secure", 443, "https", certificates=["site", "other"], stickiness={"type": "cookie"}),
    listener("narrow", 91, "tcp", max_connections=1, timeouts={"client": 1, "server": 1}),
]  # fmt: skip


MANAGEMENT = {
    "name": "operators", "interface": "eth3", "clusters": ["router_nodes"], "cidr": "198.51.100.0/24",
    "ip_ranges": [{"start": "198.51.100.20", "end": "198.51.100.40"}], "services": ["management"],
}  # fmt: skip


def with_balancers(intent: Intent) -> None:
    vpc = intent["weft_vpcs"][0]
    intent["weft_provider_networks"].append(MANAGEMENT)
    intent["weft_router_offerings"][0]["management_network"] = "operators"
    vpc["virtual_ips"].append({"name": "vip-site", "network": "L3-public"})
    vpc["load_balancers"] += [
        {"name": "site", "virtual_ip": "vip-site", "listeners": LISTENERS},
        {"name": "inner", "network": "vpc-1-2", "listeners": [listener("web", 80)]},
    ]


def give_certificates(fabric: Fabric, host: str) -> list[str]:
    """One certificate as variables, one as files; returns a line of each key, to be looked for."""
    files = fabric.inventory / "certificates"
    certificate, key = make_pair(files, host)
    _certificate, other_key = make_pair(files, "other.example.net")
    variables = {
        "weft_certificates": [
            {"name": "site", "tenant": "admin", "certificate": certificate, "key": key},
            {
                "name": "other", "tenant": "admin",
                "certificate_file": "certificates/other.example.net.pem",
                "key_file": str(files / "other.example.net.key"),
            },
        ]
    }  # fmt: skip
    (fabric.inventory / "group_vars" / "all" / "certificates.yml").write_text(yaml.safe_dump(variables))
    return [text.splitlines()[1] for text in (key, other_key)]


@pytest.fixture
def balanced(fabric: Fabric) -> Iterator[tuple[Cloud, str, list[str]]]:
    """The walkthrough with the balancers above, and HTTP servers in three instances; `wan` has a second address.

    With what the run said, and what of it must nowhere be.
    """
    fabric.change(with_balancers)
    secrets = give_certificates(fabric, "site.example.net")
    said = fabric.run("-vvv", "--diff").output
    cloud = fabric.cloud
    cloud.read("wan", f"ip address replace {STRANGER}/8 dev eth1")
    with ExitStack() as stack:
        for name in (ONE, TWO, THREE):
            stack.enter_context(Web(cloud, name))
        yield cloud, said, secrets
    cloud.read("wan", f"ip address del {STRANGER}/8 dev eth1")


def hidden(fabric: Fabric, said: str, secrets: list[str]) -> None:
    """The keys are in the router, for root alone, and in nothing that a run says or keeps."""
    assert "haproxy/certificates/site.pem" in said
    plan = fabric.state / "saved.plan"
    said += fabric.run("-vvv", "-e", f"weft_plan_file={plan}", playbook="plan").output
    with zipfile.ZipFile(plan) as archive:
        said += "".join(archive.read(name).decode() for name in archive.namelist())
    kept = [path for path in fabric.state.rglob("*") if path.is_file() and fabric.inventory not in path.parents]
    said += "".join(path.read_text(errors="replace") for path in kept)
    for secret in secrets:
        assert secret not in said
        command = f"grep -rlF -e {secret} /etc /var/lib/weft /var/log /run /tmp /root --exclude-dir=root 2>/dev/null; "
        found = fabric.cloud.on("gw1", ["sh", "-c", command + f"journalctl | grep -cF -e {secret}"]).stdout.split()
        assert found.pop() == "0" and len(found) == 1 and found[0].endswith(".pem"), found
        assert fabric.cloud.read("gw1", f"stat -c %a:%u {found[0]}").startswith("600:")
    assert (
        "permission denied"
        in fabric.cloud.in_router(
            "vpc-1", "setpriv --reuid=haproxy --clear-groups cat /etc/haproxy/certificates/site.pem 2>&1 || true"
        ).lower()
    )


def managed(fabric: Fabric) -> None:
    """The statistics answer the management network, and neither subnets nor the public side; nothing passes by it."""
    cloud = fabric.cloud
    own = str(cloud.recorded("admin/vpc-1:management_ip"))
    page, metrics = f"http://{own}:8404/", f"http://{own}:8404/metrics"
    assert "site.front" in get(cloud, "wan", page).body
    assert 'haproxy_server_status{proxy="site.front"' in get(cloud, "wan", metrics).body
    assert silent(cloud, "vpc-ins1", [page, metrics]) and cloud.ping("vpc-ins1", own) is None
    upstream, guest, site = "198.51.100.1", cloud.address(ONE), cloud.public("vpc-1", "vip-site", "virtual_ip")
    assert cloud.ping("vpc-ins1", upstream) is None
    # From the management side to an instance and to a public address; from the public side to the management address.
    for target, way in ((guest, own), (site, own), (own, "10.172.11.91")):
        cloud.read("wan", f"ip route replace {target}/32 via {way}")
        try:
            urls = [f"http://{target}:{port}/" for port in (8404, 80, PORT)]
            assert silent(cloud, "wan", urls) and cloud.ping("wan", target) is None
        finally:
            cloud.read("wan", f"ip route del {target}/32")


def test_listeners(fabric: Fabric, balanced: tuple[Cloud, str, list[str]]) -> None:
    cloud, output, secrets = balanced
    hidden(fabric, output, secrets)
    managed(fabric)
    site, inner = cloud.public("vpc-1", "vip-site", "virtual_ip"), str(cloud.recorded("admin/vpc-1/inner:balancer_ip"))
    url = f"http://{site}"
    await_backends(cloud, f"{url}:85/", {ONE, TWO, THREE})

    # Weights: three of four.
    shares = Counter(names(cloud, "wan", f"{url}/", 16))
    assert shares == {ONE: 12, TWO: 4}

    # Rules by path and by host; a path is not a prefix of letters, a domain is not its own host.
    assert get(cloud, "wan", f"{url}/api").name == get(cloud, "wan", f"{url}/api/x").name == THREE
    assert get(cloud, "wan", f"{url}/", "-H", "Host: a.IMG.example.net:80").name == THREE
    for other in (f"{url}/apiary", f"{url}/x/api"):
        assert get(cloud, "wan", other).name in (ONE, TWO)
    assert get(cloud, "wan", f"{url}/", "-H", "Host: img.example.net").name in (ONE, TWO)

    # TLS ends here, with the certificate for the host that is asked for.
    secure = get(cloud, "wan", f"https://{site}/")
    assert secure.said["headers"]["x-forwarded-proto"] == "https" and "secure" in secure.headers["set-cookie"].lower()
    for host, subject in (("other.example.net", "other.example.net"), ("x.example.net", "site.example.net")):
        assert shown_certificate(cloud, site, host) == subject
    assert get(cloud, "wan", f"http://{site}:443/").status in (0, 400)
    assert get(cloud, "wan", f"https://{site}/", "--tls-max", "1.1").status == 0

    # The backend is told who asked, and sees the router.
    said = get(cloud, "wan", f"{url}/").said
    assert said["headers"]["x-forwarded-for"] == OUTSIDE and said["peer"] == cloud.gateway("vpc-1-1")

    moved = get(cloud, "wan", f"{url}:81/a/b?c=d")
    assert (moved.status, moved.headers["location"]) == (301, f"https://{site}:8443/a/b?c=d")

    # Stickiness of three kinds; without it the same requests go round.
    assert len(set(names(cloud, "wan", f"{url}:85/", 6))) == 3
    assert len(set(names(cloud, "wan", f"{url}:82/", 6))) == 1
    assert len(set(names(cloud, "wan", f"{url}:86/", 6))) == 1
    first = get(cloud, "wan", f"{url}:83/")
    cookie = first.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith("WEFT=") and first.name not in cookie
    assert set(names(cloud, "wan", f"{url}:83/", 6, "-H", f"Cookie: {cookie}")) == {first.name}
    session = get(cloud, "wan", f"{url}:84/session")
    application = session.headers["set-cookie"]
    assert set(names(cloud, "wan", f"{url}:84/", 6, "-H", f"Cookie: {application}")) == {session.name}
    assert len(set(names(cloud, "wan", f"{url}:84/", 6, "-H", "Cookie: APP=unknown"))) == 3

    # Sources.
    strange = ("--interface", STRANGER)
    assert get(cloud, "wan", f"{url}:87/").status == 0 and get(cloud, "wan", f"{url}:87/", *strange).status == 200
    assert get(cloud, "wan", f"{url}:88/").status == 200 and get(cloud, "wan", f"{url}:88/", *strange).status == 0

    # The PROXY protocol tells the client's address.
    assert get(cloud, "wan", f"{url}:89/", *strange).said["client"] == f"v1 {STRANGER}"
    assert get(cloud, "wan", f"{url}:90/").said["client"] == f"v2 {OUTSIDE}"

    # One connection at a time: a silent one keeps the next waiting until its time-out of a second.
    hold = "exec 3<>/dev/tcp/$0/91; echo held; read -t 5 line <&3"
    with cloud.lab.popen("wan", ["bash", "-c", hold, site], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        waited = float(cloud.read("wan", f"curl -s -o /dev/null -w '%{{time_total}}' {url}:91/"))
    assert 0.3 < waited < 4

    # The internal one answers its subnets, and nobody else, not even where a route leads there.
    for where in ("vpc-ins2", "vpc-ins1", ONE):
        assert get(cloud, where, f"http://{inner}/").status == 200
    cloud.read("wan", f"ip route replace {inner}/32 via 10.172.11.91")
    try:
        assert silent(cloud, "wan", [f"http://{inner}/"])
    finally:
        cloud.read("wan", f"ip route del {inner}/32")
    # Ports that no listener has are closed.
    assert cloud.ask("wan", [tcp(site, 92, seconds=SILENCE)]) == [None]

    # A change of the configuration forgets no client, and a second run does nothing.
    stays = names(cloud, "wan", f"{url}:82/", 1)

    def change(intent: Intent) -> None:
        balancers = intent["weft_vpcs"][0]["load_balancers"]
        balancers[2]["listeners"][0]["algorithm"] = "leastconn"
        del balancers[3]

    fabric.change(change)
    assert fabric.run().changed
    # A changed certificate alone is seen, too, and shown.
    give_certificates(fabric, "renewed.example.net")
    assert fabric.run("--check").changed
    assert fabric.run().changed
    assert shown_certificate(cloud, site, "x.example.net") == "renewed.example.net"
    assert fabric.run().changed == 0
    assert set(names(cloud, "wan", f"{url}:82/", 6)) == set(stays)
    assert set(names(cloud, "wan", f"{url}:84/", 6, "-H", f"Cookie: {application}")) == {session.name}
    assert silent(cloud, "vpc-ins2", [f"http://{inner}/"])
    assert inner not in cloud.in_router("vpc-1", "ip address; ls -R /etc/systemd/network")


def test_a_reload_that_cannot_bind_fails_the_run(fabric: Fabric) -> None:
    """Somebody in the router has the port: the run says so, what listened goes on, and the next run goes through."""
    taken = {"name": "taken", "protocol": "tcp", "port": 8099, "backends": [ONE], "backend_port": LINE_PORT}
    address = fabric.cloud.public("vpc-1", "vip-lb", "virtual_ip")

    def add(intent: Intent) -> None:
        intent["weft_vpcs"][0]["load_balancers"][0]["listeners"].append(taken)

    hold = f"import socket, time; s = socket.create_server(('{address}', 8099)); time.sleep(600)"
    squatter = fabric.cloud.in_router("vpc-1", f'setsid python3 -c "{hold}" >/dev/null 2>&1 & echo $!').strip()
    fabric.change(add)
    done = fabric.try_run()
    assert done.status != 0
    assert "could not take the new configuration" in done.output, done.output[-3000:]
    assert who(fabric.cloud.ask("wan", [tcp(address)])[0]).startswith("vpc-port-test-")
    fabric.cloud.in_router("vpc-1", f"kill {squatter}")
    assert fabric.run().changed
    assert who(fabric.cloud.ask("wan", [tcp(address, 8099)])[0]).startswith(ONE)
    assert fabric.run().changed == 0
