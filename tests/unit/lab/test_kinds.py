"""Which kind of machine the guest is, and of what its kernel is built."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import apt, pids
from lab.errors import LabError
from lab.vm import kernel, kinds, process, qemu, uml
from lab.vm.disks import Disks

NONE = Path("/nonexistent")
DISKS = Disks(NONE / "vmlinuz", NONE, NONE, NONE)


@dataclass(frozen=True)
class Pretended:
    """A kind that is not there, for a reason."""

    name: str
    why: str = ""
    slowness: float = 1.0
    address: str = ""
    kernel: str = ""

    def obstacle(self, _disks: Disks) -> str:
        return self.why

    def start(self, _disks: Disks) -> None: ...

    def cut(self) -> None: ...


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Kind -> why it does not work; empty: it does."""
    why = {"kvm": "it hangs", "uml": "it spins", "emulated": ""}
    monkeypatch.setattr(kinds, "KINDS", {name: Pretended(name, text) for name, text in why.items()})
    return why


@pytest.mark.parametrize(
    ("said", "tried"), [("", ["kvm", "uml"]), ("uml", ["uml"]), ("emulated", []), ("stock", ["kvm"])]
)
def test_a_kind_that_does_not_work_gives_way_and_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: dict[str, str], said: str,
    tried: list[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("LAB_MACHINE", said)
    assert kinds.choose(DISKS).name == "emulated"
    told = [f"lab: The guest cannot be of the kind '{name}' on this computer: {broken[name]}." for name in tried]
    assert capsys.readouterr().err.splitlines() == told


def test_the_first_that_works_is_taken(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(kinds, "KINDS", {name: Pretended(name) for name in ("kvm", "uml", "emulated")})
    monkeypatch.delenv("LAB_MACHINE", raising=False)
    assert kinds.choose(DISKS).name == "kvm"
    assert capsys.readouterr().err == ""


def test_none_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "KINDS", {name: Pretended(name, "broken") for name in ("kvm", "uml", "emulated")})
    monkeypatch.setenv("LAB_MACHINE", "stock")
    with pytest.raises(LabError, match="in none of the ways"):
        kinds.choose(DISKS)


def test_an_unknown_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_MACHINE", "xen")
    with pytest.raises(LabError, match="LAB_MACHINE is 'xen'; it must be one of emulated, kvm, stock, uml"):
        kinds.wanted()


def test_no_kvm_needs_no_qemu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the device is not, nothing is installed to find that out."""
    monkeypatch.setattr(qemu, "KVM_DEVICE", "/nonexistent/kvm")
    monkeypatch.setattr(qemu.host, "install", lambda _tools: pytest.fail("QEMU was installed"))
    assert "no /nonexistent/kvm" in kinds.KINDS["kvm"].obstacle(DISKS)


def test_a_process_is_the_guest_only_while_it_lives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(process, "PID", tmp_path / "pid")
    assert process.pid() == 0
    process.remember("uml", os.getpid())
    assert (process.pid(), process.kind()) == (os.getpid(), "uml")
    monkeypatch.setattr(pids, "birth", lambda _pid: "of another process")
    assert process.pid() == 0
    with pytest.raises(LabError, match="is not running"):
        process.inside()


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program in the place of the kernel; the test says what it does."""
    program = tmp_path / "linux"
    for name in ("CONSOLE", "STARTED", "BOOTED"):
        monkeypatch.setattr(uml, name, tmp_path / name.lower())
    monkeypatch.setattr(process, "PID", tmp_path / "pid")
    monkeypatch.setattr(uml, "words", list)
    monkeypatch.setattr(uml.kernel, "ensure", lambda: program)
    return program


def says(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo 'Kernel panic - not syncing: VFS: Unable to mount root fs on'; exit 1", ""),
        ("echo 'no seccomp here'", "its kernel ended early: no seccomp here"),
        ("sleep 60", "its kernel did not look for a disk within 1 s"),
    ],
)
def test_a_kernel_works_that_looks_for_its_disk(
    monkeypatch: pytest.MonkeyPatch, pretended: Path, script: str, why: str
) -> None:
    monkeypatch.setattr(uml, "PROBE_TIMEOUT", 1.0)
    says(pretended, script)
    assert uml.Uml().obstacle(DISKS) == why


def lines(path: Path, count: int) -> list[str]:
    """What a file says, as soon as it has so many lines."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        if path.exists() and len(found := path.read_text().splitlines()) == count:
            return found
        time.sleep(0.02)
    pytest.fail(f"{path} has no {count} lines within 10 s.")


def test_a_power_cut_starts_the_same_again_in_a_network_of_its_own(pretended: Path, tmp_path: Path) -> None:
    said = tmp_path / "said"
    says(pretended, f'echo "$@" >>{said}; ip -o link show way-in >>{said}; sleep 60; true')
    one, mine = uml.Uml(), Path("/proc/self/ns/net").readlink()
    one.start(DISKS)
    first = process.pid()
    try:
        lines(said, 2)
        one.cut()
        assert process.pid() not in (0, first)
        assert Path(f"/proc/{process.pid()}/ns/net").readlink() != mine
        before, _wire, after, wire = lines(said, 4)
    finally:
        process.kill()
    assert process.pid() == 0
    assert before == after and "ubd1=" in before
    assert "way-in" in wire


def test_the_newest_source_is_by_number() -> None:
    found = ["linux-source-6.19 - Linux kernel source", "linux-source-7.3 - the same", "linux-source - newest"]
    assert kernel.newest([*found, "linux-source-6.2 - old"]) == "linux-source-7.3"


def test_no_source_is_an_error() -> None:
    with pytest.raises(LabError, match="no linux-source package"):
        kernel.newest(["linux-source - newest"])


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        ("CONFIG_A=y\nCONFIG_N=8\nCONFIG_MORE=y\n", []),
        ("# CONFIG_A is not set\nCONFIG_N=8\n", ["CONFIG_A=y"]),
        ("CONFIG_A=m\nCONFIG_N=64\n", ["CONFIG_A=y", "CONFIG_N=8"]),
        ("CONFIG_A=y\nCONFIG_N=8\nCONFIG_NO=y\n", ["CONFIG_NO=n"]),
    ],
)
def test_an_option_that_is_not_taken_is_named(made: str, refused: list[str]) -> None:
    assert kernel.refused("# CONFIG_B=y\nCONFIG_A=y\n\nCONFIG_N=8\nCONFIG_NO=n\n", made) == refused


def test_a_private_apt_leaves_the_computers_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[list[str]] = []
    monkeypatch.setattr(apt, "run", lambda argv: calls.append(list(argv)) or "")
    apt.PrivateApt(tmp_path, ["deb archive suite main"]).cache("search", "x")
    assert (tmp_path / "etc/sources.list").read_text() == "deb archive suite main\n"
    for call in calls:
        assert f"Dir::State={tmp_path}/state" in call and "Dir::Etc::SourceParts=/dev/null" in call
