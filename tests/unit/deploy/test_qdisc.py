"""What changed limits of bandwidth make of a device's traffic classes."""

from __future__ import annotations

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.qdisc import Class, Classes, live_classes, same
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import ScopeSpec
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

ROOT = "qdisc add dev pub4 root handle 1: htb default 0"


def outer(minor: str, rate: int) -> str:
    rates = f"rate {rate}bit ceil {rate}bit burst 25000b cburst 25000b quantum 15000"
    return f"class add dev pub4 parent 1: classid 1:{minor} htb {rates}"


def leaf(minor: str, rate: int, parent: str = "") -> list[str]:
    return [
        outer(minor, rate).replace("parent 1:", f"parent 1:{parent}"),
        f"qdisc add dev pub4 parent 1:{minor} handle {minor}: pfifo limit 1000",
    ]


def text(*lines: str) -> str:
    return "".join(f"{line}\n" for line in (ROOT, *lines))


LIVE = {
    "1:2": Class("1:", 60000000, 60000000),
    "1:3": Class("1:2", 8000, 60000000),
    "1:5": Class("1:2", 8000, 30000000),
}


def test_a_device_without_classes_gets_all_of_them() -> None:
    lines = [outer("2", 60000000), *leaf("3", 60000000, "2")]
    assert Classes(text(*lines)).whole == [ROOT, *lines]


def test_only_the_class_of_another_rate_is_changed() -> None:
    wanted = Classes(text(outer("2", 20000000), *leaf("5", 30000000)))
    live = {"1:2": Class("1:", 10000000, 10000000), "1:5": Class("1:", 30000000, 30000000)}
    changed = outer("2", 20000000).replace("add", "change")
    assert wanted.difference("pub4", live) == [changed]
    assert wanted.difference("pub4", dict(wanted.wanted)) == []


def test_what_leaves_an_outer_class_is_made_anew_and_the_inner_ones_go_first() -> None:
    wanted = Classes(text(*leaf("5", 30000000)))
    assert wanted.difference("pub4", LIVE) == [
        "class delete dev pub4 classid 1:3",
        "class delete dev pub4 classid 1:5",
        "class delete dev pub4 classid 1:2",
        *leaf("5", 30000000),
    ]


def test_a_line_that_is_none_of_ours_is_refused() -> None:
    with pytest.raises(DeployError, match="filter add"):
        Classes(text("filter add dev pub4 parent 1: matchall"))


@pytest.mark.parametrize(("live", "equal"), [(12345000, True), (12346000, True), (12400000, False)])
def test_rates_are_compared_as_exactly_as_tc_shows_them(live: int, equal: bool) -> None:
    assert same(Class("1:", 12345678, 12345678), Class("1:", live, live)) is equal


class Shown(Scope):
    """A scope in which tc shows what a kernel showed."""

    def attempt_in_network(self, argv: object, stdin: str = "") -> Result:
        return Result(
            0,
            "qdisc htb 1: root refcnt 3 r2q 10 default 0 direct_packets_stat 1 direct_qlen 1000\n"
            if "qdisc" in argv  # type: ignore[operator]
            else "class htb 1:2 root rate 60Mbit ceil 60Mbit burst 75000b cburst 75000b \n"
            "class htb 1:3 parent 1:2 leaf 3: prio 0 rate 8Kbit ceil 60Mbit burst 75000b cburst 75000b \n"
            "class htb 1:5 parent 1:2 leaf 5: prio 0 rate 8Kbit ceil 30Mbit burst 37500b cburst 37500b \n",
            "",
        )


def test_live_classes_are_read_from_what_tc_shows() -> None:
    assert live_classes("pub4", Shown(ScopeSpec("host", "/"))) == LIVE
