# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The file: what it refuses, what it survives, and that nobody's entry is lost."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate import (
    Entry,
    Ledger,
    LedgerError,
    LedgerFile,
    LedgerStore,
    decode,
    encode,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.faultpoints import VARIABLE

OLD = Ledger("shanghai", {"t/v/old:vni": Entry("vni:pool", 200)})
NEW = Ledger("shanghai", {"t/v/new:vni": Entry("vni:pool", 201)})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "weft-ledger.json"


@pytest.fixture
def store(path: Path) -> LedgerFile:
    return LedgerFile(path, "shanghai", timeout=0.2)


def save(store: LedgerStore, ledger: Ledger) -> bool:
    with store.locked():
        store.read()
        return store.write(ledger)


def test_content_is_on_disk_before_its_name_and_its_name_before_the_end(
    store: LedgerFile, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, rename = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        steps.append(f"fsync {os.readlink(f'/proc/self/fd/{descriptor}')}")
        fsync(descriptor)

    def noted_rename(source: Path, target: Path) -> None:
        steps.append(f"rename {target}")
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_rename)
    save(store, OLD)
    assert steps == [f"fsync {path.parent}/.weft-ledger.json.tmp", f"rename {path}", f"fsync {path.parent}"]


def test_a_missing_file_is_an_empty_ledger(store: LedgerFile, path: Path) -> None:
    assert store.read() == Ledger("shanghai")
    assert not path.parent.exists(), "reading must leave no trace"


def test_what_was_written_is_read(store: LedgerFile, path: Path) -> None:
    assert save(store, OLD) is True
    assert path.read_text() == encode(OLD)
    assert store.read() == LedgerFile(path).read() == OLD
    assert sorted(item.name for item in path.parent.iterdir()) == [".weft-ledger.lock", "weft-ledger.json"]


def test_an_equal_ledger_is_not_written(store: LedgerFile, path: Path) -> None:
    save(store, OLD)
    before = path.stat()
    assert save(store, OLD) is False
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_the_mode_of_the_file_stays(store: LedgerFile, path: Path) -> None:
    save(store, OLD)
    path.chmod(0o640)
    save(store, NEW)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_a_link(store: LedgerFile, path: Path, tmp_path: Path) -> None:
    save(store, OLD)
    link = tmp_path / "weft-ledger.json"
    link.symlink_to(path)
    save(LedgerFile(link, "shanghai"), NEW)
    assert link.is_symlink()
    assert store.read() == NEW


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not valid JSON"),
        (encode(OLD).encode()[:-40], "is not valid JSON"),
        (b"\xff\xfe", "is not text in UTF-8"),
        (encode(OLD).replace('"format": 1', '"format": 2').encode(), "has format 2"),
        (encode(OLD).replace("shanghai", "beijing").encode(), "belongs to fabric 'beijing', not to 'shanghai'"),
        (
            encode(OLD).replace('"entries"', '<<<<<<< HEAD\n"entries"').encode(),
            "holds the marks of an unfinished merge",
        ),
    ],
)
def test_a_file_that_is_not_understood_is_refused_and_left_alone(
    store: LedgerFile, path: Path, content: bytes, words: str
) -> None:
    save(store, OLD)
    path.write_bytes(content)
    with pytest.raises(LedgerError) as caught:
        save(store, NEW)
    assert caught.value.finding.path == str(path)
    assert words in caught.value.finding.reason
    assert caught.value.finding.remedy
    assert str(caught.value) == str(caught.value.finding)
    with store.locked(), pytest.raises(LedgerError):
        store.write(NEW)
    assert path.read_bytes() == content


