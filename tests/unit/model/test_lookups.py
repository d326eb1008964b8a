# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Look-ups of the intent."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.addressing import Vtep, VtepError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts, Intent, parse
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough


@pytest.fixture
def intent() -> Intent:
    return parse(*walkthrough())


def test_by_name(intent: Intent) -> None:
    for found, name in (
        (intent.tenant("admin1"), "admin1"),
        (intent.provider_network("L3-public"), "L3-public"),
        (intent.pool("vxlan-pool"), "vxlan-pool"),
        (intent.image("debian-12"), "debian-12"),
        (intent.offering("vr"), "vr"),
        (intent.vpc("admin", "vpc-1"), "vpc-1"),
        (intent.host("hv1"), "hv1"),
    ):
        assert found is not None
        assert found.name == name


def test_nothing_is_found_by_wrong_names(intent: Intent) -> None:
    found = (
        intent.tenant("x"),
        intent.provider_network("x"),
        intent.pool("x"),
        intent.image("x"),
        intent.offering("x"),
        intent.host("x"),
        intent.vpc("admin1", "vpc-1"),
        intent.network("admin1", "vpc-1-1"),
        intent.network("admin", "vpc-2/vpc-1-1"),
        intent.instance("admin1", "vpc-ins1"),
        intent.attachment("admin", "x"),
    )
    assert set(found) == {None}


def test_networks(intent: Intent) -> None:
    found = intent.network("admin", "vpc-1-2")
    assert found == intent.network("admin", "vpc-1/vpc-1-2")
    assert found is not None
    assert (found.vpc.key, found.network.name) == ("admin/vpc-1", "vpc-1-2")
    assert intent.vpc_of(found.network) is intent.vpcs[0]
    assert intent.attachment("admin", "L3-public") is intent.provider_networks[0]


def test_a_name_that_two_vpcs_have_is_ambiguous() -> None:
    variables, hosts = walkthrough()
    variables["weft_vpcs"][1] |= {"tenant": "admin"}
    variables["weft_vpcs"][1]["networks"][0]["name"] = "vpc-1-1"
    intent = parse(variables, hosts)
    assert intent.network("admin", "vpc-1-1") is None
    assert len(intent.networks_named("admin", "vpc-1-1")) == 2
    assert intent.network("admin", "vpc-2/vpc-1-1") is not None


@pytest.mark.parametrize(("shared_with", "found"), [((), False), (["admin"], True), ("all", True), (["x"], False)])
def test_a_shared_network_is_named_in_full(shared_with: object, found: bool) -> None:
    variables, hosts = walkthrough()
    variables["weft_vpcs"][1]["networks"][0]["shared_with"] = shared_with
    intent = parse(variables, hosts)
    assert (intent.network("admin", "admin1/vpc-2/vpc-2-1") is not None) == found
    assert intent.network("admin1", "admin1/vpc-2/vpc-2-1") == intent.network("admin1", "vpc-2-1")
    assert intent.network("admin", "vpc-2/vpc-2-1") is intent.network("admin", "vpc-2-1") is None


@pytest.mark.parametrize(
    ("ref", "key"),
    [
        ("vpc-ins1", "admin/vpc-ins1/0"),
        ("vpc-ins1:0", "admin/vpc-ins1/0"),
        ("vpc-ins1:1", None),
        ("vpc-ins1:-1", None),
        ("vpc-ins1:", None),
        ("vpc-ins1:x", None),
        ("vpc-ins1:99999999999", None),
        (":0", None),
    ],
)
def test_instances(intent: Intent, ref: str, key: str | None) -> None:
    found = intent.instance("admin", ref)
    assert (found and found.key) == key


def test_nics_of(intent: Intent) -> None:
    refs = intent.nics_of(intent.vpcs[0].networks[0])
    assert [ref.key for ref in refs] == [
        "admin/vpc-ins1/0",
        "admin/vpc-port-test-1/0",
        "admin/vpc-port-test-2/0",
        "admin/vpc-port-test-3/0",
    ]
    assert str(refs[1].nic.ip) == "192.168.20.154"
    assert [ref.key for ref in intent.nics_of(intent.vpcs[1].networks[0])] == ["admin1/other-1/0", "admin1/other-2/0"]
    assert intent.nics_of(intent.provider_networks[0]) == ()


def test_hosts(intent: Intent) -> None:
    pool, network = intent.vxlan_pools[0], intent.provider_networks[0]
    assert list(intent.pool_hosts(pool)) == ["hv1", "hv2", "gw1"]
    assert intent.hosts_in(["router_nodes", "cluster1", "router_nodes"]) == ("gw1", "hv1", "hv2")
    assert intent.provider_hosts(network) == {"gw1"}
    assert intent.vtep(pool, "gw1") == Vtep("eth2", IPv4Address("172.20.0.21"))
    with pytest.raises(VtepError, match="no cluster"):
        intent.vtep(pool, "hv9")


def test_what_hosts_say_of_themselves() -> None:
    variables, hosts = walkthrough()
    eth5 = (("eth5", IPv4Interface("172.20.0.99/24")),)
    gw1 = HostFacts("gw1", eth5, "172.20.0.99", {"L3-public": "ens7"})
    intent = parse(variables, Hosts(dict(hosts.by_name) | {"gw1": gw1}, hosts.groups))
    assert intent.vtep(intent.vxlan_pools[0], "gw1") == Vtep("eth5", IPv4Address("172.20.0.99"))
    assert intent.provider_interface(intent.provider_networks[0], "gw1") == "ens7"
    assert intent.provider_interface(intent.provider_networks[0], "hv1") == "eth1"
