"""What a survey finds in the way of a host's slice."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.preflight import check


def slice_(**parts: Any) -> dict[str, Any]:
    lists = ("vteps", "nics", "provider_bridges", "segments", "routers", "ports")
    return {"underlay_mtu": 0, "grouped": None, **{name: [] for name in lists}, **parts}


def router(**parts: Any) -> dict[str, Any]:
    return {"shaped_links": [], "ipsec": [], **parts}


def survey(features: dict[str, bool] | None = None, **links: dict[str, Any]) -> dict[str, Any]:
    shown = {name: {"addresses": [], "mtu": 1500, "master": None, **link} for name, link in links.items()}
    return {
        "addresses": shown,
        "manifest": {"recorded": {"provider_network/wpn1": {}, "provider_network/wpn2": {}}},
        "preflight": {"findings": [], "features": features or {}, "managers": {"ens9": "ifupdown"}},
    }


def rules(wanted: dict[str, Any], seen: dict[str, Any]) -> list[str]:
    return [finding.rule for finding in check("hv1", wanted, seen)]


NIC = {"interface": "eth1", "bridge": "wpn1", "vlans": [], "mtu": 1500}


def test_a_host_that_is_as_planned_has_nothing_in_the_way() -> None:
    wanted = slice_(vteps=["172.20.0.11"], underlay_mtu=1500, nics=[NIC])
    seen = survey(eth1={"master": "wpn1"}, eth2={"addresses": ["172.20.0.11/24"]})
    assert rules(wanted, seen) == []


def test_a_nic_may_take_the_place_of_another_provider_network() -> None:
    assert rules(slice_(nics=[NIC]), survey(eth1={"master": "wpn2"})) == []
    assert rules(slice_(nics=[{**NIC, "bridge": None}]), survey(eth1={"master": "wpn2"})) == []
    assert rules(slice_(nics=[NIC]), survey(eth1={"master": "wpn3"})) == ["WEFT-P5-nic-in-use"]


@pytest.mark.parametrize(
    ("wanted", "seen", "rule"),
    [
        (slice_(vteps=["172.20.0.11"]), survey(eth2={"addresses": ["172.20.0.12/24"]}), "WEFT-P2-vtep-gone"),
        (
            slice_(vteps=["172.20.0.11"], underlay_mtu=9000),
            survey(eth2={"addresses": ["172.20.0.11/24"]}),
            "WEFT-P7-underlay-mtu",
        ),
        (slice_(nics=[NIC]), survey(eth0={}), "WEFT-P5-nic-missing"),
        (slice_(nics=[NIC]), survey(eth1={"addresses": ["192.0.2.1/24"]}), "WEFT-P5-nic-in-use"),
        (slice_(nics=[NIC]), survey(eth1={"master": "virbr0"}), "WEFT-P5-nic-in-use"),
        (slice_(nics=[{**NIC, "interface": "ens9"}]), survey(ens9={}), "WEFT-P11-nic-managed"),
        (slice_(provider_bridges=[{"vlan": 7}]), survey({"vlan": False}), "WEFT-P11-kernel-feature"),
        (slice_(segments=[{}]), survey({"vxlan": False}), "WEFT-P11-kernel-feature"),
        (slice_(routers=[router()]), survey({"overlay": False}), "WEFT-P11-kernel-feature"),
        (slice_(routers=[router(shaped_links=[{}])]), survey({"htb": False}), "WEFT-P11-kernel-feature"),
        (slice_(routers=[router(ipsec=[{}])]), survey({"esp": False}), "WEFT-P11-kernel-feature"),
        (slice_(ports=[{"classes": [{}], "egress": None}]), survey({"htb": False}), "WEFT-P11-kernel-feature"),
        (slice_(provider_bridges=[{"vlan": None}]), survey({"nft_bridge": False}), "WEFT-P11-kernel-feature"),
        (slice_(grouped={"ports": [{}]}), survey({"nft_bridge_ct": False}), "WEFT-P11-kernel-feature"),
    ],
)
def test_what_is_in_the_way_is_found(wanted: dict[str, Any], seen: dict[str, Any], rule: str) -> None:
    assert rules(wanted, seen) == [rule]


def test_a_feature_that_nothing_uses_may_be_missing() -> None:
    unlimited = {"classes": [], "egress": None}
    wanted = slice_(provider_bridges=[{"vlan": None}], ports=[unlimited], routers=[router()])
    assert rules(wanted, survey({"vlan": False, "htb": False, "nft_bridge_ct": False, "esp": False})) == []
    assert rules({**wanted, "provider_bridges": []}, survey({"nft_bridge": False})) == []


def test_what_the_survey_itself_found_is_passed_on_with_the_host() -> None:
    seen = survey()
    seen["preflight"]["findings"] = [{"rule": "WEFT-P11-x", "value": 1, "reason": "is so", "remedy": "Mend it."}]
    (finding,) = check("hv1", slice_(), seen)
    assert str(finding) == "host hv1: 1 is so. [WEFT-P11-x]\n    Remedy: Mend it."
