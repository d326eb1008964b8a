"""Reservations and dedicated ranges over the life of a fabric: kept, refused, widened again (rows A3, A8)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerFile, Link
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.planning import Host, Inventory, make
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST, SECOND = {"start": "10.172.11.10", "end": "10.172.11.12"}, {"start": "10.172.11.50", "end": "10.172.11.100"}


class Life:
    """One fabric, planned again and again as its inventory changes."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "weft-ledger.json"
        self.variables: dict[str, Any] = walkthrough()[0]
        self.admin, self.admin1 = self.variables["weft_vpcs"]
        (self.public,) = self.variables["weft_provider_networks"]
        (self.pool,) = self.variables["weft_vxlan_pools"]
        self.subnet = self.admin["networks"][0]

    def plan(self) -> dict[str, Any]:
        hosts = {
            name: Host(links={"eth2": Link((f"172.20.0.{last}/24",), 1500)})
            for name, last in {"hv1": 11, "hv2": 12, "gw1": 21}.items()
        }
        inventory = Inventory(hosts, {"cluster1": ["hv1", "hv2"], "router_nodes": ["gw1"]})
        make(self.variables, inventory, LedgerFile(self.path, "shanghai"), NOW, dry_run=False)
        entries = LedgerFile(self.path, "shanghai").read().entries
        return {key: entry.value for key, entry in entries.items()}

    def refused(self) -> str:
        before = self.path.read_bytes()
        with pytest.raises(IntentError) as error:
            self.plan()
        assert self.path.read_bytes() == before
        return str(error.value)


@pytest.fixture
def life(tmp_path: Path) -> Life:
    return Life(tmp_path)


def guests(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key.endswith("/0:ip") and str(value)[:11] == "192.168.20."}


def test_a_guest_range_is_narrowed_and_widened_again(life: Life) -> None:
    before = guests(life.plan())
    assert before["admin/vpc-ins1/0:ip"] == "192.168.20.2"
    life.subnet["ip_ranges"] = [{"start": "192.168.20.100", "end": "192.168.20.240"}]
    said = life.refused()
    assert "'192.168.20.2' is the recorded address of instance vpc-ins1, but network admin/vpc-1/vpc-1-1 now" in said
    life.subnet["ip_ranges"] = [
        {"start": "192.168.20.2", "end": "192.168.20.3"},
        {"start": "192.168.20.160", "end": "192.168.20.254"},
    ]
    said = life.refused()
    assert "weft_instances[3].nics[0].ip: '192.168.20.154' lies outside the ranges 192.168.20.2-192.168.20.3" in said
    life.subnet["ip_ranges"][1]["start"] = "192.168.20.154"
    assert guests(life.plan()) == before
    for number in range(2, 4):
        life.variables["weft_instances"].append(
            {"name": f"late-{number}", "tenant": "admin", "host": "hv1", "nics": [{"network": "vpc-1-1"}]}
        )
    values = life.plan()
    assert (values["admin/late-2/0:ip"], values["admin/late-3/0:ip"]) == ("192.168.20.3", "192.168.20.155")
    life.variables["weft_instances"].append(
        {"name": "late-4", "tenant": "admin", "host": "hv1", "nics": [{"network": "vpc-1-1", "ip": "192.168.20.9"}]}
    )
    assert "192.168.20.9" in life.refused()
    del life.subnet["ip_ranges"]
    after = life.plan()
    assert after["admin/late-4/0:ip"] == "192.168.20.9"
    assert values.items() <= after.items()


