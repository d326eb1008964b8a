"""A change that fails goes back, and touches nothing that it had not reached."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.engine import deploy
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.files import Tree
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

Json = dict[str, Any]
FAILING = {"kind": "apply", "run": "echo no such luck >&2; false"}
ATTEMPT = Scope.attempt


def service(unit: str, how: str = "reload") -> Json:
    return {"kind": "unit", "unit": unit, "on_change": how}


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What systemd was told to do with units; all of them do it."""
    done: list[str] = []
    up: set[str] = set()

    def attempt(scope: Scope, argv: Sequence[str], stdin: str = "", timeout: float = 60) -> Result:
        if argv[0] != "systemctl":
            return ATTEMPT(scope, argv, stdin, timeout)
        verb, unit = argv[1], argv[-1]
        if verb == "show":
            state = "active" if unit in up else "inactive"
            return Result(0, state if "--value" in argv else f"ActiveState={state}\nType=notify\n", "")
        if verb in ("start", "stop", "reload", "restart"):
            done.append(f"{verb} {unit}")
            up.discard(unit) if verb == "stop" else up.add(unit)
        return Result(0, "", "")

    monkeypatch.setattr(Scope, "attempt", attempt)
    return done


def state(host: Any) -> dict[str, tuple[int, int, str]]:
    """All files with their inodes: what is written anew is another one."""
    return {
        path: (os.lstat(host.root / path).st_ino, os.lstat(host.root / path).st_mtime_ns, text)
        for path, text in host.tree().items()
    }


@pytest.mark.parametrize("kind", ["apply", "unit"])
def test_what_was_not_reached_is_not_put_back(host: Any, told: list[str], kind: str) -> None:
    """The daemon of a bystander is not disturbed by a neighbour's failure."""

    def items(text: str, *first: Json) -> list[Json]:
        activate = {"unit": [service("b.service", "restart")], "apply": [{"kind": "apply", "run": "echo >>/dev/null"}]}
        count = {"kind": "apply", "run": f"echo b >> {host.live}/count"}
        return [host.item("a", text, activate=list(first)), host.item("b", text, activate=[*activate[kind], count])]

    host.run(items("1\n"))
    told.clear()
    before = host.tree(), host.manifest(), (host.live / "count").read_text()
    with pytest.raises(DeployError, match="no such luck"):
        host.run(items("2\n", FAILING))
    assert (host.tree(), host.manifest(), (host.live / "count").read_text()) == before
    assert told == []


@pytest.mark.parametrize("reached", [True, False])
def test_a_unit_that_another_item_has_goes_on(host: Any, told: list[str], reached: bool) -> None:
    """A new certificate for a balancer that runs: the balancer is not stopped with it."""
    web = service("web.service")
    host.run([host.item("a", "1\n", activate=[web])])
    told.clear()
    more = [host.item("b", "1\n", activate=[web, FAILING] if reached else [FAILING, web])]
    with pytest.raises(DeployError, match="no such luck"):
        host.run([host.item("a", "1\n", activate=[web]), *more])
    assert told == (["reload web.service"] * 2 if reached else [])


def test_a_unit_that_is_new_is_stopped(host: Any, told: list[str]) -> None:
    with pytest.raises(DeployError, match="no such luck"):
        host.run([host.item("a", "1\n", activate=[service("new.service"), FAILING])])
    assert told == ["start new.service", "stop new.service"]


def test_a_machines_group_is_not_in_one_change_with_the_hosts(host: Any, tmp_path: Path) -> None:
    """An image that cannot be built leaves the routers alone, though of these only the host's part changes."""
    root = tmp_path / "machine"
    (root / "usr").mkdir(parents=True)
    machine = {"name": "router:r", "root": str(root), "unit": "weft-no-such.service", "uid_base": 0}

    def run(text: str, *image: Json) -> None:
        inside = host.item("r/inside", path="/etc/inside", scope="router:r", group="router r", activate=[])
        items = [host.item("image", text, activate=list(image)), host.item("r", text, group="router r"), inside]
        payload = host.payload(items)
        payload["scopes"].append(machine)
        deploy(payload, False, str(host.state), str(host.lock))

    run("1\n")
    router = host.root / "etc/weft/r.conf"
    before = router.stat().st_ino, router.stat().st_mtime_ns
    with pytest.raises(DeployError, match="no such luck") as error:
        run("2\n", FAILING)
    assert "r.conf" not in str(error.value)
    assert (router.stat().st_ino, router.stat().st_mtime_ns) == before


def test_a_full_disk_lets_everything_be_as_it_was(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing could be written, so nothing is written anew, and nothing half-written stays."""
    host.run([host.item(name, "1\n") for name in "ab"])
    before, manifest, prepare = state(host), host.manifest(), Tree.prepare

    def full(tree: Tree, spec: Any) -> None:
        if spec.path.endswith("b.conf"):
            raise OSError(28, "No space left on device")
        prepare(tree, spec)

    monkeypatch.setattr(Tree, "prepare", full)
    with pytest.raises(DeployError, match="No space left"):
        host.run([host.item(name, "2\n") for name in "ab"])
    assert (state(host), host.manifest()) == (before, manifest)


def making(host: Any, failing: bool) -> Json:
    """An item that makes something in two steps, of which the second may fail."""
    made = host.root / "etc/made"
    end = "false" if failing else f"mv {made}.partial {made}"
    remove = f"rm -rf {made} {made}.partial"
    paths = {"creates": "/etc/made", "partial": "/etc/made.partial"}
    command = {
        "kind": "command",
        "run": f"rm -rf {made}.partial; touch {made}.partial; {end}",
        "remove": remove,
        **paths,
    }
    item: Json = host.item("a", "one\n", activate=[command])
    return item


def test_what_a_command_has_begun_goes_when_it_fails(host: Any) -> None:
    with pytest.raises(DeployError, match="Everything was put back"):
        host.run([making(host, failing=True)])
    assert host.tree() == {}
    host.run([making(host, failing=False)])
    assert sorted(host.tree()) == ["etc/made", "etc/weft/a.conf"]


def test_what_a_killed_command_has_begun_goes_with_the_next_run(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where that run wants it no more."""
    module = "ansible_collections.weft.vpc.plugins.module_utils.deploy.transaction.Transaction._put_back"
    with monkeypatch.context() as killed:
        killed.setattr(module, lambda _self: pytest.fail("never ends"))
        with pytest.raises(pytest.fail.Exception):
            host.run([making(host, failing=True)])
    assert "etc/made.partial" in host.tree()
    foretold = host.run([], "removal", check=True)["actions"]
    assert host.run([], "removal")["actions"] == foretold != []
    assert host.tree() == {}
