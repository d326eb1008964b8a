"""Daemons that do not do what they are asked: started anew, or given up with words that help."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.weft.vpc.plugins.module_utils.deploy import daemons
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError, Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import ScopeSpec
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

ROOT = Path(__file__).parents[3]
RELOAD = ["networkctl", "reload"]


class Place(Scope):
    """A host or a machine on which some commands never end until others were run."""

    def __init__(self, deaf: str, cure: str, machine: bool = False) -> None:
        super().__init__(ScopeSpec("router:vpc-1.admin", "/nowhere", "unit" if machine else None))
        self.know_leader(4711)
        self.deaf, self.cure = deaf, cure
        self.calls: list[str] = []
        self.seconds = 0.0

    def attempt(self, argv: Sequence[str], stdin: str = "", timeout: float = 60) -> Result:
        call = " ".join(argv)
        self.calls.append(call)
        if argv[0] == "journalctl":
            return Result(0, "I am tired\n", "")
        if self.cure and re.search(self.cure, call):
            self.deaf = "^$"
        if re.search(self.deaf, call):
            self.seconds += timeout
            raise CommandError(argv, f"it took longer than {timeout:g} s")
        return Result(0, "", "")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "START_SECONDS", 0.02)


def test_who_does_what_is_asked_is_left_alone() -> None:
    place = Place("^$", "")
    daemons.ask(daemons.NETWORKD, RELOAD, place)
    assert (place.calls, place.notes) == (["networkctl reload"], [])


def test_networkd_is_started_anew_and_asked_again() -> None:
    place = Place("^networkctl", "systemctl restart")
    daemons.ask(daemons.NETWORKD, RELOAD, place)
    assert place.calls == ["networkctl reload", "systemctl restart systemd-networkd.service", "networkctl reload"]
    assert place.notes == [
        "systemd-networkd did not do what `networkctl reload` asks of it: it took longer than 20 s. "
        "It was started anew, and has done it then."
    ]


def test_networkd_that_does_not_end_is_killed() -> None:
    place = Place("^networkctl|systemctl restart", "--signal=KILL")
    daemons.ask(daemons.NETWORKD, RELOAD, place)
    assert "systemctl kill --signal=KILL systemd-networkd.service" in place.calls


def test_who_was_given_up_is_not_waited_for_again() -> None:
    """A run that fails asks again while it puts everything back."""
    place = Place("^(networkctl|systemctl)", "", machine=True)
    said = set()
    for _time in range(3):
        with pytest.raises(DeployError) as error:
            daemons.ask(daemons.NETWORKD, RELOAD, place)
        said.add(str(error.value))
    with pytest.raises(DeployError, match="did not do what `networkctl reload` asks"):
        daemons.restart(daemons.NETWORKD, place)
    assert place.calls.count("networkctl reload") == 1
    assert said == {
        "systemd-networkd in router vpc-1.admin did not do what `networkctl reload` asks of it: it took longer than "
        "20 s. It was started anew, which did not help: `systemctl restart systemd-networkd.service`: it took longer "
        "than 0.02 s.\n"
        "The journal of systemd-networkd.service ends with:\nI am tired\n"
        "See `nsenter --all --target=4711 journalctl --boot --unit=systemd-networkd.service`, mend what it tells, and "
        "run again."
    }


@pytest.mark.parametrize("daemon", [one for one in daemons.DAEMONS.values() if one.costs])
def test_who_carries_something_is_never_started_anew(daemon: daemons.Daemon) -> None:
    place = Place("reload", "")
    with pytest.raises(DeployError) as error:
        daemons.ask(daemon, ["systemctl", "reload", daemon.unit], place)
    assert not [call for call in place.calls if re.search("restart|kill", call)]
    assert f"`systemctl restart {daemon.unit}` helps, which ends {daemon.costs}" in str(error.value)
    assert "I am tired" in str(error.value)


@pytest.mark.parametrize("daemon", daemons.DAEMONS.values())
def test_no_daemon_is_waited_for_as_long_as_a_run_has_been(daemon: daemons.Daemon) -> None:
    """A run failed after 105 s."""
    assert daemon.limit + 2 * 20 < 105 or daemon.costs
    assert daemon.limit < 80


def units() -> dict[str, set[str]]:
    """The roles' units by what a change of their files makes of them."""
    found: dict[str, set[str]] = {}
    for path in ROOT.glob("roles/*/meta/deploy.yml"):
        for item in yaml.safe_load(path.read_text())["items"]:
            for one in item.get("activate", []):
                if one["kind"] == "unit":
                    found.setdefault(one.get("on_change", "reload"), set()).add(one["unit"])
    return found


def is_script(unit: str) -> bool:
    """Whether it ends when it has done something: there is nobody who could not answer."""
    template = next(ROOT.glob(f"roles/*/templates/{unit.replace('{{ link.device }}', 'link').split('@')[0]}*.j2"), None)
    link = ROOT / "roles/vpc_router/templates/weft-link.service.j2"
    template = link if unit.startswith("weft-link") else template
    return template is not None and "Type=oneshot" in template.read_text()


def test_every_daemon_of_the_roles_has_words_of_its_own() -> None:
    wanted = {unit for how in ("reload", "restart") for unit in units()[how] if not is_script(unit)}
    assert "haproxy.service" in wanted and "weft-dnsmasq.service" in wanted
    assert wanted <= daemons.DAEMONS.keys()


def test_nobody_else_asks_daemons() -> None:
    """Whoever asks elsewhere waits elsewhere, and has other words."""
    asking = re.compile(
        r"(?:attempt|run)\w*\(\s*\[\s*\"(?:networkctl|vtysh|swanctl|systemctl\", \"(?:re(?!set)|start|stop|daemon))"
    )
    library = ROOT / "plugins/module_utils"
    found = [str(path) for path in library.rglob("*.py") if asking.search(path.read_text())]
    assert found == []
    assert asking.search('scope.run(["networkctl", "reload"])') and asking.search(
        'attempt(["systemctl", "restart", x])'
    )


def test_what_a_run_mended_is_said(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def attempt(scope: Scope, argv: Sequence[str], stdin: str = "", timeout: float = 60) -> Result:
        scope.notes.append("It was tired.")
        return Result(0, "", "")

    monkeypatch.setattr(Scope, "attempt", attempt)
    assert host.run([host.item("a", "1\n")])["warnings"] == ["It was tired."]
    monkeypatch.undo()
    assert "warnings" not in host.run([host.item("a", "1\n")])