def test_a_tenants_own_addresses_come_first_and_the_systems_after(life: Life) -> None:
    life.public["ip_ranges"] = [{**FIRST, "tenant": "admin1"}, SECOND]
    life.admin1["elastic_ips"] = [{"name": f"eip-{number}", "network": "L3-public"} for number in range(3)]
    values = life.plan()
    own = {key: value for key, value in values.items() if key.startswith("admin1/vpc-2") and "_ip" in key}
    assert own == {
        "admin1/vpc-2/eip-0:elastic_ip": "10.172.11.10",
        "admin1/vpc-2/eip-1:elastic_ip": "10.172.11.11",
        "admin1/vpc-2/eip-2:elastic_ip": "10.172.11.12",
        "admin1/vpc-2:public_ip": "10.172.11.53",
    }
    assert values["admin/vpc-1/eip-a:elastic_ip"] == "10.172.11.50"
    life.variables["weft_tenants"][1]["use_system_public_ips"] = False
    said = life.refused()
    assert "'10.172.11.53' is the recorded address of router of VPC vpc-2" in said
    assert "now gives only 10.172.11.10-10.172.11.12 for tenant admin1" in said
    del life.admin1["elastic_ips"][0]
    life.admin1["router"]["public_ip"] = "10.172.11.10"
    assert life.plan()["admin1/vpc-2:public_ip"] == "10.172.11.10"
    life.admin1["elastic_ips"].append({"name": "eip-3", "network": "L3-public"})
    said = life.refused()
    assert "network L3-public has no address left for elastic IP eip-3" in said
    assert "of 3 (10.172.11.10-10.172.11.12 for tenant admin1), 3 are in use" in said


def test_a_range_is_not_taken_from_who_has_an_address_in_it(life: Life) -> None:
    before = life.plan()
    life.public["ip_ranges"] = [
        {"start": "10.172.11.2", "end": "10.172.11.10", "tenant": "admin1"},
        {"start": "10.172.11.11", "end": "10.172.11.100"},
    ]
    said = life.refused()
    assert "'10.172.11.2' is the recorded address of elastic IP eip-a" in said
    assert "10.172.11.11-10.172.11.100" in said
    life.public["ip_ranges"][0]["tenant"] = "admin"
    assert "router of VPC vpc-2" in life.refused(), "whose address would now be another tenant's"
    life.public["ip_ranges"][0]["end"] = "10.172.11.4"
    life.public["ip_ranges"][1]["start"] = "10.172.11.5"
    assert life.plan() == before, "what is recorded stays while it is legal"
    life.public["reserved_ips"] = ["10.172.11.5", "10.172.11.9"]
    assert "'10.172.11.5' is the recorded address of router of VPC vpc-2" in life.refused()
    life.public["reserved_ips"] = ["10.172.11.6"]
    life.admin1["elastic_ips"] = [{"name": "eip", "network": "L3-public"}]
    assert life.plan()["admin1/vpc-2/eip:elastic_ip"] == "10.172.11.7"


def test_vnis_are_a_tenants_own_too(life: Life) -> None:
    life.pool["vni_ranges"] = [{"start": 200, "end": 300}, {"start": 900, "end": 901, "tenant": "admin1"}]
    life.variables["weft_tenants"][1]["use_system_vnis"] = False
    assert life.plan()["admin1/vpc-2/vpc-2-1:vni"] == 900
    for number in (2, 3):
        network = {"name": f"vpc-2-{number}", "pool": "vxlan-pool", "cidr": f"192.168.{number}.0/24"}
        life.admin1["networks"].append(network)
    assert "no VNI left for network vpc-2-3: of 2 (900-901 for tenant admin1), 2 are in use" in life.refused()
    life.variables["weft_tenants"][1]["use_system_vnis"] = True
    values = life.plan()
    assert (values["admin1/vpc-2/vpc-2-2:vni"], values["admin1/vpc-2/vpc-2-3:vni"]) == (901, 202)


def test_quotas_hold_for_dedicated_addresses(life: Life) -> None:
    life.public["ip_ranges"] = [{**FIRST, "tenant": "admin1"}, SECOND]
    life.variables["weft_tenants"][1]["quotas"] = {"public_ips": 1}
    life.admin1["elastic_ips"] = [{"name": "eip", "network": "L3-public"}]
    with pytest.raises(IntentError, match="quota of public addresses"):
        life.plan()
