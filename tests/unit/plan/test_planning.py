"""A planning run from variables to plan and ledger, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import LedgerFile, Link
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import diff, store
from ansible_collections.weft.vpc.plugins.plugin_utils.planning import Host, Inventory, Outcome, emptied, make, moved_on
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LAST = {"hv1": 11, "hv2": 12, "gw1": 21}


def inventory(*, surveyed: bool = True, without: str = "") -> Inventory:
    hosts = {
        name: Host(links={"eth2": Link((f"172.20.0.{last}/24",), 1500)} if surveyed else None)
        for name, last in LAST.items()
        if name != without
    }
    groups = {"cluster1": ["hv1", "hv2"], "router_nodes": ["gw1"]}
    return Inventory(hosts, {group: [host for host in members if host in hosts] for group, members in groups.items()})


def plan(
    directory: Path, variables: dict[str, Any], hosts: Inventory | None = None, *, dry_run: bool = False
) -> Outcome:
    ledger = LedgerFile(directory / "weft-ledger.json", "shanghai")
    return make(variables, hosts or inventory(), ledger, NOW, dry_run=dry_run)


@pytest.fixture
def variables() -> dict[str, Any]:
    return walkthrough()[0]


def test_a_dry_run_plans_the_same_and_writes_nothing(tmp_path: Path, variables: dict[str, Any]) -> None:
    dry = plan(tmp_path, variables, dry_run=True)
    assert not (tmp_path / "weft-ledger.json").exists()
    assert dry.plan == plan(tmp_path, variables).plan
    assert (tmp_path / "weft-ledger.json").exists()


def test_a_second_plan_is_the_first(tmp_path: Path, variables: dict[str, Any]) -> None:
    first = plan(tmp_path, variables)
    second = plan(tmp_path, variables)
    assert (second.plan, second.changes) == (first.plan, [])


def test_hosts_of_an_earlier_survey_are_remembered(tmp_path: Path, variables: dict[str, Any]) -> None:
    with pytest.raises(IntentError, match="never been surveyed"):
        plan(tmp_path, variables, inventory(surveyed=False))
    first = plan(tmp_path, variables)
    assert plan(tmp_path, variables, inventory(surveyed=False)).plan == first.plan


def test_order_in_the_inventory_changes_nothing(tmp_path: Path, variables: dict[str, Any]) -> None:
    first = plan(tmp_path, variables).plan
    variables["weft_instances"].reverse()
    variables["weft_vpcs"].reverse()
    variables["weft_vpcs"][1]["networks"].reverse()
    variables["weft_vpcs"][1]["elastic_ips"].reverse()
    second = plan(tmp_path, variables).plan
    differing = [
        (one.key, [name for name, _old, _new in one.attributes]) for one in diff.changes(first.hosts, second.hosts)
    ]
    assert differing == []


def test_an_added_elastic_ip_is_all_that_a_plan_adds(tmp_path: Path, variables: dict[str, Any]) -> None:
    first = plan(tmp_path, variables).plan
    variables["weft_vpcs"][0]["elastic_ips"].append({"name": "eip-c", "network": "L3-public", "target": "vpc-ins3"})
    found = diff.changes(first.hosts, plan(tmp_path, variables).plan.hosts)
    assert [(one.action, one.key, one.host) for one in found] == [("create", "elastic IP admin/vpc-1/eip-c", "gw1")]
    assert diff.summary(found) == "Plan: 1 to create, 0 to change, 0 to destroy."


def test_a_fabric_taken_down_tells_every_host_nothing(tmp_path: Path, variables: dict[str, Any]) -> None:
    before = plan(tmp_path, variables).plan
    after = plan(tmp_path, emptied(variables)).plan
    assert after.hosts.keys() == before.hosts.keys()
    found = diff.changes(before.hosts, after.hosts)
    assert found and {one.action for one in found} == {"destroy"}


def test_what_is_only_planned_releases_nothing(tmp_path: Path, variables: dict[str, Any]) -> None:
    ledger = LedgerFile(tmp_path / "weft-ledger.json", "shanghai")
    plan(tmp_path, variables)
    variables["weft_vpcs"][0]["elastic_ips"].pop()
    only_planned = make(variables, inventory(), ledger, NOW, dry_run=False, release=False)
    assert (only_planned.changes, ledger.read().tombstones) == ([], {})
    assert len(plan(tmp_path, variables).changes) == len(ledger.read().tombstones) == 1


def test_a_saved_plan_is_refused_once_the_intent_has_moved_on(tmp_path: Path, variables: dict[str, Any]) -> None:
    saved = plan(tmp_path, variables).plan
    assert moved_on(saved.inventory, variables, inventory(), saved.intent) == []
    variables["weft_vpcs"][0]["elastic_ips"].pop()
    assert "intent" in moved_on(saved.inventory, variables, inventory(), saved.intent)[0]


def test_a_saved_plan_fits_a_slice_of_the_inventory_but_not_another_host(
    tmp_path: Path, variables: dict[str, Any]
) -> None:
    saved = plan(tmp_path, variables).plan
    assert moved_on(saved.inventory, variables, inventory(without="hv2"), saved.intent) == []
    changed = Inventory({**inventory().hosts, "hv1": Host(vtep_ip="172.20.0.99")}, inventory().groups)
    assert "host hv1" in moved_on(saved.inventory, variables, changed, saved.intent)[0]
    added = Inventory({**inventory().hosts, "hv9": Host()}, {**inventory().groups, "cluster1": ["hv1", "hv2", "hv9"]})
    assert "host hv9" in moved_on(saved.inventory, variables, added, saved.intent)[0]


def test_a_plan_file_keeps_the_plan(tmp_path: Path, variables: dict[str, Any]) -> None:
    saved = plan(tmp_path, variables).plan
    store.save(saved, tmp_path / "weft.plan")
    assert store.load(tmp_path / "weft.plan") == saved
    assert store.load_slice(tmp_path / "weft.plan", "hv1") == saved.hosts["hv1"]
    assert store.load_slice(tmp_path / "weft.plan", "stranger") is None


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 but torn"])
def test_what_is_no_plan_is_refused_in_words(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "weft.plan"
    with pytest.raises(store.PlanError, match=r"make one with the playbook weft\.vpc\.plan"):
        store.load_header(path)
    path.write_bytes(content)
    with pytest.raises(store.PlanError, match="cannot be read as a plan"):
        store.load_header(path)


def test_what_was_applied_is_remembered_by_host(tmp_path: Path, variables: dict[str, Any]) -> None:
    saved = plan(tmp_path, variables).plan
    for host, slice_ in saved.hosts.items():
        store.record_applied(tmp_path / "applied", host, slice_)
    assert diff.changes(store.load_applied(tmp_path / "applied"), saved.hosts) == []
    (tmp_path / "applied/hv1.json").write_text("{")
    with pytest.raises(store.PlanError, match=r"hv1\.json"):
        store.load_applied(tmp_path / "applied")
