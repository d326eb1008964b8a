# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The intent as JSON Schema, for editors, and as tables, for the reference: both from the model's own objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import TypeAdapter
from ansible_collections.weft.vpc.plugins.plugin_utils.model.fabric import Fabric
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.parse import LISTS

Schema = dict[str, Any]

VARIABLES: dict[str, type[Node]] = {"weft_fabric": Fabric, **LISTS}


def tidy(schema: Any) -> Any:
    """A schema without titles and null defaults, and without null among what can be given instead."""
    if isinstance(schema, list):
        return [tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {
        key: {name: tidy(item) for name, item in value.items()} if key in ("properties", "$defs") else tidy(value)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    if isinstance(result.get("default"), dict):
        result["default"] = {key: value for key, value in result["default"].items() if value is not None}
    options = result.get("anyOf", [])
    without_null = [option for option in options if option != {"type": "null"}]
    if len(without_null) < len(options):
        del result["anyOf"]
        result = (without_null[0] if len(without_null) == 1 else {"anyOf": without_null}) | result
    return result


def json_schema() -> Schema:
    """JSON Schema (2020-12) of the variables of the intent, as they stand in a file of group_vars."""
    _mapping, definitions = TypeAdapter.json_schemas(
        [(name, "validation", TypeAdapter(cls)) for name, cls in VARIABLES.items()]
    )
    properties: dict[str, Schema] = {}
    for name, cls in VARIABLES.items():
        reference = {"$ref": f"#/$defs/{cls.__name__}"}
        properties[name] = reference if name not in LISTS else {"type": "array", "items": reference}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Intent of weft.vpc",
        "type": "object",
        "properties": properties,
        "$defs": tidy(definitions)["$defs"],
    }


def reference(rules: Mapping[str, str]) -> str:
    """The reference of the intent in Markdown: each variable with its keys, then the rules by id."""
    schema = json_schema()
    lines = [
        "# Intent",
        "",
        "What `group_vars` say to weft.vpc, made from the model by `tests/tools/generate_reference.py`. For editors",
        "there is [intent.schema.json](intent.schema.json). A key without a default must be given, unless it is",
        "*optional*.",
        "",
    ]
    for name, cls in VARIABLES.items():
        lines += _variable(name, cls, schema)
    lines += ["## Rules", "", "What is checked before anything is done, and the id that an error carries.", ""]
    lines += ["| id | what must hold |", "|---|---|"]
    lines += [f"| `{rule}` | {_cell(summary)} |" for rule, summary in sorted(rules.items())]
    return "\n".join(lines) + "\n"


def _variable(name: str, cls: type[Node], schema: Schema) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield f"{'A list. ' if name in LISTS else ''}{_summary(cls.__doc__)}"
    yield ""
    yield from _table(_definition(schema, cls.__name__))
    for path, nested in _nested(cls.__name__, schema, name + ("[]" if name in LISTS else "")):
        yield f"### {path}"
        yield ""
        yield _summary(_definition(schema, nested).get("description"))
        yield ""
        yield from _table(_definition(schema, nested))


def _summary(text: str | None) -> str:
    return " ".join((text or "").split())


def _definition(schema: Schema, name: str) -> Schema:
    definition: Schema = schema["$defs"][name]
    return definition


def _nested(name: str, schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    for key, value in _definition(schema, name)["properties"].items():
        items = value.get("items", {}) if value.get("type") == "array" else value
        if "$ref" in items:
            inner = items["$ref"].rpartition("/")[2]
            inner_path = f"{path}.{key}{'[]' if 'items' in value else ''}"
            yield inner_path, inner
            yield from _nested(inner, schema, inner_path)


def _table(definition: Schema) -> Iterator[str]:
    yield "| key | type | default | what it is |"
    yield "|---|---|---|---|"
    required = definition.get("required", [])
    for key, value in definition["properties"].items():
        default = "" if key in required else _default(value)
        yield f"| `{key}` | {_cell(_type(value))} | {default} | {_cell(value.get('description', ''))} |"
    yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(value: Schema) -> str:
    default = value.get("default")
    if default in (None, [], {}) or isinstance(default, dict):
        return "*optional*"
    return f"`{default}`".replace("True", "true").replace("False", "false")


def _type(value: Schema) -> str:
    if "$ref" in value:
        return "mapping, below"
    if "enum" in value or "const" in value:
        return " or ".join(f"`{item}`" for item in value.get("enum", [value.get("const")]))
    if "anyOf" in value:
        return " or ".join(_type(option) for option in value["anyOf"])
    if value.get("type") == "array":
        items = _type(value["items"])
        return "list of mappings, below" if items == "mapping, below" else f"list of {items}"
    return _scalar(value)


def _scalar(value: Schema) -> str:
    if value.get("format") == "ipv4":
        return "IPv4 address"
    kinds = {
        "integer": "whole number",
        "number": "number",
        "string": "string",
        "boolean": "true/false",
        "object": "mapping",
    }
    text = kinds.get(value.get("type", ""), "any")
    if value.get("pattern", "").startswith("^[0-9.]+"):
        return "IPv4 CIDR" if value["pattern"].endswith("{1,2}$") else "IPv4 CIDR or address"
    low, high = value.get("minimum"), value.get("maximum")
    if low is not None and high is not None:
        return f"{text}, {low} to {high}"
    return f"{text}, {low} or more" if low is not None else text
