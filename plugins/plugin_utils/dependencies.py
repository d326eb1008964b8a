# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The packages of requirements.txt; while they are not installed, stand-ins with which the library can be imported.

ansible-test, ansible-doc and the importer load plugins where there is ansible-core and nothing else. And a user who
forgot the packages is to read a sentence, from `require`, instead of a traceback.
"""

from __future__ import annotations

import sys

try:
    from pydantic import (
        AfterValidator,
        BaseModel,
        BeforeValidator,
        ConfigDict,
        Field,
        PlainValidator,
        Strict,
        StringConstraints,
        TypeAdapter,
        ValidationError,
        WithJsonSchema,
    )
    from pydantic_core import ErrorDetails, PydanticCustomError
except ImportError as error:
    _absent: ImportError | None = error

    # It does as a base class, in an annotation, as a default and in an except clause alike.
    class _StandIn(Exception):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments)

    AfterValidator = BaseModel = BeforeValidator = ConfigDict = Field = PlainValidator = Strict = _StandIn  # type: ignore[misc, assignment]
    StringConstraints = TypeAdapter = ValidationError = WithJsonSchema = ErrorDetails = PydanticCustomError = _StandIn  # type: ignore[misc, assignment]
else:
    _absent = None

__all__ = [
    "AfterValidator",
    "BaseModel",
    "BeforeValidator",
    "ConfigDict",
    "DependencyError",
    "ErrorDetails",
    "Field",
    "PlainValidator",
    "PydanticCustomError",
    "Strict",
    "StringConstraints",
    "TypeAdapter",
    "ValidationError",
    "WithJsonSchema",
    "require",
]


class DependencyError(Exception):
    """A package of requirements.txt is not installed on the controller; the text is for the user."""


def require() -> None:
    """Raise DependencyError unless everything the library needs is installed."""
    if _absent is not None:
        raise DependencyError(
            f"The Python of the Ansible controller ({sys.executable}) lacks a package that weft.vpc needs: {_absent}. "
            "Install what the collection's requirements.txt names with that Python's pip."
        ) from _absent
