# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Parsing: what becomes of values, and what is said about wrong ones."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.model import (
    SHAPE_RULES,
    Hosts,
    Intent,
    Network,
    PortRange,
    Vpc,
    parse,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model import __file__ as model_file
from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import nearest
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough


@pytest.fixture
def intent() -> Intent:
    return parse(*walkthrough())


def faults(change: Any) -> list[str]:
    variables, hosts = walkthrough()
    change(variables)
    with pytest.raises(IntentError) as caught:
        parse(variables, hosts)
    return [f"{finding.path} {finding.rule}" for finding in caught.value.findings]


def test_defaults(intent: Intent) -> None:
    network = intent.vpcs[0].networks[1]
    assert (network.vni, network.dhcp, network.snat.enabled, network.snat.virtual_ip) == (None, True, True, None)
    assert network.gateway_ip == IPv4Address("192.168.21.1")
    ends = [str(IPv4Address(end)) for span in network.spans for end in span]
    assert ends == ["192.168.21.2", "192.168.21.254"]
    pool = intent.vxlan_pools[0]
    assert (pool.udp_port, pool.mtu, pool.overlay_mtu, pool.mode) == (4789, 1500, 1450, "static")
    assert intent.vpcs[0].routes[1].distance == 128
    check = intent.vpcs[0].load_balancers[0].listeners[0].health_check
    assert (check.interval, check.timeout, check.rise, check.fall) == (5, 2, 2, 6)


def test_values_are_typed(intent: Intent) -> None:
    vpc = intent.vpcs[0]
    assert vpc.networks[0].cidr == IPv4Network("192.168.20.0/24")
    assert vpc.port_forwards[0].ports == PortRange(2222, 2222)
    assert vpc.port_forwards[0].target_ports == PortRange(23, 23)
    assert intent.router_offerings[0].memory_bytes == 4 * 2**30
    assert intent.router_offerings[1].cpus == 0.5
    assert intent.instances[1].nics[0].allowed_addresses == (IPv4Network("172.31.0.0/16"),)
    assert vpc.routes[0].next_hop_ip is None


def test_forms_of_ports_snat_and_options() -> None:
    variables, hosts = walkthrough()
    vpc = variables["weft_vpcs"][0]
    vpc["port_forwards"][0]["port"] = "2000-2010"
    del vpc["port_forwards"][0]["target_port"]
    vpc["networks"][0] |= {"snat": False, "dhcp_options": {"66": "boot", 150: "192.0.2.1", 46: 8}}
    vpc["port_forwards"][0]["allowed_cidrs"] = ["192.0.2.0/24", "192.0.2.7"]
    parsed = parse(variables, hosts).vpcs[0]
    assert parsed.port_forwards[0].target_ports == PortRange(2000, 2010)
    assert not parsed.networks[0].snat.enabled
    assert parsed.networks[0].dhcp_options == {66: "boot", 150: "192.0.2.1", 46: 8}
    assert parsed.port_forwards[0].allowed_cidrs[1] == IPv4Network("192.0.2.7/32")


def test_macs_have_one_form() -> None:
    variables, hosts = walkthrough()
    variables["weft_instances"][0]["nics"][0]["mac"] = "02-AB-00-00-00-01"
    assert parse(variables, hosts).instances[0].nics[0].mac == "02:ab:00:00:00:01"


def test_objects_know_their_place_and_do_not_compare_it(intent: Intent) -> None:
    assert intent.vpcs[0].networks[2].snat.path == "weft_vpcs[0].networks[2].snat"
    assert intent.vpcs[0].load_balancers[0].listeners[0].path == "weft_vpcs[0].load_balancers[0].listeners[0]"
    assert intent.instances[7].nics[0].path == "weft_instances[7].nics[0]"
    variables, hosts = walkthrough()
    variables["weft_vpcs"].reverse()
    assert parse(variables, hosts).vpcs[1] == intent.vpcs[0]
    assert Network.model_validate({"name": "a", "pool": "p", "cidr": "10.0.0.0/24"}).path == ""


def test_objects_are_frozen(intent: Intent) -> None:
    with pytest.raises(ValidationError):
        intent.vpcs[0].name = "other"  # type: ignore[misc]


def test_default_nic() -> None:
    variables, hosts = walkthrough()
    nics: list[dict[str, Any]] = [{"network": "vpc-1-1"}, {"network": "vpc-1-2"}]
    variables["weft_instances"][0]["nics"] = nics
    assert parse(variables, hosts).instances[0].default_nic == 0
    nics[0]["default"] = False
    assert parse(variables, hosts).instances[0].default_nic == 1
    nics[1]["default"] = False
    assert parse(variables, hosts).instances[0].default_nic is None
    nics[1]["default"] = True
    assert parse(variables, hosts).instances[0].default_nic == 1


def test_everything_wrong_is_collected() -> None:
    def change(variables: dict[str, Any]) -> None:
        variables["weft_vpcs"][0]["netwroks"] = []
        variables["weft_vpcs"][0]["networks"][1]["cidr"] = "192.168.20.1/24"
        variables["weft_vpcs"][1]["router"] = 7
        variables["weft_instances"] = {}
        variables["weft_vpcs"].append(None)

    assert faults(change) == [
        "weft_instances WEFT-intent-type",
        "weft_vpcs[0].networks[1].cidr WEFT-A1-host-bits",
        "weft_vpcs[0].netwroks WEFT-intent-key",
        "weft_vpcs[1].router WEFT-intent-type",
        "weft_vpcs[2] WEFT-intent-type",
    ]


@pytest.mark.parametrize(
    "value", [True, "22", 22.0, None, [], 0, 65536, 10**5000], ids=lambda value: type(value).__name__
)
def test_a_port_is_a_whole_number(value: object) -> None:
    def change(variables: dict[str, Any]) -> None:
        variables["weft_vpcs"][0]["load_balancers"][0]["listeners"][0]["port"] = value

    assert len(faults(change)) == 1


def test_keys_that_cannot_be_keys() -> None:
    def change(variables: dict[str, Any]) -> None:
        variables["weft_fabric"] |= {"a b": 1, 7: 1, "x" * 500: 2}
        variables["weft_vpcs"][0]["\ud800"] = 1

    found = faults(change)
    assert len(found) == 4
    assert all(len(text) < 150 for text in found)
    "\n".join(found).encode()


def test_variables_of_others_are_ignored() -> None:
    variables, hosts = walkthrough()
    others: dict[Any, Any] = {"ansible_host": "x", "weftish": 1, 5: 1, "weft_plan_file": "p"}
    assert parse(variables | others, hosts).fabric.name == "shanghai"


def test_an_empty_fabric_is_enough() -> None:
    intent = parse({"weft_fabric": {"name": "f"}, "weft_vpcs": None}, Hosts())
    assert intent.vpcs == ()


def test_nearest_names() -> None:
    assert nearest("netwroks", Vpc.model_fields) == "networks"
    assert nearest("NETWORKS", Vpc.model_fields) == "networks"
    assert nearest("zzz", Vpc.model_fields) is None
    assert nearest("tenant-4999x", (f"tenant-{i}" for i in range(100_000))) is not None


def test_every_id_of_the_model_is_listed() -> None:
    sources = "".join(path.read_text() for path in Path(model_file or "").parent.glob("*.py"))
    assert set(re.findall(r"WEFT-\w+-[a-z0-9-]+", sources)) == SHAPE_RULES.keys()
