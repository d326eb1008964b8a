"""What labs share: made once, never half, and not kept for ever."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab import cache, paths, router_images
from lab.shell import locked

Make = Callable[[Path], None]
OLD = time.time() - 2 * cache.KEPT_SECONDS
# A maker of its own, that is killed in the middle.
KILLED = """
import os, signal, sys
from lab import cache
def make(tree):
    tree.mkdir()
    (tree / "half").touch()
    os.kill(os.getpid(), signal.SIGKILL)
cache.ensure("trees", "one", "make one", make)
"""


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(router_images, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(router_images, "LOCK", tmp_path / "cache" / "locks" / "router-images")
    return tmp_path / "cache"


def tree(made: Path) -> None:
    made.mkdir()
    (made / "file").write_text("whole")


def ensure(name: str = "one", make: Make = tree) -> Path:
    return cache.ensure("trees", name, f"make {name}", make)


def age(name: str) -> None:
    os.utime(cache.CACHE / "locks" / f"trees-{name}", (OLD, OLD))


def things() -> set[str]:
    return {path.name for path in (cache.CACHE / "trees").iterdir()}


def test_a_recipe_has_one_name() -> None:
    assert cache.recipe_hash("a", ["b"]) == cache.recipe_hash("a", ["b"]) != cache.recipe_hash("a", "b")


def test_a_thing_is_made_once_however_many_ask() -> None:
    made: list[Path] = []

    def slowly(path: Path) -> None:
        made.append(path)
        time.sleep(0.2)
        tree(path)

    with ThreadPoolExecutor(4) as pool:
        places = set(pool.map(lambda _number: ensure(make=slowly), range(4)))
    assert len(made) == 1 and places == {cache.CACHE / "trees" / "one"}
    assert (places.pop() / "file").read_text() == "whole" and things() == {"one"}


def test_a_maker_that_fails_leaves_no_thing() -> None:
    def fail(path: Path) -> None:
        tree(path)
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        ensure(make=fail)
    assert "one" not in things()
    assert (ensure() / "file").exists() and things() == {"one"}


def test_a_killed_maker_leaves_nothing_that_counts(place: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(paths.PACKAGE.parent), "WEFT_CACHE": str(place)}
    done = subprocess.run([sys.executable, "-c", KILLED], env=env, capture_output=True, check=False)
    assert done.returncode == -9
    (left,) = things()
    assert left.endswith(cache.MAKING)
    assert [path.name for path in ensure().iterdir()] == ["file"] and things() == {"one"}


def test_what_a_killed_maker_left_goes_with_the_next_of_its_kind(place: Path) -> None:
    """Its own name may never be asked for again."""
    environment = os.environ | {"WEFT_CACHE": str(place), "PYTHONPATH": str(paths.PACKAGE.parent)}
    subprocess.run([sys.executable, "-c", KILLED], env=environment, check=False, stderr=subprocess.DEVNULL)
    (left,) = things()
    with locked(place / "locks" / "trees-one"):
        ensure("two")
        assert things() == {left, "two"}
    ensure("three")
    assert things() == {"two", "three"}


def test_what_nobody_asks_for_goes_when_something_new_is_made() -> None:
    for name in ("old", "asked", "young"):
        ensure(name)
    for name in ("old", "asked"):
        age(name)
    ensure("asked")
    assert things() == {"old", "asked", "young"}
    ensure("new")
    assert things() == {"asked", "young", "new"}


def test_what_a_lab_is_made_of_stays(tmp_path: Path) -> None:
    lower = ensure("old")
    age("old")
    for name in ("upper", "work", "root"):
        (tmp_path / name).mkdir()
    options = f"lowerdir={lower},upperdir={tmp_path / 'upper'},workdir={tmp_path / 'work'}"
    # pytest's directory may itself be on an overlay, which can be no upper layer of another.
    subprocess.run(["mount", "-t", "tmpfs", "none", str(tmp_path / "root")], check=True)
    for name in ("upper", "work", "at"):
        (tmp_path / "root" / name).mkdir()
    options = options.replace(str(tmp_path / "upper"), str(tmp_path / "root/upper"))
    options = options.replace(str(tmp_path / "work"), str(tmp_path / "root/work"))
    at = tmp_path / "root" / "at"
    try:
        subprocess.run(["mount", "-t", "overlay", "none", "-o", options, str(at)], check=True)
        ensure("new")
        assert things() == {"old", "new"}
        subprocess.run(["umount", str(at)], check=True)
    finally:
        subprocess.run(["umount", "--recursive", str(tmp_path / "root")], check=True)
    ensure("newer")
    assert things() == {"new", "newer"}


def test_what_somebody_asks_for_just_now_stays() -> None:
    ensure("old")
    age("old")
    with locked(cache.CACHE / "locks" / "trees-old", shared=True):
        ensure("new")
    assert things() == {"old", "new"}


def image(directory: Path, name: str = "debian-12-abc") -> Path:
    made = directory / name
    (made / "usr").mkdir(parents=True)
    (made / "usr" / "file").write_text("built")
    (made / "usr" / "link").symlink_to("file")
    return made


def test_a_router_image_is_handed_on(tmp_path: Path) -> None:
    built = image(tmp_path / "gw1")
    image(tmp_path / "gw1", "debian-12-def.partial")
    for _again in range(2):
        router_images.harvest(tmp_path / "gw1", "bookworm")
        router_images.seed(tmp_path / "gw2", "bookworm")
    (taken,) = (tmp_path / "gw2").iterdir()
    assert {path.name for path in router_images.kept("bookworm")} == {built.name, f"{built.name}{router_images.SEAL}"}
    assert taken.name == built.name and (taken / "usr" / "file").samefile(built / "usr" / "file")


def test_a_router_image_being_taken_is_left_out() -> None:
    kept = router_images.cache("bookworm")
    for name in ("debian-12-abc", "debian-12-abd.partial"):
        image(kept, name)
    (kept / "debian-12-abc.lock").touch()
    (kept / f"debian-12-abd{router_images.SEAL}").touch()
    assert [path.name for path in router_images.kept("bookworm")] == ["debian-12-abc"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.write_text("spoiled"),
        lambda file: os.utime(file, (1, 1)),
        lambda file: file.chmod(0o600),
        lambda file: os.chown(file, 1, 1),
    ],
)
def test_a_router_image_that_was_written_to_is_not_handed_on(
    tmp_path: Path, spoil: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    built = image(tmp_path / "gw1")
    router_images.harvest(tmp_path / "gw1", "bookworm")
    spoil(built / "usr" / "file")
    router_images.seed(tmp_path / "gw2", "bookworm")
    assert list((tmp_path / "gw2").iterdir()) == []
    assert "was written to" in capsys.readouterr().err
    assert list(router_images.cache("bookworm").iterdir()) == []


def test_a_router_image_is_not_kept_for_ever(tmp_path: Path) -> None:
    image(tmp_path / "gw1")
    router_images.harvest(tmp_path / "gw1", "bookworm")
    (file,) = router_images.cache("bookworm").glob(f"*{router_images.SEAL}")
    os.utime(file, (OLD, OLD))
    router_images.seed(tmp_path / "gw2", "bookworm")
    assert list((tmp_path / "gw2").iterdir()) == []


def test_a_copy_on_another_disk_has_the_same_seal(tmp_path: Path) -> None:
    built = image(tmp_path / "gw1")
    subprocess.run(["cp", "--archive", str(built), str(tmp_path / "copy")], check=True)
    file = tmp_path / "copy" / "usr" / "file"
    os.utime(file, (0, int(file.stat().st_mtime)))
    assert router_images.seal(tmp_path / "copy") == router_images.seal(built)
    os.utime(file, (0, 1))
    assert router_images.seal(tmp_path / "copy") != router_images.seal(built)
