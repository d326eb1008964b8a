# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one Jinja2 environment: roles' templates see the slice and nothing else, and an undefined name is an error."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from ansible_collections.weft.vpc.plugins.plugin_utils.render.roles import ROLES_DIRECTORY


class _RoleLoader(FileSystemLoader):
    """Find ``eip/eip.nft.j2`` in ``roles/eip/templates/``."""

    def get_source(self, environment: Environment, template: str):  # type: ignore[no-untyped-def]
        role, _slash, name = template.partition("/")
        return super().get_source(environment, f"{role}/templates/{name}")


@cache
def environment() -> Environment:
    """Return the environment, made once per process."""
    return Environment(
        loader=_RoleLoader(ROLES_DIRECTORY),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        auto_reload=False,
    )


@cache
def compiled(text: str) -> Template:
    """Return an inline template of a role's declaration."""
    return environment().from_string(text)


@cache
def template(name: str) -> Template:
    """Return a role's template by ``role/file``."""
    return environment().get_template(name)
