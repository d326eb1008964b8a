"""A machine's cgroups, in the trees that are mounted here and in nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cgroups, mounts, paths
from lab.cgroups import Cgroup
from lab.mounts import Mount

from .conftest import Start

NAME = f"weftlab-cgroups-{os.getpid()}"
# In a mount namespace of its own: something is mounted over the last tree, with what looks like another tree in it.
HIDE = """
mount -t tmpfs none "$1" && mkdir "$1/foreign" && touch "$1/cgroup.procs" "$1/foreign/cgroup.procs" &&
"$2" -c 'import sys; from lab import cgroups
cgroups.Cgroup(sys.argv[1]).enter(); print(*(tree.point for tree in cgroups.trees()), sep="\\n")' "$3" &&
find "$1" -type f -size +0 -o -name "$3"
"""


def test_a_process_is_in_all_trees_until_it_ends(in_cgroup: Start) -> None:
    group = Cgroup(NAME)
    assert group.trees and group.pids() == set() and cgroups.names(NAME) == set()
    process = in_cgroup(NAME)
    assert group.pids() == {process.pid} and group.holds(process.pid)
    assert cgroups.names(NAME[:-2]) == {NAME}
    process.kill()
    process.wait()
    assert not group.holds(process.pid)
    group.remove()
    assert cgroups.names(NAME) == set()


def test_what_is_in_use_stays(in_cgroup: Start) -> None:
    process = in_cgroup(NAME)
    Cgroup(NAME).remove()
    assert Cgroup(NAME).pids() == {process.pid}


def test_a_longer_name_is_another_cgroup(in_cgroup: Start) -> None:
    process = in_cgroup(f"{NAME}-2")
    assert not Cgroup(NAME).holds(process.pid)
    assert not Cgroup(NAME).holds(os.getpid())


def test_what_is_below_belongs_to_it(in_cgroup: Start) -> None:
    in_cgroup(NAME)
    process = in_cgroup(f"{NAME}/payload")
    assert Cgroup(NAME).holds(process.pid)
    assert process.pid in Cgroup(NAME).pids()


def test_what_only_looks_like_a_tree_is_none(in_cgroup: Start) -> None:
    before = [str(tree.point) for tree in cgroups.trees()]
    hidden = before[-1]
    env = os.environ | {"PYTHONPATH": str(paths.PACKAGE.parent)}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", HIDE, "sh", hidden, sys.executable, NAME],
        capture_output=True, text=True, check=True, env=env,
    )  # fmt: skip
    Cgroup(NAME).remove()
    assert done.stdout.splitlines() == [point for point in before if not point.startswith(hidden)]


def test_lists_may_hold_what_is_no_process_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group = tmp_path / NAME / "payload"
    group.mkdir(parents=True)
    (group / "cgroup.procs").write_text("0\n12\n0\n")
    monkeypatch.setattr(cgroups, "trees", lambda: [Mount(tmp_path, "/", "cgroup2", 0, "")])
    assert Cgroup(NAME).pids() == {12}


def test_mounts_have_their_real_names(tmp_path: Path) -> None:
    place = tmp_path / "a b\\c"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    try:
        (mount,) = [one for one in mounts.mounted() if one.point == place]
        assert mount.type == "tmpfs" and mount.reachable()
    finally:
        mounts.unmount(tmp_path)
    assert [one for one in mounts.mounted() if one.point == place] == [] and not mount.reachable()
