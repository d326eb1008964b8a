"""The parts of the lab that need no root."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from lab import cli, instances, paths, topology, units
from lab.errors import LabError

GUEST = paths.PACKAGE / "guest"


def guest(**changes: Any) -> dict[str, Any]:
    card = {"device": "wp-1", "mac": "02:00:00:00:00:01"}
    return {"name": "i1", "tenant": "t1", "host": "hv1", "nics": [card]} | changes


@pytest.mark.parametrize("lab", ["", "A", "toolong", "a-b", "../x"])
def test_a_bad_id_is_refused(lab: str) -> None:
    with pytest.raises(LabError, match="is not valid"):
        paths.Paths(lab)


def test_names_fit_the_kernel() -> None:
    shape = topology.load(topology.find("default"))
    for node in shape.nodes.values():
        for link in node.cards:
            assert len(f"{node.name}-{link.name}") <= 15


def test_the_default_topology() -> None:
    shape = topology.load(topology.find("default"), suite="trixie")
    assert [*shape.nodes] == ["hv1", "hv2", "gw1", "gw2", "wan"]
    assert shape.node("gw2").address("underlay") == "172.20.0.22"
    assert shape.suite == "trixie"
    assert "suite: trixie" in shape.text
    assert [node.name for node in shape.with_role("router")] == ["gw1", "gw2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is not a mapping"),
        ("nodes: {a: {role: king}}", "must be one of"),
        ("nodes: {averylongname: {role: wan}}", "is longer than"),
        ("nodes: {a: {role: wan, links: {eth0: {network: x}}}}", "names no declared network"),
        ("{", "cannot be read"),
    ],
)
def test_a_bad_topology_is_told(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "t.yml"
    file.write_text(text)
    with pytest.raises(LabError, match=message):
        topology.load(file)


def test_links_without_addresses_are_still_configured() -> None:
    shape = topology.load(topology.find("default"))
    public = next(link for link in shape.node("gw1").links if link.name == "eth1")
    text = units.network(public, shape)
    assert "Name=eth1" in text
    assert "Address=" not in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"host": "gw1"}, "the lab's hypervisors are hv1"),
        ({"name": "a/b"}, "cannot be a file name"),
        ({"tenant": "a.b"}, "cannot be a file name"),
        ({"nics": [{"device": "x" * 16, "mac": "02:00:00:00:00:01"}]}, "device name of 1 to 15"),
        ({"nics": [{"device": "x", "mac": "02"}]}, "or a MAC"),
    ],
)
def test_a_bad_instance_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(LabError, match=message):
        instances.check([guest(**changes)], ["hv1"])


def test_instances_are_told_apart_by_tenant() -> None:
    instances.check([guest(), guest(tenant="t2")], ["hv1"])
    with pytest.raises(LabError, match="listed twice"):
        instances.check([guest(), guest()], ["hv1"])


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"router": "10.0.0.1 10.0.0.2"}, [("0.0.0.0/0", "10.0.0.1")]),
        (
            {"router": "10.0.0.1", "staticroutes": "10.1.0.0/16 10.0.0.9 0.0.0.0/0 10.0.0.8"},
            [("10.1.0.0/16", "10.0.0.9"), ("0.0.0.0/0", "10.0.0.8")],
        ),
        ({}, []),
    ],
)
def test_classless_routes_replace_the_router(
    monkeypatch: pytest.MonkeyPatch, told: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    for name in ("router", "staticroutes"):
        monkeypatch.delenv(name, raising=False)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert runpy.run_path(str(GUEST / "dhcp_script.py"))["routes"]() == expected


def test_a_lab_that_is_down_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--lab", "zz99", "exec", "hv1", "--", "true"]) == 1
    words = capsys.readouterr().err
    assert "is down; 'bin/lab --lab zz99 up' starts it." in words
    assert "Traceback" not in words


def test_dashes_before_a_command_are_dropped_once() -> None:
    assert cli.without_dashes(["--", "ls", "--", "-l"]) == ["ls", "--", "-l"]
