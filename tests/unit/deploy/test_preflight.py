"""What the survey finds in the way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy import preflight
from ansible_collections.weft.vpc.plugins.module_utils.deploy.preflight import Facts, dropping_tables, findings

DOCKER = """table ip filter {
\tchain FORWARD {
\t\ttype filter hook forward priority filter; policy drop;
\t}
\tchain INPUT {
\t\ttype filter hook input priority filter; policy accept;
\t}
}
table inet weft {
\tchain forward {
\t\ttype filter hook forward priority filter; policy drop;
\t}
}
"""

GOOD = Facts(
    units={"systemd-networkd": {"ActiveState": "active", "UnitFileState": "enabled"}},
    features={},
    chains="",
    sysctl={name.replace("/", "."): 0 for name in preflight.SYSCTLS},
    os={"ID": "debian", "VERSION_ID": "12"},
    systemd=252,
)
BRIDGED = {**GOOD.sysctl, "net.bridge.bridge-nf-call-iptables": 1}
CROWDED = {**GOOD.sysctl, "net.netfilter.nf_conntrack_max": 100, "net.netfilter.nf_conntrack_count": 90}


@pytest.fixture(autouse=True)
def no_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "_keeps_foreign_routes", lambda: True)
    monkeypatch.setattr(preflight, "_flushes", lambda path: True)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        pytest.param(GOOD, set(), id="nothing"),
        pytest.param(replace(GOOD, sysctl=BRIDGED), set(), id="br_netfilter without any rules"),
        pytest.param(replace(GOOD, sysctl=BRIDGED, chains=DOCKER), {("br-netfilter", "error")}, id="Docker"),
        pytest.param(
            replace(GOOD, sysctl=BRIDGED, chains=DOCKER.replace("policy drop", "policy accept")),
            {("br-netfilter", "warning")},
            id="br_netfilter, accepting rules",
        ),
        pytest.param(replace(GOOD, chains=DOCKER), set(), id="Docker without br_netfilter"),
        pytest.param(
            replace(GOOD, chains=DOCKER.replace("policy accept", "policy drop")),
            {("input", "warning")},
            id="input drop",
        ),
        pytest.param(replace(GOOD, units={}), {("networkd", "error")}, id="no networkd"),
        pytest.param(
            replace(GOOD, units={**GOOD.units, "nftables": {"UnitFileState": "enabled"}}),
            {("nftables-flush", "warning")},
            id="flushing nftables.conf",
        ),
        pytest.param(
            replace(GOOD, units={**GOOD.units, "NetworkManager": {"ActiveState": "active"}}),
            {("networkmanager", "warning")},
            id="NetworkManager",
        ),
        pytest.param(replace(GOOD, systemd=247), {("systemd", "error")}, id="old systemd"),
        pytest.param(replace(GOOD, os={"ID": "debian", "VERSION_ID": "11"}), {("system", "warning")}, id="old Debian"),
        pytest.param(replace(GOOD, sysctl=CROWDED), {("conntrack", "warning")}, id="full connection table"),
    ],
)
def test_findings(facts: Facts, expected: set[tuple[str, str]]) -> None:
    found = list(findings(facts))
    assert {(each.rule.removeprefix("WEFT-P11-"), each.severity) for each in found} == expected
    assert all(each.reason and each.remedy.endswith(".") for each in found)


def test_our_own_chains_are_nobody_elses() -> None:
    assert dropping_tables(DOCKER, "forward") == ["ip filter"]
