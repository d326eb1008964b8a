# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a router with IPsec connections is told; that pre-shared keys never pass the seal; and what flows become."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import parse_items
from ansible_collections.weft.vpc.plugins.module_utils.flows import Flow, Translated, ends, judge
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.analyse import RouterAnalysis
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.passwords import contents, seal, wanted
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import load
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

SECRET = "the-secret-of-both"
CONFIG = "/etc/swanctl/conf.d/weft.conf"
OFFICE = {
    "name": "office", "virtual_ip": "vip-pf", "peer": "198.18.0.1", "psk": SECRET,
    "peer_cidrs": ["172.28.0.0/24", "172.28.1.0/24"], "networks": ["vpc-1-1", "vpc-1-2"],
}  # fmt: skip
BRANCH = {
    "name": "branch", "virtual_ip": "vip-pf", "peer_id": "branch@example.net", "passive": True,
    "psk": f"{SECRET}-2", "peer_cidrs": ["172.28.2.0/24"],
}  # fmt: skip
CA = """\
-----BEGIN CERTIFICATE-----
MIIBcjCCARegAwIBAgIUYnV2e4Dm1vJB3MJ3B4nOKg+faB4wCgYIKoZIzj0EAwIw
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTIxMjAxNjE2WhgPMjEyNjEwMjgyMDE2MTZa
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/00kqNDJ
/jdkRZzBuuQ6fwnsD5mo1NbEjT3NdQOH1P/9R4U6AEoXV1KlQLIBmuBnCxedMzN2
vTOSS/wzN3+lXKNTMFEwHQYDVR0OBBYEFJQtc0+Zdg0CdGLx5khZfXwqLiU5MB8G
A1UdIwQYMBaAFJQtc0+Zdg0CdGLx5khZfXwqLiU5MA8GA1UdEwEB/wQFMAMBAf8w
CgYIKoZIzj0EAwIDSQAwRgIhANOBzvFnEN/tVVYCX1PTKCckQ2Ty8Emqp1b7FwgF
Jm0kAiEAlkVLEQT68EiM4FvomfC0jQ25xlGoV1/GD/ph1ij6lAw=
-----END CERTIFICATE-----"""
INS1, INS2, INS3 = "192.168.20.2", "192.168.21.2", "192.168.22.2"
EIP, VIP, OWN, OUTSIDE = "10.172.11.2", "10.172.11.93", "10.172.11.91", "10.0.0.1"
AT_OFFICE, AT_BRANCH = "172.28.1.9", "172.28.2.9"


def intent(*connections: dict[str, Any], **vpc: Any) -> dict[str, Any]:
    variables, _hosts = walkthrough()
    variables["weft_vpcs"][0] |= {"ipsec_connections": list(connections), **vpc}
    return variables


def told(*connections: dict[str, Any], **vpc: Any) -> dict[str, Any]:
    """The router node's slice."""
    return slices_of(seal(intent(*connections, **vpc)), walkthrough()[1])["gw1"]


def router(*connections: dict[str, Any], **vpc: Any) -> dict[str, Any]:
    return dict(next(one for one in told(*connections, **vpc)["routers"] if one["vpc"] == "vpc-1"))


def config(slice_: dict[str, Any]) -> str:
    return "".join(file["content"] for item in render(slice_) for file in item["files"] if file["path"] == CONFIG)


def labels(*connections: dict[str, Any], **vpc: Any) -> dict[str, str]:
    return {one["label"].rpartition("-")[0]: one["label"] for one in router(*connections, **vpc)["ipsec"]}


def test_pre_shared_keys_are_put_in_by_the_host_alone() -> None:
    slice_ = told(OFFICE, BRANCH)
    assert SECRET not in str(slice_) and SECRET not in str(render(slice_))
    found = contents(intent(OFFICE, BRANCH))
    assert found.keys() == wanted(slice_).keys()
    (item,) = parse_items([one for one in render(slice_) if one["role"] == "ipsec"], found)
    file = item.file(CONFIG)
    assert file is not None
    assert (file.secret, file.mode) == (True, 0o600)
    assert f'secret = "{SECRET}"\n' in file.content


