# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Empty is not absent. Where a key that is left out means everybody, or a default, an empty list means neither.

A list becomes empty by accident: its last entry went, or a variable that it is made of has nothing in it. What it
then admits is for a person to say, so an empty list, and a null where a key narrows a rule, are errors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import BeforeValidator, Field
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import refuse

T = TypeVar("T")


def _somebody(value: object) -> object:
    if isinstance(value, list | tuple) and not value:
        refuse(
            "WEFT-intent-empty",
            "is an empty list, which can mean nobody or everybody",
            "If everybody is meant, leave the key out; if nobody is, remove what the list belongs to.",
        )
    return value


def _some(value: object) -> object:
    if isinstance(value, list | tuple) and not value:
        refuse(
            "WEFT-intent-empty",
            "is an empty list, which can mean none or, as if it were left out, the default",
            "Leave the key out for its default, or name some.",
        )
    return value


def _explicit(value: object) -> object:
    if value is None:
        refuse(
            "WEFT-intent-empty",
            "is given and has no value, which can mean nothing or anything",
            "Write a value, or leave the key out if it is not to narrow anything.",
        )
    return value


_SOMEBODY, _SOME, _EXPLICIT = BeforeValidator(_somebody), BeforeValidator(_some), BeforeValidator(_explicit)

#: Who or what a rule is about; without the key, everybody. The default is an empty tuple.
Somebody = Annotated[tuple[T, ...], Field(json_schema_extra={"minItems": 1}), _SOMEBODY]
#: What else has a default; without the key, that. The default is an empty tuple.
Some = Annotated[tuple[T, ...], Field(json_schema_extra={"minItems": 1}), _SOME]
#: A value without which more is meant. It is None where the key is left out, and null is no way to leave it out.
Explicit = Annotated[T | None, _EXPLICIT]


def says_empty(metadata: Iterable[object]) -> bool:
    """Whether a field with this metadata takes no empty list, or no null."""
    return any(one in (_SOMEBODY, _SOME, _EXPLICIT) for one in metadata)
