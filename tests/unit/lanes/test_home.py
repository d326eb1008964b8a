"""What make runs has a home of its own, and still finds what the user's says of the computer."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
#: Says what a command of make sees; in a makefile beside ours, which is included.
SHOW = """
include {makefile}
show:
\t@printf '%s\\n' "$$HOME" "$$WEFT_USER_HOME" "$$PYENV_ROOT" "$$WEFT_CACHE" "$$PIP_CACHE_DIR"
nested:
\t@$(MAKE) --no-print-directory -f {name} show
"""
MINE = ("WEFT_USER_HOME", "PYENV_ROOT", "WEFT_CACHE", "PIP_CACHE_DIR", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")


def environment(home: Path, **settings: str) -> dict[str, str]:
    theirs = {name: value for name, value in os.environ.items() if name not in MINE}
    return {**theirs, "HOME": str(home), **settings}


def seen(tmp_path: Path, target: str = "show", **settings: str) -> list[str]:
    makefile = tmp_path / "show.mk"
    makefile.write_text(SHOW.format(makefile=ROOT / "Makefile", name=makefile))
    command = ["make", "--no-print-directory", "-f", makefile, target]
    user = tmp_path / "user"
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(user, **settings), check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize("target", ["show", "nested"])
def test_the_home_is_the_checkouts(tmp_path: Path, target: str) -> None:
    """A make within make, too: it would otherwise take the checkout's home for the user's."""
    home, user = f"{tmp_path}/.cache/home", f"{tmp_path}/user"

    cache = "/var/cache/weft-lab"
    assert seen(tmp_path, target) == [home, user, f"{user}/.pyenv", cache, f"{cache}/pip"]


def test_what_the_user_says_counts(tmp_path: Path) -> None:
    home, user = f"{tmp_path}/.cache/home", f"{tmp_path}/user"

    assert seen(tmp_path, PYENV_ROOT="/opt/pyenv", WEFT_CACHE="/srv/weft") == [
        home, user, "/opt/pyenv", "/srv/weft", "/srv/weft/pip"
    ]  # fmt: skip


def make_home(home: Path, **settings: str) -> None:
    subprocess.run([ROOT / "tools/home"], env=environment(home, **settings), check=True)


def test_the_home_has_the_users_settings_and_nothing_else(tmp_path: Path) -> None:
    home, user = tmp_path / "home", tmp_path / "user"
    for left in (".config/pip", ".ansible/collections", ".cache/pip"):
        (user / left).mkdir(parents=True)
    (user / ".gitconfig").write_text("[user]\nname = somebody\n")

    for _again in range(2):
        make_home(home, WEFT_USER_HOME=str(user))

    found = {str(path.relative_to(home)) for path in home.rglob("*")}
    assert found == {".config", ".config/pip", ".gitconfig"}
    assert (home / ".config/pip").readlink() == user / ".config/pip"


def test_without_make_the_home_is_left_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()

    make_home(home)

    assert list(home.iterdir()) == []
