# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Several public networks on one router: links, exits, and the source that each subnet leaves with."""

from __future__ import annotations

from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent, parse
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import demands, eip, exits, snat
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.context import Context
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough


def intent(edit: Any = None, **choices: Any) -> Intent:
    variables, hosts = walkthrough()
    network = {"name": "leased", "interface": "eth3", "clusters": ["router_nodes"], "services": ["public"]}
    variables["weft_provider_networks"].append({**network, "cidr": "198.51.100.0/24", "gateway": "198.51.100.1"})
    if edit is not None:
        edit(variables["weft_vpcs"][0])
    nics = {one["name"]: one["nics"][0] for one in variables["weft_instances"]}
    for name, choice in choices.items():
        nics[name]["snat"] = choice
    return parse(variables, hosts)


def context(wanted: Intent) -> Context:
    """Values as a ledger gives them, only that each is just different from the others."""
    values = {one.key: one.fixed or number for number, one in enumerate(demands.requests(wanted), start=2)}
    return Context(wanted, values)


def with_leased(vpc: Any) -> None:
    vpc["router"]["public_networks"] = [{"network": "leased", "ip": "198.51.100.91"}]
    vpc["networks"][0]["snat"] = {"network": "leased", "enabled": False}
    vpc["networks"][1]["snat"] = {"virtual_ip": "vip-2"}
    vpc["virtual_ips"].append({"name": "vip-2", "network": "leased"})
    vpc["elastic_ips"].append({"name": "eip-c", "network": "leased", "target": "vpc-ins3"})


def test_one_public_network_needs_no_exits() -> None:
    wanted = intent()
    public = exits.links(context(wanted), wanted.vpcs[0])
    assert [(link.exit, link.address) for link in public.values()] == [(1, "10.172.11.91")]
    assert exits.exits(context(wanted), wanted.vpcs[0], public) == ()


def test_each_subnet_and_elastic_ip_has_its_exit() -> None:
    wanted = intent(with_leased)
    vpc, run = wanted.vpcs[0], context(wanted)
    public = exits.links(run, vpc)
    leased = public["leased"]
    assert list(public) == ["L3-public", "leased"]
    assert (leased.address, leased.gateway, leased.cidr) == ("198.51.100.91", "198.51.100.1", "198.51.100.0/24")
    found = {one.cidr: one.exit for one in exits.exits(run, vpc, public)}
    assert found == {"192.168.20.0/24": leased.exit, "192.168.21.0/24": leased.exit, "192.168.22.0/24": 1}
    assert {one.name: one.exit for one in eip.elastic_ips(run, vpc, public)} == {
        "eip-a": 1,
        "eip-b": 1,
        "eip-c": leased.exit,
    }


def test_nics_choose_as_whom_and_which_way_they_leave() -> None:
    choices: dict[str, Any] = {
        "vpc-ins1": {"virtual_ip": "vip-2"},
        "vpc-ins2": {"enabled": False},
        "vpc-ins3": True,
        "vpc-port-test-1": {"network": "L3-public"},
    }
    wanted = intent(with_leased, **choices)
    vpc, run = wanted.vpcs[0], context(wanted)
    public = exits.links(run, vpc)
    leased = public["leased"]
    found = {one.key.split("/")[1]: (one.address, one.exit) for one in snat.nic_source_nats(run, vpc, public)}
    assert found == {
        "vpc-ins1": (run.text("admin/vpc-1/vip-2:virtual_ip"), leased.exit),
        "vpc-ins2": (None, leased.exit),
        "vpc-ins3": ("10.172.11.91", 1),
        "vpc-port-test-1": ("10.172.11.91", 1),
    }
