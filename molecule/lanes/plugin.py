"""For pytest: writes down what becomes of each test, says when one is repeated, and gives the run its seed."""

from __future__ import annotations

import os

import pytest

from lanes import record


def register(config: pytest.Config) -> None:
    """Called by a conftest when pytest begins."""
    seed = os.environ.get(record.SEED)
    if seed and config.pluginmanager.hasplugin("hypothesispytest"):
        config.option.hypothesis_seed = seed
    # A worker of pytest-xdist tells its controller, which writes.
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config), "weft-recorder")


class Recorder:
    """What was said so far of each test that has not ended."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.reports: dict[str, list[pytest.TestReport]] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if nodeid not in self.reports:
            self.reports[nodeid] = []
            record.append(record.part(nodeid, record.BEGUN))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.reports.setdefault(report.nodeid, []).append(report)
        if _is_repeated(report):
            self.say(f"REPEATED after a failure: {report.nodeid}")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        reports = self.reports.get(nodeid, [])
        # Each attempt ends with its teardown; when one is to be repeated, there is more to come.
        begin = max((number for number, one in enumerate(reports) if one.when == "setup"), default=0)
        if any(map(_is_repeated, reports[begin:])):
            return
        del self.reports[nodeid]
        record.append(_part(nodeid, reports))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            text = record.ends(report.longreprtext.splitlines())
            record.append(record.part(report.nodeid or "collection", record.FAILED, text=text))

    def say(self, line: str) -> None:
        terminal = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal:
            terminal.ensure_newline()
            terminal.write_line(line)


def _is_repeated(report: pytest.TestReport) -> bool:
    # pytest-rerunfailures' word for a failure that it does not count.
    return str(report.outcome) == "rerun"


def _part(nodeid: str, reports: list[pytest.TestReport]) -> record.Part:
    repeated = sum(map(_is_repeated, reports))
    wrong = [one for one in reports if one.failed or _is_repeated(one)]
    if any(one.failed for one in reports):
        outcome = record.FAILED
    elif repeated:
        outcome = record.FLAKY
    else:
        outcome = record.SKIPPED if any(one.skipped for one in reports) else record.PASSED
    text = "\n".join(record.ends(one.longreprtext.splitlines()) for one in wrong)
    return record.part(nodeid, outcome, sum(one.duration for one in reports), 1 + repeated, text)
