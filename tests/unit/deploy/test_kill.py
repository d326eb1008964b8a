"""SIGKILL right after every step: the next run converges, and the manifest never claims what was not confirmed."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

POINTS = ("manifest", "prepare", "swap", "unlink", "activate")


def killed(host: Any, items: list[dict[str, Any]], phase: str, point: str) -> bool:
    """Run in a process of its own; True if it was killed at the point."""
    child = os.fork()
    if child == 0:
        os.environ["WEFT_TEST_KILL_AT"] = point
        status = 1
        try:
            host.run(items, phase, max_removal_percent=100)
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status != 0


def first(host: Any) -> list[dict[str, Any]]:
    more = [{"path": "/etc/weft/b1", "content": "1"}, {"path": "/etc/weft/sub/b2", "content": "2"}]
    return [host.item("a", "one\n"), host.item("b", files=more, group="a", activate=[]), host.item("gone", "three\n")]


def second(host: Any) -> list[dict[str, Any]]:
    more = [{"path": "/etc/weft/b1", "content": "changed"}, {"path": "/etc/weft/other/b3", "content": "3"}]
    return [host.item("a", "ONE\n"), host.item("b", files=more, group="a", activate=[]), host.item("new", "four\n")]


def settle(host: Any, items: list[dict[str, Any]]) -> None:
    """What the next run makes of it, and that it is what was wanted, without leftovers."""
    claimed = json.loads(host.manifest() or '{"items": {}}')["items"]
    for item in items:
        entry = claimed.get(item["id"], {"state": ""})
        if entry["state"] == "applied" and entry["digest"] == json_digest(item):
            assert all(host.text(each["path"]) == each["content"] for each in item["files"])
            assert live(host, item)
    for phase in ("segments", "removal"):
        host.run(items, phase, max_removal_percent=100)
    assert host.tree() == {each["path"][1:]: each["content"] for item in items for each in item["files"]}
    assert all(live(host, item) for item in items)
    assert not any(host.run(items, phase, max_removal_percent=100)["changed"] for phase in ("segments", "removal"))
    assert sorted(path.name for path in host.state.iterdir()) == ["manifest.json"]
    host.run([], "removal", max_removal_percent=100)
    assert sorted(path.name for path in host.root.rglob("*")) == ["etc"]
    assert list(host.state.iterdir()) == []


def json_digest(item: dict[str, Any]) -> str:
    from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import item_digest

    return item_digest(item)


def live(host: Any, item: dict[str, Any]) -> bool:
    """True if the live object is that of the item's file."""
    name = item["id"].partition("/")[2]
    path = host.live / name
    return len(item["files"]) > 1 or (path.exists() and path.read_text() == item["files"][0]["content"])


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("number", range(1, 8))
def test_a_first_apply_killed_anywhere_is_completed(host: Any, point: str, number: int) -> None:
    killed(host, first(host), "segments", f"{point}:{number}")
    settle(host, first(host))


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize("forward", [True, False])
def test_a_change_killed_anywhere_goes_on_or_back(host: Any, point: str, number: int, forward: bool) -> None:
    host.run(first(host))
    killed(host, second(host), "segments", f"{point}:{number}")
    settle(host, second(host) if forward else first(host))


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("number", range(1, 5))
def test_a_removal_killed_anywhere_is_completed(host: Any, point: str, number: int) -> None:
    host.run(first(host))
    killed(host, first(host)[:1], "removal", f"{point}:{number}")
    settle(host, first(host)[:1])


@pytest.mark.parametrize("point", POINTS)
def test_two_killed_changes_leave_nothing_of_either(host: Any, point: str) -> None:
    host.run(first(host))
    killed(host, second(host), "segments", f"{point}:1")
    killed(host, [host.item("third", "3", group="a")], "segments", f"{point}:1")
    settle(host, first(host))


def test_a_failure_after_a_kill_goes_back_to_what_was_confirmed(host: Any) -> None:
    host.run(first(host))
    before = host.tree()
    assert killed(host, second(host)[:2], "segments", "swap:2")
    failing = [{**item, "activate": [{"kind": "apply", "run": "false"}]} for item in second(host)[:2]]
    with pytest.raises(Exception, match="put back"):
        host.run([*failing, first(host)[2]])
    assert host.tree() == before
    assert (host.live / "a").read_text() == "one\n"


def test_the_kill_points_are_really_passed(host: Any) -> None:
    host.run(first(host))
    for point in POINTS:
        assert killed(host, second(host), "segments", f"{point}:1"), point
        host.run(first(host))
