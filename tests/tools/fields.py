# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The fields of the model, and where a document has them: what generated tests go through."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from pydantic.fields import FieldInfo

from ansible_collections.weft.vpc.plugins.plugin_utils.model.messages import join_path
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node
from ansible_collections.weft.vpc.plugins.plugin_utils.model.schema import VARIABLES


class ModelField(NamedTuple):
    """A key of a class of the model."""

    node: type[Node]
    name: str

    @property
    def info(self) -> FieldInfo:
        return self.node.model_fields[self.name]

    def __str__(self) -> str:
        return f"{self.node.__name__}.{self.name}"


class Place(NamedTuple):
    """A mapping of a document that has a key, or could have it."""

    field: ModelField
    mapping: dict[str, Any]
    path: str


def parts(annotation: Any) -> Iterator[Any]:
    """A type, and all that it is made of."""
    yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from parts(part)


def nodes_in(field: ModelField) -> list[type[Node]]:
    """The classes of the mappings that a field holds."""
    return [part for part in parts(field.info.annotation) if isinstance(part, type) and issubclass(part, Node)]


def holds(field: ModelField, kind: type) -> bool:
    """Whether values of a field are, or are lists of, what is of a type."""
    return any(part is kind for part in parts(field.info.annotation))


def is_list(field: ModelField) -> bool:
    """Whether a field takes a list."""
    return any(getattr(part, "__origin__", None) is tuple for part in parts(field.info.annotation))


def limits(field: ModelField) -> Iterator[Any]:
    """What the type of a field says of its values, one limit at a time."""
    given = [*field.info.metadata, *(one for part in parts(field.info.annotation) for one in _said(part))]
    for one in given:
        yield from one.metadata if isinstance(one, FieldInfo) else (one,)


def _said(annotation: Any) -> tuple[Any, ...]:
    return tuple(getattr(annotation, "__metadata__", ()))


@cache
def model_fields() -> tuple[ModelField, ...]:
    """Every field of every class of the model."""
    found: dict[type[Node], None] = {}
    waiting = list(VARIABLES.values())
    while waiting:
        node = waiting.pop(0)
        if node not in found:
            found[node] = None
            waiting += [inner for name in node.model_fields for inner in nodes_in(ModelField(node, name))]
    return tuple(ModelField(node, name) for node in found for name in node.model_fields)


def places(document: dict[str, Any]) -> Iterator[Place]:
    """Every key that the mappings of a document have, or could have."""
    for variable, node in VARIABLES.items():
        yield from _within(node, document.get(variable), variable)


def _within(node: type[Node], value: Any, path: str) -> Iterator[Place]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _within(node, item, join_path(path, index))
    elif isinstance(value, dict):
        for name in node.model_fields:
            field, where = ModelField(node, name), join_path(path, name)
            yield Place(field, value, where)
            for inner in nodes_in(field):
                yield from _within(inner, value.get(name), where)
