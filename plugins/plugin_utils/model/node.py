# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The base of everything a user can name: frozen, no unknown keys, and it knows its place in the inventory."""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import BaseModel, ConfigDict


class Node(BaseModel):
    """A mapping of the intent. `.path` says where it stands; it takes no part in equality or in the JSON Schema."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
    # How messages call it.
    # A slot, because pydantic compares private attributes and copies them into every object at a cost.
    kind: ClassVar[str] = "object"
    __slots__ = ("_inventory_path",)

    @property
    def path(self) -> str:
        """The inventory path, e.g. `weft_vpcs[0].networks[1]`; empty for an object that was not parsed."""
        path: str = getattr(self, "_inventory_path", "")
        return path

    def at(self, key: str) -> str:
        """The inventory path of one of this object's keys."""
        return f"{self.path}.{key}"


@cache
def fields_with_nodes(cls: type[Node]) -> tuple[str, ...]:
    """The fields of a model that can hold other nodes, alone or in a list."""
    return tuple(name for name, field in cls.model_fields.items() if _mentions_node(field.annotation))


def _mentions_node(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, Node):
        return True
    return any(_mentions_node(part) for part in getattr(annotation, "__args__", ()))


def set_path(node: Node, path: str) -> None:
    """Tells a parsed object and everything inside it where it stands."""
    object.__setattr__(node, "_inventory_path", path)
    for name in fields_with_nodes(type(node)):
        value = getattr(node, name)
        if isinstance(value, Node):
            set_path(value, f"{path}.{name}")
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                set_path(item, f"{path}.{name}[{index}]")
