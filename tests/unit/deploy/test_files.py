"""What lies in a machine's tree, reached and read as if whoever broke into the machine had put it there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy import files
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import STAGING, Tree


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    (tmp_path / "root").mkdir()
    return Tree(str(tmp_path / "root"), lambda: 0, follow=False)


def test_no_link_leads_to_what_is_outside(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/file").write_text("mine")
    os.symlink(tmp_path / "outside", tree.real("/etc"))
    os.symlink(tmp_path / "outside/file", tree.real("/file"))
    assert not tree.exists("/etc/file") and not tree.exists("/etc/.") and tree.exists("/file")
    assert tree.missing_directories("/etc/x") == ["/etc"]
    assert tree.look("/file") == files.Found(None, 0o777, str(tmp_path / "outside/file"))
    for ask in (tree.look, tree.names, tree.remove):
        with pytest.raises(DeployError, match="symbolic link"):
            ask("/etc/file")
    assert (tmp_path / "outside/file").read_text() == "mine"


def test_a_file_is_read_up_to_a_size(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LARGEST", 5)
    Path(tree.real("/five")).write_text("12345")
    Path(tree.real("/six")).write_text("123456")
    os.mkfifo(tree.real("/fifo"))
    found = [tree.look(path) for path in ("/five", "/six", "/fifo")]
    assert [one and one.content for one in found] == [b"12345", None, None]


def test_a_directory_is_read_up_to_a_number_of_names(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST", 2)
    place = Path(tree.real("/etc"))
    place.mkdir()
    for name in ("a", "b"):
        (place / name).touch()
    assert tree.names("/etc") == ["a", "b"]
    (place / "c").touch()
    with pytest.raises(DeployError, match="more than 2 files"):
        tree.names("/etc")


def test_staged_files_that_are_nested_too_deep_are_left(tree: Tree) -> None:
    staging = Path(tree.real(STAGING))
    (staging / "x" / "y").mkdir(parents=True)
    (staging / "x" / "z").symlink_to("/")
    tree.clear_staging()
    assert not staging.exists()
    (staging / "/".join("d" * 40)).mkdir(parents=True)
    with pytest.raises(DeployError, match="too deep"):
        tree.clear_staging()
