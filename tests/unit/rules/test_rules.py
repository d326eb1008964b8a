# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is right passes, and what is wrong is reported all at once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError, path_key
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts, parse
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import check, load
from ansible_collections.weft.vpc.plugins.plugin_utils.rules.registry import rule
from ansible_collections.weft.vpc.tests.tools.intents import findings_of, walkthrough
from ansible_collections.weft.vpc.tests.tools.scale import scale


def ids(variables: dict[str, Any], hosts: Hosts) -> set[str]:
    return {finding.rule for finding in findings_of(variables, hosts)}


def test_the_walkthrough_is_right() -> None:
    intent, warnings = load(*walkthrough())
    assert warnings == []
    assert intent.fabric.name == "shanghai"


def test_a_public_gateway_outside_the_ranges_is_right() -> None:
    variables, hosts = walkthrough()
    network = variables["weft_provider_networks"][0]
    assert (network["gateway"], network["ip_ranges"][0]["start"]) == ("10.0.0.1", "10.172.11.2")
    assert ids(variables, hosts) == set()


def test_two_tenants_may_use_the_same_names() -> None:
    variables, hosts = walkthrough()
    vpc = variables["weft_vpcs"][1]
    vpc["name"] = "vpc-1"
    vpc["networks"][0]["name"] = "vpc-1-1"
    for instance in variables["weft_instances"][6:]:
        instance["name"] = instance["name"].replace("other-", "vpc-ins")
        instance["nics"] = [{"network": "vpc-1-1"}]
    assert ids(variables, hosts) == set()


def test_one_port_may_serve_two_protocols() -> None:
    variables, hosts = walkthrough()
    forwards = variables["weft_vpcs"][0]["port_forwards"]
    forwards.append(forwards[0] | {"name": "udp", "protocol": "udp"})
    assert ids(variables, hosts) == set()


def test_a_port_may_have_a_listener_of_tcp_and_one_of_udp() -> None:
    variables, hosts = walkthrough()
    listeners = variables["weft_vpcs"][0]["load_balancers"][0]["listeners"]
    listeners.append(listeners[0] | {"name": "udp", "protocol": "udp", "health_check": {"type": "icmp"}})
    assert ids(variables, hosts) == set()


def test_a_range_of_ports_may_be_shifted() -> None:
    variables, hosts = walkthrough()
    forward = variables["weft_vpcs"][0]["port_forwards"][0]
    forward |= {"port": "3000-4023", "target_port": "5000-6023"}
    assert ids(variables, hosts) == set()


def test_a_pair_of_pools_may_share_vnis_when_no_host_has_both() -> None:
    variables, hosts = walkthrough()
    pools = variables["weft_vxlan_pools"]
    pools.append(pools[0] | {"name": "second", "clusters": []})
    assert ids(variables, hosts) == set()
    pools[1]["clusters"] = [pools[0]["clusters"][1]]
    assert ids(variables, hosts) == {"WEFT-P1-meet"}


def test_vteps_can_be_given_where_no_address_was_seen() -> None:
    variables, hosts = walkthrough()
    unseen = {name: HostFacts(name, None, f"172.20.0.{number}") for number, name in enumerate(hosts.by_name)}
    assert ids(variables, Hosts(unseen, hosts.groups)) == set()


def test_a_host_outside_all_clusters_need_not_be_known() -> None:
    variables, hosts = walkthrough()
    more = dict(hosts.by_name) | {"laptop": HostFacts("laptop")}
    assert ids(variables, Hosts(more, hosts.groups)) == set()


def test_an_elastic_ip_of_the_second_nic() -> None:
    variables, hosts = walkthrough()
    variables["weft_instances"][0]["nics"].append({"network": "vpc-1-2"})
    variables["weft_vpcs"][0]["elastic_ips"].append(
        {"name": "eip-c", "network": "L3-public", "target": "vpc-ins1:1", "outbound": True}
    )
    assert ids(variables, hosts) == set()


def test_a_shared_segment_is_only_a_warning() -> None:
    variables, hosts = walkthrough()
    variables["weft_vpcs"][0]["networks"][1]["shared_segment_with"] = "vpc-1-1"
    _intent, warnings = load(variables, hosts)
    assert [(warning.rule, warning.severity) for warning in warnings] == [("WEFT-P3-sharing", "warning")]


def test_all_errors_come_together_and_in_order() -> None:
    variables, hosts = walkthrough()
    variables["weft_instances"][0]["host"] = "hv9"
    variables["weft_vpcs"][0]["networks"][1]["cidr"] = "192.168.20.0/25"
    variables["weft_vpcs"][0]["virtual_ips"][0]["ip"] = "10.0.0.1"
    variables["weft_vxlan_pools"][0]["clusters"][0]["vtep_cidr"] = "172.22.0.0/24"
    with pytest.raises(IntentError) as caught:
        load(variables, hosts)
    rules = [finding.rule for finding in caught.value.findings]
    assert rules == ["WEFT-R1-host", "WEFT-R3-overlap", "WEFT-N1-gateway", "WEFT-P2-missing", "WEFT-P2-missing"]
    paths = [finding.path for finding in caught.value.findings]
    assert paths == sorted(paths, key=path_key)
    assert str(caught.value).count("    Remedy: ") == len(rules)


def test_a_rule_is_registered_once() -> None:
    with pytest.raises(ValueError, match="two rules"):
        rule("WEFT-R3-overlap")(lambda intent: iter(()))


def test_a_large_intent_is_right_and_its_cost_linear() -> None:
    def seconds(vpcs: int) -> float:
        variables, hosts = scale(vpcs)
        start = time.process_time()
        assert check(parse(variables, hosts)) == []
        return time.process_time() - start

    seconds(10)
    small, large = min(seconds(200) for _ in range(3)), seconds(2000)
    assert large < 30 * small  # ten times as much, with room for other work on the machine


def test_one_slip_that_concerns_thousands_is_told_quickly() -> None:
    variables, hosts = scale(500)
    for instance in variables["weft_instances"]:
        instance["nics"][0]["network"] += "x"
    start = time.process_time()
    findings = findings_of(variables, hosts)
    assert len(findings) >= 5000
    assert time.process_time() - start < 20
