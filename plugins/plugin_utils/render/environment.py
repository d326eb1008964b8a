# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one Jinja2 environment: roles' templates see the slice and nothing else, and an undefined name is an error.

So is a text that no sink has looked at: see `sinks`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined, Template, UndefinedError
from jinja2 import __version__ as jinja_version
from jinja2.bccache import Bucket

from ansible_collections.weft.vpc.plugins.plugin_utils.render import sinks
from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import ROLES_DIRECTORY

_SYNTAX: dict[str, Any] = {
    "trim_blocks": True,
    "lstrip_blocks": True,
    "keep_trailing_newline": True,
    "autoescape": False,
}
_REFERENCE = re.compile(r"\{\{ (\w+(?:\.\w+)*) \}\}")


class _Environment(Environment):
    """What templates and macros return is made of parts that were looked at, and may stand in another template."""

    concat = staticmethod(sinks.concat)


class _RoleLoader(FileSystemLoader):
    """Find ``eip/eip.nft.j2`` in ``roles/eip/templates/``."""

    def get_source(self, environment: Environment, template: str):  # type: ignore[no-untyped-def]
        role, _slash, name = template.partition("/")
        return super().get_source(environment, f"{role}/templates/{name}")


class _Compiled(FileSystemBytecodeCache):
    """Compiled templates in a directory; where there can be none, nothing is kept."""

    def load_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().load_bytecode(bucket)

    def dump_bytecode(self, bucket: Bucket) -> None:
        with suppress(OSError):
            super().dump_bytecode(bucket)


@cache
def environment() -> Environment:
    """Return the environment, made once per process."""
    made = _Environment(
        loader=_RoleLoader(ROLES_DIRECTORY),
        undefined=StrictUndefined,
        finalize=sinks.plain,
        auto_reload=False,
        **_SYNTAX,
    )
    made.filters.update(sinks.FILTERS)
    return made


def keep_compiled(directory: Path) -> None:
    """Keep compiled templates there from one run to the next: compiling them is a tenth of a run's work.

    Jinja2 tells by a template's text whether it has changed; what else decides is in the name.
    """
    with suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Compiled code holds whether values are finalized, too.
    finalized = environment().finalize is not None
    compiler = hashlib.sha256(f"{sys.version} {jinja_version} {_SYNTAX} {finalized}".encode()).hexdigest()[:12]
    environment().bytecode_cache = _Compiled(str(directory), f"{compiler}-%s")


def fill(text: str, names: Mapping[str, Any]) -> str:
    """Return an inline template of a role's declaration with its names filled in."""
    return str(_filler(text)(names))


@cache
def _filler(text: str) -> Callable[[Mapping[str, Any]], str]:
    """Nearly all inline templates are paths with dotted names in them, ten for every file: those are filled in without
    the set-up of a Jinja2 rendering, which costs twenty times as much."""
    literals, references = _REFERENCE.split(text)[::2], _REFERENCE.findall(text)
    if any("{" in literal for literal in literals):
        return environment().from_string(text).render
    paths = [reference.split(".") for reference in references]
    return lambda names: "".join(
        chain.from_iterable(zip_longest(literals, (_value(path, names) for path in paths), fillvalue=""))
    )


def _value(path: list[str], names: Mapping[str, Any]) -> str:
    found: Any = names
    for name in path:
        if name not in found:
            message = f"{'.'.join(path)!r} in a role's meta/deploy.yml names nothing"
            raise UndefinedError(message)
        found = found[name]
    return str(sinks.plain(found))


@cache
def template(name: str) -> Template:
    """Return a role's template by ``role/file``."""
    return environment().get_template(name)
