"""The parts of the guest that need no machine."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from lab import cli
from lab.errors import LabError
from lab.paths import ROOT
from lab.vm import guest, initramfs, remote, tree


def entries(archive: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and content of each entry, read as the kernel's documentation says (initramfs-buffer-format)."""
    place = 0
    while place < len(archive):
        assert archive[place : place + 6] == b"070701"
        fields = [int(archive[at : at + 8], 16) for at in range(place + 6, place + 110, 8)]
        start = place + 110
        name = archive[start : start + fields[11] - 1].decode()
        data = (start + fields[11] + 3) // 4 * 4
        yield name, fields[1], archive[data : data + fields[6]]
        place = (data + fields[6] + 3) // 4 * 4


def test_the_initramfs_is_a_cpio_archive() -> None:
    made = initramfs.archive(["dev"], [("init", b"#!/bin/sh\n", 0o755), ("modules/a.ko", b"12345", 0o644)])
    assert len(made) % 4 == 0
    assert list(entries(made)) == [
        ("dev", 0o040755, b""),
        ("init", 0o100755, b"#!/bin/sh\n"),
        ("modules/a.ko", 0o100644, b"12345"),
        ("TRAILER!!!", 0, b""),
    ]


def test_drivers_come_after_what_they_depend_on(tmp_path: Path) -> None:
    release = tmp_path / "lib/modules/6.1.0"
    release.mkdir(parents=True)
    ring, virtio = "kernel/virtio_ring.ko", "kernel/virtio.ko"
    (release / "modules.dep").write_text(
        f"kernel/virtio_pci.ko: {virtio} {ring}\n{virtio}:\n{ring}:\nkernel/virtio_blk.ko: {virtio} {ring}\n"
        f"kernel/virtio_net.ko: kernel/failover.ko {virtio} {ring}\nkernel/failover.ko:\n"
        f"kernel/virtio-rng.ko: {virtio}\n"
    )
    names = [path.stem for path in initramfs.modules(tmp_path)]
    assert names == ["virtio_ring", "virtio", "virtio_pci", "virtio_blk", "failover", "virtio_net", "virtio-rng"]


def test_what_the_guest_installs_is_pinned() -> None:
    pins = tree.pinned((ROOT / "requirements-dev.txt").read_text())
    assert len(pins) == len(tree.WHEELS)
    (core,) = (pin for pin in pins if pin.startswith("ansible-core=="))
    assert core.startswith("ansible-core==2.19.")  # the last for the guest's Python


def test_a_requirement_that_is_not_pinned_is_named() -> None:
    with pytest.raises(LabError, match="does not pin annotated-types, ansible-core, "):
        tree.pinned('pydantic==2.14.3\nansible-core==2.21.5 ; python_version >= "3.12"\n')


@pytest.mark.parametrize(("value", "wanted"), [("", False), ("host", False), ("debian", True)])
def test_the_user_chooses_the_kernel(monkeypatch: pytest.MonkeyPatch, value: str, wanted: bool) -> None:
    monkeypatch.setenv("LAB_KERNEL", value)
    assert guest.wanted() is wanted


def test_an_unknown_kernel_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LAB_KERNEL", "bsd")
    assert cli.main(["status"]) == 1
    assert "LAB_KERNEL is 'bsd'; it must be 'host' or 'debian'." in capsys.readouterr().err


def test_the_guest_does_not_ask_for_a_guest(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LAB_KERNEL": "debian", "LAB_ID": "x", "WEFT_VENV": ".venv-oldest", "HOME": "/home/me"}.items():
        monkeypatch.setenv(name, value)
    seen = remote.environment(10)
    assert (seen["LAB_KERNEL"], seen["LAB_ID"], seen["LAB_SLOW"]) == ("host", "x", "10")
    assert "HOME" not in seen and "WEFT_VENV" not in seen


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Sequence[str]]:
    """What `sync` copies and removes, instead of doing it."""
    calls: list[Sequence[str]] = []
    monkeypatch.setattr(remote, "SYNCED", tmp_path / "synced.json")
    monkeypatch.setattr(remote, "_send", lambda names: calls.append(["copy", *sorted(names)]))
    monkeypatch.setattr(remote, "run", lambda _argv, stdin: calls.append(["remove", *stdin.split("\0")[:-1]]))
    monkeypatch.setattr(remote, "argv", lambda *_words: [])
    return calls


def test_only_what_changed_is_copied(monkeypatch: pytest.MonkeyPatch, sent: list[Sequence[str]]) -> None:
    files = {"a": [1, 1, 1], "b": [1, 1, 1]}
    monkeypatch.setattr(remote, "tracked", lambda: dict(files))
    remote.sync()
    remote.sync()
    files["b"] = [2, 1, 1]
    del files["a"]
    remote.sync()
    assert sent == [["copy", "a", "b"], ["copy", "b"], ["remove", "a"]]
    assert json.loads(remote.SYNCED.read_text()) == files


def test_a_file_of_instances_is_read_on_this_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    wanted = tmp_path / "wanted.json"
    wanted.write_text("[]")
    became: list[Sequence[str]] = []
    monkeypatch.setenv("LAB_KERNEL", "debian")
    monkeypatch.setattr(guest.Guest, "up", lambda _self: None)
    monkeypatch.setattr(guest.Guest, "become", lambda _self, command: became.append([*command, os.read(0, 9).decode()]))
    before = os.dup(0)
    try:
        assert cli.main(["--lab", "x", "instances", "apply", str(wanted), "--wait", "3"]) == 0
    finally:
        os.dup2(before, 0)
        os.close(before)
    assert became == [["bin/lab", "--lab", "x", "instances", "apply", "-", "--wait", "3", "[]"]]
