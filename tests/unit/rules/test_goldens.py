# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each rule has its smallest bad intent and the exact message for it.

A golden is `<rule id>.yml`, or `<rule id>.<case>.yml`, with the message in `.txt` beside it. With
WEFT_UPDATE_GOLDENS=1 the messages are written instead of compared.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from ansible_collections.weft.vpc.plugins.plugin_utils.model import SHAPE_RULES
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import RULES
from ansible_collections.weft.vpc.tests.tools.intents import GOLDEN_ERRORS, findings_of, hosts_from

GOLDENS = sorted(GOLDEN_ERRORS.glob("*.yml"))


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)
def test_message(golden: Path) -> None:
    document = yaml.safe_load(golden.read_text())
    findings = findings_of(document["variables"], hosts_from(document["hosts"]))
    text = "".join(f"{finding}\n" for finding in findings)
    expected = golden.with_suffix(".txt")
    if os.environ.get("WEFT_UPDATE_GOLDENS"):
        expected.write_text(text)
    assert text == expected.read_text()
    assert {finding.rule for finding in findings} == {golden.stem.partition(".")[0]}


def test_every_rule_has_a_golden() -> None:
    have = {golden.stem.partition(".")[0] for golden in GOLDENS}
    assert have == RULES.keys() | SHAPE_RULES.keys()


def test_every_message_has_its_intent() -> None:
    assert {path.stem for path in GOLDEN_ERRORS.glob("*.txt")} == {path.stem for path in GOLDENS}


def test_rules_say_what_must_hold() -> None:
    assert not [rule.id for rule in RULES.values() if not rule.summary.endswith((".", "`."))]
    assert not RULES.keys() & SHAPE_RULES.keys()
