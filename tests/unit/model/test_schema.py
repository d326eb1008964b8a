# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The JSON Schema and the reference: current, true of the walkthrough, and complete."""

from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.model import INTENT_VARIABLES, SHAPE_RULES
from ansible_collections.weft.vpc.plugins.plugin_utils.model.schema import json_schema
from ansible_collections.weft.vpc.plugins.plugin_utils.rules import RULES
from ansible_collections.weft.vpc.tests.tools.generate_reference import FOLDER, files
from ansible_collections.weft.vpc.tests.tools.intents import walkthrough


def test_committed_files_are_current() -> None:
    stale = [path.name for path, text in files().items() if path.read_text() != text]
    assert not stale, "run tests/tools/generate_reference.py"


def test_the_walkthrough_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(walkthrough()[0], json_schema(), cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("weft_vpcs", 0, "netwroks"), []),
        (("weft_vpcs", 0, "name"), "my vpc"),
        (("weft_vxlan_pools", 0, "vni_ranges", 0, "end"), 2**24),
        (("weft_vpcs", 0, "networks", 0, "snat"), "yes"),
        (("weft_vpcs", 0, "port_forwards", 0, "port"), 0),
        (("weft_provider_networks", 0, "type"), "trunk"),
    ],
)
def test_editors_see_what_is_wrong(path: tuple[Any, ...], value: object) -> None:
    variables: Any = walkthrough()[0]
    place = variables
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(variables, json_schema(), cls=jsonschema.Draft202012Validator)


def test_the_reference_names_everything() -> None:
    text = (FOLDER / "intent.md").read_text()
    assert all(f"## {variable}\n" in text for variable in INTENT_VARIABLES)
    assert all(f"| `{rule}` |" in text for rule in (*RULES, *SHAPE_RULES))
    undescribed = [
        f"{name}.{key}"
        for name, definition in json_schema()["$defs"].items()
        for key, value in definition.get("properties", {}).items()
        if "description" not in value and "$ref" not in value
    ]
    assert not undescribed
