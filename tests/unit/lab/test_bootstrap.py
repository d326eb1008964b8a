"""The mmdebstrap of the lab's router nodes: one makes a tree, the others take it over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.paths import PACKAGE

REAL = """#!/bin/sh
echo made >>"{log}"
sleep 0.3
for last; do :; done
eval "directory=\\${{$(($# - 1))}}"
mkdir "$directory" && echo "$1" >"$directory/file" && chown 12:34 "$directory/file" && chmod 4711 "$directory/file"
[ -z "$FAIL" ]
"""
CALL = """
import runpy, sys
from pathlib import Path
module = runpy.run_path(sys.argv[1])
names = module["main"].__globals__
names.update(REAL=sys.argv[2], SHARED=Path(sys.argv[3]), MIRROR=Path(sys.argv[4]))
sys.exit(module["main"](sys.argv[5:]))
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path) -> Path:
    (tmp_path / "real").write_text(REAL.format(log=tmp_path / "log"))
    (tmp_path / "real").chmod(0o755)
    (tmp_path / "sources").write_text("deb here\n")
    (tmp_path / "mirror" / "dists" / "x").mkdir(parents=True)
    (tmp_path / "mirror" / "dists" / "x" / "Release").write_text("1")
    (tmp_path / "shared").mkdir()
    return tmp_path


def begin(place: Path, directory: str, packages: str = "a,b", **env: str) -> subprocess.Popen[bytes]:
    lab = [str(PACKAGE / "guest" / "bootstrap.py"), *(str(place / name) for name in ("real", "shared", "mirror"))]
    call = [f"--include={packages}", "bookworm", str(place / directory), str(place / "sources")]
    return subprocess.Popen([sys.executable, "-c", CALL, *lab, *call], env=os.environ | {"FAIL": ""} | env)


def made(place: Path) -> int:
    return len((place / "log").read_text().splitlines())


def test_of_several_one_makes_it(place: Path) -> None:
    running = [begin(place, f"tree{number}") for number in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert made(place) == 1
    for number in range(3):
        file = place / f"tree{number}" / "file"
        status = file.stat()
        assert file.read_text() == "--include=a,b\n"
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid, status.st_nlink) == (0o4711, 12, 34, 1)


@pytest.mark.parametrize("changed", ["packages", "sources", "mirror/dists/x/Release"])
def test_another_recipe_is_another_tree(place: Path, changed: str) -> None:
    assert begin(place, "tree1").wait() == 0
    if changed != "packages":
        (place / changed).write_text("2")
    assert begin(place, "tree2", packages="a" if changed == "packages" else "a,b").wait() == 0
    assert made(place) == 2


def test_what_failed_is_handed_on_to_nobody(place: Path) -> None:
    assert begin(place, "tree1", FAIL="1").wait() == 1
    assert begin(place, "tree2").wait() == 0
    assert made(place) == 2
