"""Compiled templates that are kept from one run to the next: used, never stale, never in the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.render import environment as module


@pytest.fixture(autouse=True)
def roles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A role with a template, in an environment of its own."""
    folder = tmp_path / "roles"
    (folder / "eip" / "templates").mkdir(parents=True)
    (folder / "eip" / "templates" / "one.j2").write_text("a {{ word }}")
    monkeypatch.setattr(module, "ROLES_DIRECTORY", folder)
    yield folder
    module.environment.cache_clear()


def rendered(kept: Path) -> str:
    """As a run with this directory renders it."""
    module.environment.cache_clear()
    module.keep_compiled(kept)
    return module.environment().get_template("eip/one.j2").render(word="b")


def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The names of the templates that are compiled from now on."""
    names: list[str | None] = []
    generate = jinja2.Environment.compile

    def watched(self: jinja2.Environment, source: str, name: str | None = None, *rest: object) -> object:
        names.append(name)
        return generate(self, source, name, *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(jinja2.Environment, "compile", watched)
    return names


def test_a_template_is_compiled_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = compiled(monkeypatch)
    assert [rendered(tmp_path / "kept") for _run in range(3)] == ["a b"] * 3
    assert names == ["eip/one.j2"]


def test_a_changed_template_is_compiled_anew(tmp_path: Path, roles: Path) -> None:
    rendered(tmp_path / "kept")
    (roles / "eip" / "templates" / "one.j2").write_text("c {{ word }}")
    assert rendered(tmp_path / "kept") == "c b"


def test_a_change_of_the_syntax_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(tmp_path / "kept")
    monkeypatch.setitem(module._SYNTAX, "variable_start_string", "((")
    assert rendered(tmp_path / "kept") == "a {{ word }}"


def test_it_goes_on_where_nothing_can_be_kept(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    assert rendered(tmp_path / "kept") == "a b"


def test_nobody_else_may_read_or_write_what_is_kept(tmp_path: Path) -> None:
    rendered(tmp_path / "kept")
    (one,) = (tmp_path / "kept").iterdir()
    assert ((tmp_path / "kept").stat().st_mode & 0o777, one.stat().st_mode & 0o777) == (0o700, 0o600)