@pytest.mark.parametrize(
    ("psk", "words"),
    [
        ("short", "is shorter than 8 characters, and could be guessed"),
        (SECRET * 9, "is longer than the 128 characters that a pre-shared key has room for"),
        (f'{SECRET}"', "is empty or has characters that strongSwan's configuration cannot hold"),
        ([SECRET], "is not a string"),
        ("0xnothexatall", "begins with 0x, and what follows is not hexadecimal, two digits for each byte"),
        ("0x0123456789abcde", "begins with 0x, and what follows is not hexadecimal, two digits for each byte"),
        ("0X0123456789abcd", "is shorter than 8 bytes once decoded, and could be guessed"),
        ("0s*c2VjcmV0LXNlY3JldA==", "begins with 0s, and what follows is not Base64"),
        ("0sc2VjcmV0LXM", "begins with 0s, and what follows is not Base64"),
        ("0sc2VjcmV0", "is shorter than 8 bytes once decoded, and could be guessed"),
    ],
)
def test_errors_do_not_show_a_key(psk: object, words: str) -> None:
    with pytest.raises(IntentError) as caught:
        seal(intent(OFFICE | {"psk": psk}))
    assert f"weft_vpcs[0].ipsec_connections[0].psk: {words}. [WEFT-V1-psk]" in str(caught.value)
    assert "secret" not in str(caught.value) and "short " not in str(caught.value)


@pytest.mark.parametrize("psk", ["0x0123456789abcdef", "0sc2VjcmV0LXNlY3JldA==", "eight888"])
def test_keys_of_eight_bytes_do(psk: str) -> None:
    sealed = seal(intent(OFFICE | {"psk": psk}))
    assert sealed["weft_vpcs"][0]["ipsec_connections"][0]["psk"] in contents(intent(OFFICE | {"psk": psk}))


def test_a_connection_that_stays_as_it_was_keeps_its_name_and_no_other_does() -> None:
    before = labels(OFFICE, BRANCH)
    assert labels(BRANCH, OFFICE) == before
    for key, value in {"psk": f"{SECRET}-3", "dpd_interval": 5, "networks": ["vpc-1-1"]}.items():
        after = labels(OFFICE | {key: value}, BRANCH)
        assert after["branch"] == before["branch"] and after["office"] != before["office"], key


def test_old_peers_have_a_tunnel_for_each_pair_of_networks() -> None:
    def tunnels(**more: Any) -> list[tuple[int, int]]:
        (one,) = router(OFFICE | more)["ipsec"]
        return [(len(tunnel["local_cidrs"]), len(tunnel["peer_cidrs"])) for tunnel in one["tunnels"]]

    assert tunnels() == [(2, 2)]
    assert tunnels(ike_version=1) == [(1, 1)] * 4


def test_who_waits_calls_nobody() -> None:
    text = config(told(OFFICE, BRANCH))
    branch, office = text.split("connections {")[1].split("secrets {")[0].split("\toffice-")
    assert "start" not in branch and "remote_addrs = %any\n" in branch
    assert "start_action = trap|start\n" in office and "remote_addrs = 198.18.0.1\n" in office


def test_a_router_without_connections_has_nothing_of_it() -> None:
    assert [one for one in render(told()) if one["role"] == "ipsec"] == []
    assert "ipsec" not in str([file for item in render(told()) for file in item["files"]])


def test_routes_by_source_do_not_lead_past_tunnels() -> None:
    route = {"source": "192.168.21.0/24", "destination": "0.0.0.0/0", "next_hop": "vpc-ins3"}
    selectors = [one["selector"] for one in router(OFFICE, routes=[route])["routing_rules"]]
    assert {"from all to 172.28.0.0/24", "from all to 172.28.1.0/24"} <= set(selectors)


def test_a_certificate_comes_in_two_halves_and_with_the_peers_ca() -> None:
    signed = {key: value for key, value in OFFICE.items() if key != "psk"} | {"certificate": "vpn", "peer_ca": CA}
    variables = intent(signed)
    variables["weft_certificates"] = [{"name": "vpn", "tenant": "admin", "certificate": "(sealed)", "key": "(sealed)"}]
    parsed, _warnings = load(variables, walkthrough()[1])
    now, rest = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
    values = allocate(Ledger("shanghai"), list(requests(parsed)), now, rest).values
    digests = {"admin/vpn:certificate": "1" * 64, "admin/vpn:key": "2" * 64}
    slice_ = make_plan(parsed, values, "", {"gw1": {}}, digests).hosts["gw1"]
    files = {file["path"]: file for one in render(slice_) if one["role"] == "ipsec" for file in one["files"]}
    (label,) = (one["label"] for one in slice_["routers"][0]["ipsec"])
    assert files["/etc/swanctl/x509/vpn.pem"]["digest"] == "1" * 64
    assert files["/etc/swanctl/private/vpn.pem"]["digest"] == "2" * 64
    assert files[f"/etc/swanctl/x509ca/{label}.pem"]["content"] == f"{CA}\n"
    assert "ike-" not in files[CONFIG]["content"] and f"cacerts = {label}.pem\n" in files[CONFIG]["content"]


