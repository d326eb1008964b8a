"""What the bench compares, and what it writes of it; that it measures is seen when it runs."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from bench import LAB, dataplane, fabrics, groups, paths, report, stages

from lab.paths import Paths

COUNT = 3


@pytest.fixture
def results() -> dict[str, Any]:
    """Two repetitions in which ours does half as well as plain, and linear a tenth."""
    factors = {"plain": 1.0, "ours-10": 0.5, "linear-10": 0.1, "ours-100": 0.5, "linear-100": 0.05}
    series = {
        name: {what: [[1e9 * factor, 2e9 * factor]] * 2 for what in report.WHATS} for name, factor in factors.items()
    }
    stage = dict.fromkeys(stages.STEPS, 1.0) | {"total": 5.0, "mebibytes": 50.0}
    double = {key: 2 * value for key, value in stage.items()}
    flow = {"sent": 1000, "lost": 0, "gap": 0.004, "seconds": 6.0}
    about = {"date": "Today", "computer": "A computer", "cores": 2, "load": [0.1, 2.0]}
    return {
        "about": {part: dict(about) for part in report.SECTIONS},
        "controller": [{"vpcs": 10, "runs": [stage]}, {"vpcs": 20, "runs": [double]}],
        "dataplane": series,
        "groups": {
            "kernel": "6.1",
            "series": {
                name: {"packets": [[rate, rate]] * 2} for name, rate in zip(groups.SHAPES, (4.0, 3.0, 1.5), strict=True)
            },
        },
        "small": {"ping": [2.0], "nothing": [4.0], "one": [5.0]},
        "large": {"count": 100, "first": 9.0, "ping": [3.0], "nothing": [flow], "add": [flow], "remove": [flow]},
    }


def test_the_lab_can_be_made() -> None:
    assert Paths(LAB).lab == LAB


def test_the_page_gives_medians_ratios_and_goals(results: dict[str, Any]) -> None:
    page = report.document(results)
    assert "| linear | 100 | 50,000,000 (50,000,000–50,000,000) | 0.05 (0.05–0.05) |" in page
    assert "0.50 of plain's connection rate (goal: 0.90)" in page
    assert "10.0 times the connections of the linear rules" in page
    assert "By CPU time: 0.50 of one rule (goal: 0.95), 0.38 of none (goal: 0.85)." in page
    assert "2 times the fabric takes 2.0 times the seconds" in page
    assert "Adding one takes 2.0 times the ping of its node" in page
    assert "| 6.0 (6.0–6.0) | 0 of 1,000 | 4 (4–4) |" in page


def test_the_page_says_whether_the_computer_was_busy(results: dict[str, Any]) -> None:
    assert "busy with other things" not in report.document(results)
    results["about"]["large"]["load"] = [7.5, 2.0]
    assert report.document(results).count("busy with other things") == 1


def test_the_page_has_the_parts_that_were_measured(results: dict[str, Any]) -> None:
    del results["large"], results["small"]
    assert [line for line in report.document(results).splitlines() if line.startswith("## ")] == [
        "## What a router's rules cost packets",
        "## What security groups cost packets",
        "## The controller",
    ]


def test_the_figure_is_a_drawing_with_a_line_for_each_series(results: dict[str, Any]) -> None:
    root = ElementTree.fromstring(report.picture(results))
    lines = [one for one in root.iter() if one.tag.endswith("polyline")]
    assert len(lines) == 3 + len(stages.STEPS) + 1


def test_the_router_that_is_measured_has_an_element_for_each_translation() -> None:
    files = fabrics.router(COUNT).files
    for one in fabrics.translations(COUNT):
        assert f"{one.elastic_ip} : {one.target} " in files["/etc/weft/nftables.d/20-eip.elements"]
        forward = f"{fabrics.VIRTUAL_IP} . tcp . {one.port} : {one.target} . {fabrics.TARGET_PORT}"
        assert forward in files["/etc/weft/nftables.d/30-port_forward.elements"]


def test_the_host_that_is_measured_has_as_many_rules_and_ports() -> None:
    slice_ = fabrics.planned(groups.intent(*groups.SHAPES[groups.MANY]))
    assert sum(len(group["rules"]) for group in slice_["grouped"]["groups"]) == 10_000
    assert len(slice_["grouped"]["ports"]) == len(slice_["ports"]) == 1000


def test_the_linear_rules_translate_the_same() -> None:
    rules = paths.linear_rules(COUNT)
    assert rules.count("-j DNAT") == 2 * COUNT
    assert rules.count("-j SNAT") == COUNT + 1


def test_all_paths_are_asked_for_what_they_translate() -> None:
    translated = dataplane.targets("ours-3", COUNT)
    assert sorted(translated) == sorted(dataplane.targets("linear-3", COUNT))
    assert {port for _address, port in dataplane.targets(dataplane.PLAIN, COUNT)} == {fabrics.TARGET_PORT}
    assert len(set(translated)) == 2 * COUNT


def test_a_fabric_goes_through_all_steps() -> None:
    assert stages.run(2).keys() == {*stages.STEPS, "total", "mebibytes"}
