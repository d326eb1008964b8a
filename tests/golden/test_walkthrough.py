"""The plan of the walkthrough and every file it renders, as committed: a reviewer sees what a change really does.

Make them anew with WEFT_UPDATE_GOLDENS=1.
"""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Interface
from pathlib import Path

import pytest
import yaml

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import Ledger, allocate
from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts
from ansible_collections.weft.vpc.plugins.plugin_utils.plan import store
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.demands import requests
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import Plan, make_plan
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import Item, render
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import load

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).parent / "walkthrough"
ADDRESSES = {"hv1": 11, "hv2": 12, "gw1": 21, "gw2": 22}
GROUPS = {"all": list(ADDRESSES), "cluster1": ["hv1", "hv2"], "router_nodes": ["gw1", "gw2"]}


@pytest.fixture(scope="module")
def plan() -> Plan:
    text = (ROOT / "inventories/walkthrough/group_vars/all/fabric.yml").read_text(encoding="utf-8")
    hosts = Hosts(
        {
            name: HostFacts(name, (("eth2", IPv4Interface(f"172.20.0.{last}/24")),), mtus={"eth2": 1500})
            for name, last in ADDRESSES.items()
        },
        GROUPS,
    )
    intent, warnings = load(yaml.safe_load(text), hosts)
    assert warnings == []
    allocation = allocate(
        Ledger("shanghai"), list(requests(intent)), datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)
    )
    assert allocation.findings == []
    return make_plan(intent, allocation.values, "0" * 64, {host: {} for host in ADDRESSES})


def rendered(plan: Plan) -> dict[str, str]:
    """Return path below the golden directory -> content."""
    found = {
        f"{host}/plan.json": json.dumps(slice_, indent=1, sort_keys=True) + "\n" for host, slice_ in plan.hosts.items()
    }
    for host, slice_ in plan.hosts.items():
        items = render(slice_)
        found[f"{host}/items.json"] = json.dumps([_without_files(item) for item in items], indent=1) + "\n"
        for item in items:
            for file in item["files"]:
                path = f"{host}/{item['scope'].replace(':', '-')}{file['path']}"
                assert path not in found, f"two items write {path}"
                found[path] = file["content"] if "content" in file else f"-> {file['link']}\n"
    return found


def _without_files(item: Item) -> Item:
    return {**item, "files": [file["path"] for file in item["files"]]}


def test_what_the_walkthrough_renders_is_what_is_committed(plan: Plan) -> None:
    found = rendered(plan)
    if os.environ.get("WEFT_UPDATE_GOLDENS"):
        shutil.rmtree(GOLDEN, ignore_errors=True)
        for name, content in found.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(content, encoding="utf-8")
    committed = {
        str(path.relative_to(GOLDEN)): path.read_text(encoding="utf-8") for path in GOLDEN.rglob("*") if path.is_file()
    }
    assert found.keys() == committed.keys()
    assert {name for name in found if found[name] != committed[name]} == set()


def test_the_same_inputs_give_the_same_bytes(plan: Plan, tmp_path: Path) -> None:
    store.save(plan, tmp_path / "one")
    store.save(store.load(tmp_path / "one"), tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_segment_is_only_where_something_is_on_it(plan: Plan) -> None:
    where = {
        vni: {host for host, slice_ in plan.hosts.items() if vni in [one["vni"] for one in slice_["segments"]]}
        for vni in (222, 200, 201)
    }
    # vpc-1-2 has its one instance on hv2, vpc-1-3 on hv1; the router is on gw1 and nothing at all on gw2.
    assert where == {222: {"hv1", "hv2", "gw1"}, 200: {"hv2", "gw1"}, 201: {"hv1", "gw1"}}


def test_a_broadcast_goes_to_members_of_the_segment_only(plan: Plan) -> None:
    flood = {
        host: next(one["flood"] for one in plan.hosts[host]["segments"] if one["vni"] == 200) for host in ("hv2", "gw1")
    }
    assert flood == {"hv2": ["172.20.0.21"], "gw1": ["172.20.0.12"]}