def flow(protocol: str, source: str, destination: str, port: int = 0) -> Flow:
    return Flow(protocol, source, destination, 40000 if port else 0, port)


@pytest.mark.parametrize(
    ("asked", "verdict", "rules"),
    [
        (flow("tcp", INS1, AT_OFFICE, 80), "accept", ["IPsec connection office", "subnet vpc-1-1"]),
        (flow("tcp", INS3, AT_OFFICE, 80), "drop", ["IPsec connection office"]),
        (flow("tcp", INS3, AT_BRANCH, 80), "accept", ["IPsec connection branch", "subnet vpc-1-3"]),
        (flow("tcp", AT_OFFICE, INS2, 80), "accept", ["IPsec connection office", "subnet vpc-1-2"]),
        (flow("tcp", AT_OFFICE, INS3, 80), "drop", ["IPsec connection office"]),
        (flow("tcp", AT_OFFICE, EIP, 80), "drop", ["IPsec connection office"]),
        (flow("tcp", AT_OFFICE, AT_BRANCH, 80), "drop", ["IPsec connection office"]),
        (flow("udp", AT_OFFICE, "192.168.20.1", 53), "drop", ["IPsec connection office", "router admin/vpc-1"]),
        (flow("tcp", AT_OFFICE, "192.168.20.50", 85), "accept", ["IPsec connection office", "listener inner/line"]),
        (flow("tcp", OUTSIDE, "192.168.20.50", 85), "drop", ["router admin/vpc-1"]),
        (flow("udp", OUTSIDE, VIP, 500), "accept", ["IPsec connection branch"]),
        (flow("50", OUTSIDE, VIP), "accept", ["IPsec connection branch"]),
        (flow("50", OUTSIDE, OWN), "drop", ["router admin/vpc-1"]),
        (flow("tcp", INS1, "172.28.3.1", 80), "accept", ["subnet vpc-1-1", "elastic IP eip-a"]),
    ],
)
def test_verdicts(asked: Flow, verdict: str, rules: list[str]) -> None:
    listener = {"name": "line", "protocol": "tcp", "port": 85, "backends": ["vpc-ins1"], "backend_port": 85}
    inner = {"name": "inner", "network": "vpc-1-1", "ip": "192.168.20.50", "listeners": [listener]}
    answer = RouterAnalysis(router(OFFICE, BRANCH, load_balancers=[inner])).explain(asked)
    assert (answer.verdict.action, [one.key.replace("admin/vpc-1/", "") for one in answer.rules]) == (verdict, rules)
    assert answer.verdict.translated.source in (None, EIP if "elastic IP eip-a" in rules else None)


def test_connections_end_where_their_way_changes() -> None:
    none, office, both = (RouterAnalysis(router(*some)).config for some in ((), (OFFICE,), (OFFICE, BRANCH)))
    plain, tunnelled = Translated(source=OWN), Translated()
    to_office, to_branch = flow("tcp", INS2, AT_OFFICE, 80), flow("tcp", INS2, AT_BRANCH, 80)
    assert ends(to_office, plain, none, office) and ends(to_office, tunnelled, office, none)
    assert ends(flow("tcp", AT_OFFICE, INS2, 80), tunnelled, office, none)
    assert ends(flow("tcp", AT_OFFICE, EIP, 80), Translated(target=INS1), none, office)
    for asked, actual in ((to_office, tunnelled), (flow("tcp", INS2, OUTSIDE, 80), plain)):
        assert not ends(asked, actual, office, both) and not ends(asked, actual, both, office)
    assert ends(to_branch, plain, office, both)
    assert judge(flow("udp", OUTSIDE, VIP, 500), none).action == "drop"
