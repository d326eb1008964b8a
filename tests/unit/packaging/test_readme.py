"""The intent in the README is one that works."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.weft.vpc.plugins.plugin_utils.model import HostFacts, Hosts, parse

ROOT = Path(__file__).resolve().parents[3]


def test_the_intent_in_the_readme_parses() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    facts = {name: HostFacts(name=name) for name in ("hv1", "gw1")}
    hosts = Hosts(by_name=facts, groups={"all": ["hv1", "gw1"], "routers": ["gw1"]})

    intent = parse(yaml.safe_load(block), hosts)

    assert [vpc.name for vpc in intent.vpcs] == ["prod"]
    assert intent.instance("me", "shop") is not None


def test_the_intent_in_the_readme_is_short() -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)

    assert len(block.splitlines()) == 10