def test_a_file_that_cannot_be_read_is_refused(store: LedgerFile, path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(LedgerError, match="cannot be read: Is a directory"):
        store.read()


def test_a_file_that_another_program_changed_meanwhile_is_not_overwritten(store: LedgerFile, path: Path) -> None:
    save(store, OLD)
    with store.locked():
        store.read()
        path.write_text(encode(NEW))
        with pytest.raises(LedgerError, match="changed by something else"):
            store.write(Ledger("shanghai"))
    assert store.read() == NEW


def test_a_ledger_of_another_fabric_is_not_written(store: LedgerFile, path: Path) -> None:
    with pytest.raises(LedgerError, match="belongs to fabric 'beijing'"):
        save(store, Ledger("beijing"))
    assert not path.exists()


def test_writing_without_lock_or_reading_is_a_mistake(store: LedgerFile, path: Path) -> None:
    store.read()
    with pytest.raises(RuntimeError):
        store.write(NEW)
    unread = LedgerFile(path, "shanghai")
    with unread.locked(), pytest.raises(RuntimeError):
        unread.write(NEW)
    nameless = LedgerFile(path)
    with nameless.locked(), pytest.raises(RuntimeError):
        nameless.read()
        nameless.write(NEW)
    with store.locked(), pytest.raises(RuntimeError), store.locked():
        pass


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let no file grow beyond ``size`` bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_file_as_it_was(store: LedgerFile, path: Path) -> None:
    save(store, OLD)
    entries = {f"t/v/n{number}:vni": Entry("vni:pool", number) for number in range(1000)}
    with store.locked():
        store.read()
        with file_size_limit(4096), pytest.raises(LedgerError, match="cannot be written: File too large"):
            store.write(Ledger("shanghai", entries))
    assert store.read() == OLD
    assert sorted(item.name for item in path.parent.iterdir()) == [".weft-ledger.lock", "weft-ledger.json"]


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with (
        pytest.raises(LedgerError, match="cannot be locked"),
        LedgerFile(tmp_path / "state" / "x", "shanghai").locked(),
    ):
        pass


def test_who_waits_too_long_learns_who_holds_the_lock(store: LedgerFile, path: Path) -> None:
    save(store, OLD)
    with (
        LedgerFile(path, "shanghai").locked(),
        pytest.raises(LedgerError, match=rf"locked by process {os.getpid()} on \S+ for more than 0.2 seconds"),
        store.locked(),
    ):
        pass
    assert save(store, NEW)


WRITER = Path(__file__).with_name("ledger_writer.py")


def writer(path: Path, name: str, count: int, kill_at: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), VARIABLE: kill_at}
    arguments = [sys.executable, str(WRITER), str(path), name, str(count)]
    return subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)


def test_writers_at_once_lose_nothing(store: LedgerFile, path: Path) -> None:
    writers = [writer(path, f"writer{number}", 25) for number in range(4)]
    printed = "".join(process.communicate(timeout=60)[0] for process in writers)
    assert [process.returncode for process in writers] == [0] * 4
    entries = store.read().entries
    assert sorted(entries) == sorted(printed.split())
    assert sorted(entry.value for entry in entries.values() if isinstance(entry.value, int)) == list(range(200, 300))


@pytest.mark.parametrize(("step", "is_new"), [(1, False), (2, False), (3, True), (4, True)])
def test_a_writer_killed_at_any_step_leaves_the_old_or_the_new_file(
    store: LedgerFile, path: Path, step: int, is_new: bool
) -> None:
    save(store, OLD)
    process = writer(path, "killed", 1, f"ledger:{step}")
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert ("t/v/killed-0:vni" in store.read().entries) is is_new
    assert save(store, NEW), "a dead writer holds no lock and leaves nothing in the way"
    assert store.read() == NEW
    assert sorted(item.name for item in path.parent.iterdir()) == [".weft-ledger.lock", "weft-ledger.json"]


def test_the_first_write_killed_half_way_leaves_no_ledger(store: LedgerFile, path: Path) -> None:
    writer(path, "killed", 1, "ledger:1").communicate(timeout=60)
    assert store.read() == Ledger("shanghai")


def test_writers_killed_at_any_moment_lose_nothing_they_have_reported(store: LedgerFile, path: Path) -> None:
    reported: set[str] = set()
    for number in range(6):
        victim, survivor = writer(path, f"victim{number}", 10_000), writer(path, f"survivor{number}", 5)
        assert victim.stdout
        reported.add(victim.stdout.readline().strip())
        time.sleep(0.013 * number)
        victim.kill()
        for process in (victim, survivor):
            reported |= set(process.communicate(timeout=60)[0].split())
        assert survivor.returncode == 0
        assert reported <= decode(path.read_text()).entries.keys()
    values = [entry.value for entry in store.read().entries.values()]
    assert len(values) == len(set(values))
