"""What one call does to files, manifest and live objects."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.drift import survey_manifest
from ansible_collections.weft.vpc.plugins.module_utils.deploy.engine import deploy
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import ManifestFile
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope


def test_a_new_item_is_written_activated_and_recorded(host: Any) -> None:
    done = host.run([host.item("a", "one\n")])
    assert done["changed"]
    assert done["files"] == [f"{host.root}/etc/weft/a.conf"]
    assert done["actions"] == [f"run cp {host.root}/etc/weft/a.conf {host.live}/a"]
    assert host.text("/etc/weft/a.conf") == (host.live / "a").read_text() == "one\n"
    assert json.loads(host.manifest())["items"]["role/a"]["state"] == "applied"


def test_a_second_run_changes_nothing(host: Any) -> None:
    items = [host.item("a", "one\n"), host.item("b", "two\n")]
    host.run(items)
    before = host.manifest()
    assert host.run(items) == {
        "changed": False,
        "files": [],
        "actions": [],
        "diff": [],
        "pending": {"segments": 0, "routers": 0, "ports": 0, "removal": 0},
    }
    assert host.manifest() == before


@pytest.mark.parametrize("phase", ["segments", "removal"])
def test_check_mode_says_what_the_run_does_and_does_nothing(host: Any, phase: str) -> None:
    host.run([host.item("a", "one\n"), host.item("b", "two\n"), host.item("c", "three\n")])
    wanted = [host.item("a", "ONE\n"), host.item("c", "three\n"), host.item("d", "four\n")]
    before = host.tree(), host.manifest()
    predicted = host.run(wanted, phase, check=True)
    assert (host.tree(), host.manifest()) == before
    done = host.run(wanted, phase)
    assert predicted["changed"]
    assert [predicted[key] for key in ("files", "actions", "diff")] == [
        done[key] for key in ("files", "actions", "diff")
    ]


def test_only_the_phase_asked_for_is_done(host: Any) -> None:
    items = [host.item("a", "one\n"), host.item("b", "two\n", phase="ports")]
    done = host.run(items)
    assert host.text("/etc/weft/b.conf") is None
    assert done["pending"] == {"segments": 0, "routers": 0, "ports": 1, "removal": 0}


def test_a_file_of_somebody_else_is_never_taken(host: Any) -> None:
    theirs = host.root / "etc/weft/a.conf"
    theirs.parent.mkdir()
    theirs.write_text("mine\n")
    with pytest.raises(DeployError, match=r"etc/weft/a\.conf exists and is not ours"):
        host.run([host.item("b", "two\n"), host.item("a", "one\n")])
    assert host.tree() == {"etc/weft/a.conf": "mine\n"}
    assert host.manifest() == ""


def test_a_file_changed_by_somebody_else_is_put_right(host: Any) -> None:
    items = [host.item("a", "one\n")]
    host.run(items)
    (host.root / "etc/weft/a.conf").write_text("other\n")
    done = host.run(items)
    assert done["files"] == [f"{host.root}/etc/weft/a.conf"]
    assert host.text("/etc/weft/a.conf") == "one\n"


def test_a_changed_mode_is_put_right(host: Any) -> None:
    items = [host.item("a", "one\n")]
    host.run(items)
    os.chmod(host.root / "etc/weft/a.conf", 0o600)
    assert host.run(items)["files"]
    assert (host.root / "etc/weft/a.conf").stat().st_mode & 0o777 == 0o644


def test_a_symbolic_link_is_made_and_replaced(host: Any) -> None:
    item = host.item("a", files=[{"path": "/etc/a", "link": "/one"}], activate=[])
    host.run([item])
    host.run([{**item, "files": [{"path": "/etc/a", "link": "/two"}]}])
    assert os.readlink(host.root / "etc/a") == "/two"
    assert not host.run([{**item, "files": [{"path": "/etc/a", "link": "/two"}]}])["changed"]


def test_what_is_not_wanted_any_more_goes_with_its_directories(host: Any) -> None:
    host.run([host.item("a", "one\n", path="/etc/weft/deep/er/a.conf"), host.item("b", "two\n")])
    host.run([host.item("b", "two\n")], "removal")
    assert host.tree() == {"etc/weft/b.conf": "two\n"}
    host.run([], "removal")
    assert sorted(path.name for path in host.root.rglob("*")) == ["etc"]
    assert host.manifest() == ""


def test_a_file_that_an_item_gives_up_goes(host: Any) -> None:
    both = [{"path": "/etc/one", "content": "1"}, {"path": "/etc/two", "content": "2"}]
    host.run([host.item("a", files=both, activate=[])])
    done = host.run([host.item("a", files=both[:1], activate=[])])
    assert done["files"] == [f"{host.root}/etc/two"]
    assert host.tree() == {"etc/one": "1"}


def test_a_file_may_pass_from_one_item_to_another(host: Any) -> None:
    host.run([host.item("a", "one\n", path="/etc/x")])
    wanted = [host.item("b", "one\n", path="/etc/x")]
    host.run(wanted)
    host.run(wanted, "removal")
    assert host.tree() == {"etc/x": "one\n"}


def test_too_large_a_removal_is_refused_before_anything_is_done(host: Any) -> None:
    items = [host.item(name, name) for name in "abcdefgh"]
    host.run(items)
    for phase in ("segments", "removal"):
        with pytest.raises(DeployError, match="would remove 4 of the 8 items"):
            host.run([host.item("new", "new"), *items[4:]], phase, max_removal_percent=40)
    assert host.text("/etc/weft/new.conf") is None
    host.run(items[4:], "removal", max_removal_percent=50)
    assert len(host.tree()) == 4


def test_three_items_may_always_go(host: Any) -> None:
    host.run([host.item(name, name) for name in "abc"])
    host.run([], "removal", max_removal_percent=1)
    assert host.tree() == {}


def test_other_roles_are_left_alone(host: Any) -> None:
    host.run([host.item("a", "one\n"), host.item("b", "two\n", role="other")])
    wanted = [host.item("a", "ONE\n"), host.item("c", "three\n", role="other")]
    done = host.run(wanted, roles=["role"])
    assert done["files"] == [f"{host.root}/etc/weft/a.conf"]
    assert not host.run(wanted, "removal", roles=["role"])["changed"]


def test_a_refused_file_is_not_installed(host: Any) -> None:
    host.run([host.item("a", "good\n")])
    before = host.tree(), host.manifest()
    bad = host.item("a", "bad\n")
    bad["files"][0]["check"] = f"! grep -n bad {host.root}{{path}}"
    with pytest.raises(DeployError, match=r"a\.conf is refused by") as error:
        host.run([bad, host.item("b", "two\n")])
    assert "1:bad" in str(error.value)
    assert (host.tree(), host.manifest()) == before
    assert (host.live / "a").read_text() == "good\n"


def test_a_failed_activation_puts_the_group_back(host: Any) -> None:
    host.run([host.item("a", "good\n")])
    before = host.tree(), host.manifest()
    failing = host.item("b", "two\n", group="a", activate=[{"kind": "apply", "run": "echo no such luck >&2; false"}])
    with pytest.raises(DeployError, match="no such luck") as error:
        host.run([host.item("a", "new\n", group="a"), failing])
    assert "put back" in str(error.value)
    assert (host.tree(), host.manifest()) == before
    assert (host.live / "a").read_text() == "good\n"
    assert not (host.state / "rollback").exists()


def test_a_secret_is_not_shown(host: Any) -> None:
    item = host.item("a", files=[{"path": "/etc/psk", "content": "sesame", "secret": True}], activate=[])
    shown = json.dumps(host.run([item])["diff"])
    changed = host.item("a", files=[{"path": "/etc/psk", "content": "hush", "secret": True}], activate=[])
    shown += json.dumps(host.run([changed])["diff"]) + json.dumps(host.run([], "removal")["diff"]) + host.manifest()
    assert "sesame" not in shown
    assert "hush" not in shown


def test_a_secret_is_for_root_alone(host: Any) -> None:
    host.run([host.item("a", files=[{"path": "/etc/psk", "content": "sesame", "secret": True}], activate=[])])
    assert (host.root / "etc/psk").stat().st_mode & 0o777 == 0o600


def test_another_fabrics_host_is_refused(host: Any) -> None:
    host.run([host.item("a", "one\n")])
    with pytest.raises(DeployError, match="belongs to the fabric 'test'"):
        host.run([], fabric="other")


def test_a_manifest_that_cannot_be_read_stops_everything(host: Any) -> None:
    host.state.mkdir()
    (host.state / "manifest.json").write_text('{"format": 1, "fab')
    with pytest.raises(DeployError, match="cannot be read"):
        host.run([host.item("a", "one\n")])
    assert host.tree() == {}


def test_two_runs_at_once_are_refused(host: Any) -> None:
    inner = f"flock --nonblock {host.lock} true"
    with pytest.raises(DeployError, match="flock"):
        host.run([host.item("a", "one\n", activate=[{"kind": "apply", "run": inner}])])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scope": "nowhere"}, "names the scope nowhere"),
        ({"phase": "later"}, "phase 'later'"),
        ({"files": [{"path": "etc/a"}]}, "not absolute"),
        ({"files": [{"path": "/etc/../a"}]}, "not absolute"),
        ({"activate": [{"kind": "magic"}]}, "'magic' is none of"),
        ({"activate": [{"kind": "unit"}]}, "lacks 'unit'"),
    ],
)
def test_a_wrong_payload_is_told(host: Any, change: dict[str, object], message: str) -> None:
    with pytest.raises(DeployError, match=message):
        host.run([{**host.item("a", "one\n"), **change}])
    assert host.tree() == {}


def test_one_file_of_two_items_is_refused(host: Any) -> None:
    with pytest.raises(DeployError, match="belongs to role/a and to role/b"):
        host.run([host.item("a", "one\n", path="/etc/x"), host.item("b", "two\n", path="/etc/x")])


def test_missing_packages_are_named_when_they_may_not_be_installed(host: Any) -> None:
    with pytest.raises(DeployError, match="apt-get install no-such-package"):
        host.run([host.item("a", "one\n")], packages={"no-such-command": "no-such-package"}, install_packages=False)
    assert host.tree() == {}


def test_a_command_runs_until_what_it_creates_is_there(host: Any) -> None:
    made = host.root / "etc/made"
    command = {"kind": "command", "run": f"touch {made}", "creates": "/etc/made", "remove": f"rm {made}"}
    item = host.item("a", "one\n", activate=[command])
    assert host.run([item])["actions"] == [f"run touch {made}"]
    assert not host.run([item])["changed"]
    made.unlink()
    assert host.run([item])["actions"] == [f"run touch {made}"]
    host.run([], "removal")
    assert not made.exists()


def test_a_command_that_only_takes_away_is_not_foretold(host: Any) -> None:
    gone = host.root / "etc/gone"
    command = {"kind": "command", "creates": "/etc/weft/a.conf", "remove": f"touch {gone}"}
    item = host.item("a", "one\n", activate=[command])
    assert host.run([item], check=True)["actions"] == host.run([item])["actions"] == []
    assert host.run([], "removal", check=True)["actions"] == host.run([], "removal")["actions"] == [f"run touch {gone}"]
    assert gone.exists()


def test_no_link_in_a_machines_root_leads_out_of_it(host: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    machine = tmp_path / "machine"
    (machine / "usr").mkdir(parents=True)
    (machine / "etc").symlink_to(outside)
    item = host.item("a", "one\n", path="/etc/a", scope="router:r", activate=[])
    payload = host.payload([item])
    payload["scopes"].append({"name": "router:r", "root": str(machine), "unit": "weft-no-such.service", "uid_base": 0})
    with pytest.raises(DeployError, match="symbolic link"):
        deploy(payload, False, str(host.state), str(host.lock))
    assert list(outside.iterdir()) == []


def test_the_state_of_others_is_known_whatever_a_machine_does_to_its_tree(host: Any, tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    (machine / "usr").mkdir(parents=True)
    item = host.item("a", "one\n", path="/etc/weft/a", scope="router:r", activate=[])
    payload = host.payload([item, host.item("b", "two\n", activate=[])])
    payload["scopes"].append({"name": "router:r", "root": str(machine), "unit": "weft-no-such.service", "uid_base": 0})
    deploy(payload, False, str(host.state), str(host.lock))
    manifest = ManifestFile(str(host.state)).read("test")
    assert survey_manifest(manifest)["drift"] == []
    (machine / "etc/weft/a").write_bytes(b"\xff\xfe")
    reasons = survey_manifest(manifest)["reasons"]
    assert reasons == {"role/a": [f"{machine}/etc/weft/a was changed by somebody else"]}
    (machine / "etc/weft").rename(machine / "etc/other")
    (machine / "etc/weft").symlink_to("/etc")
    reasons = survey_manifest(manifest)["reasons"]
    assert list(reasons) == ["role/a"] and "symbolic link" in reasons["role/a"][0]


def test_files_beside_obsolete_rules_go_with_the_removal(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules go with the next change of the host's, before the removal; the item's other files must not be forgotten."""
    monkeypatch.setattr("ansible_collections.weft.vpc.plugins.module_utils.deploy.engine.nftables.belongs", _is_rules)
    files = [{"path": f"/etc/weft/{name}", "mode": "0644", "content": "x\n"} for name in ("a.rules", "a.unit")]
    host.run([host.item("a", files=files, activate=[]), host.item("b", "one\n")])
    wanted = [host.item("b", "two\n")]
    foretold = [host.run(wanted, phase, check=True) for phase in ("segments", "removal")]
    done = [host.run(wanted)]
    assert set(host.tree()) == {"etc/weft/a.unit", "etc/weft/b.conf"}
    done.append(host.run(wanted, "removal"))
    assert set(host.tree()) == {"etc/weft/b.conf"}
    assert [one["files"] for one in foretold] == [one["files"] for one in done], "check mode knows what went before"


def test_obsolete_rules_are_foretold_once(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first call that takes them along, though check mode lets each call find them there."""
    monkeypatch.setattr("ansible_collections.weft.vpc.plugins.module_utils.deploy.engine.nftables.belongs", _is_rules)
    rules = {"path": "/etc/weft/a.rules", "mode": "0644", "content": "x\n"}

    def wanted(text: str) -> list[dict[str, Any]]:
        return [host.item(phase, text, phase=phase) for phase in ("segments", "routers", "ports")]

    for item in [host.item("a", files=[rules], activate=[]), *wanted("1\n")]:
        host.run([host.item("a", files=[rules], activate=[]), *wanted("1\n")], item["phase"])
    calls = ("segments", "routers", "ports", "removal")
    foretold = [host.run(wanted("2\n"), phase, check=True)["files"] for phase in calls]
    assert [sum(path.endswith(".rules") for path in files) for files in foretold] == [1, 0, 0, 0]
    assert [host.run(wanted("2\n"), phase)["files"] for phase in calls] == foretold


def test_check_mode_finds_files_as_the_calls_before_leave_them(host: Any) -> None:
    """A file that passes from one item to another in an earlier call is nothing to remove in a later one."""
    host.run([host.item("a", "1\n", path="/etc/x"), host.item("b", "1\n")])
    wanted = [host.item("c", "1\n", path="/etc/x", phase="routers")]
    calls = ("segments", "routers", "ports", "removal")
    foretold = [host.run(wanted, phase, check=True)["files"] for phase in calls]
    assert [host.run(wanted, phase)["files"] for phase in calls] == foretold
    assert host.text("/etc/x") == "1\n"


def _is_rules(path: str) -> bool:
    return path.endswith(".rules")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What nft was asked to check and to load, which it does."""
    texts: list[str] = []

    def nft(_scope: object, _argv: object, stdin: str) -> Result:
        texts.append(stdin)
        return Result(0, "", "")

    activation = "ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.nftables"
    monkeypatch.setattr(f"{activation}.tables", lambda _leader: {"inet weft"})
    monkeypatch.setattr(Scope, "attempt_in_empty_network", nft)
    monkeypatch.setattr(Scope, "attempt_in_network", nft)
    return texts


def rules_of(host: Any, name: str, *more: dict[str, Any]) -> Any:
    """An item of one file of rules, and what else it activates."""
    text = f"table inet weft {{\n\tchain {name} {{\n\t}}\n}}\n"
    path = f"/etc/weft/nftables.d/{name}.nft"
    return host.item(name, text, path=path, activate=[{"kind": "nftables"}, *more])


def test_the_rules_of_a_new_item_join_those_of_others(host: Any, loaded: list[str]) -> None:
    """Tables that are made anew lose what their sets admit for a moment."""
    rules = [rules_of(host, name) for name in ("a", "b")]
    host.run(rules[:1])
    host.run(rules)
    checks = [text.splitlines()[1] for text in loaded[::2]]
    assert checks == ["delete table inet weft"] * 2, "whether a kernel would take the whole"
    assert [text.splitlines()[0] for text in loaded[1::2]] == ["table inet weft", "flush table inet weft"]


def test_rules_are_the_last_to_go(host: Any, loaded: list[str]) -> None:
    """Who keeps them would bring them back, and until then what passes is under them."""
    command = {"kind": "command", "creates": "/etc/weft/nftables.d/a.nft", "remove": "true"}
    host.run([rules_of(host, "a", command), rules_of(host, "b")])
    assert host.run([], "removal")["actions"] == ["run true", "load nftables rules"]
    assert loaded[-1].splitlines() == ["table inet weft", "delete table inet weft"]


def test_a_chain_goes_with_the_last_jump_to_it(host: Any, loaded: list[str], tmp_path: Path) -> None:
    """Also where the host's own changes come between those of a machine, as they do with limits of bandwidth."""
    from ansible_collections.weft.vpc.plugins.module_utils.deploy.engine import deploy

    machine = tmp_path / "machine"
    (machine / "usr").mkdir(parents=True)
    spec = {"name": "router:r", "root": str(machine), "unit": "weft-no-such.service", "uid_base": 0}

    def inside(name: str, text: str, path: str) -> Any:
        activate = [{"kind": "nftables"}] if path.endswith(".nft") else []
        return host.item(name, text, path=path, scope="router:r", group="r", activate=activate)

    def run(jumps: bool) -> None:
        rule = "\t\tjump target\n" if jumps else ""
        base = f"table inet weft {{\n\tchain base {{\n{rule}\t}}\n}}\n"
        target = inside("target", "table inet weft {\n\tchain target {\n\t}\n}\n", "/etc/weft/nftables.d/10-target.nft")
        items = [inside("base", base, "/etc/weft/nftables.d/90-base.nft")]
        items += [host.item("between", f"{jumps}\n", group="r", activate=[])]
        items += [inside("after", f"{jumps}\n", "/etc/weft/after")]
        payload = host.payload([target, *items] if jumps else items)
        payload["scopes"].append(spec)
        deploy(payload, False, str(host.state), str(host.lock))

    run(jumps=True)
    run(jumps=False)
    assert not (machine / "etc/weft/nftables.d/10-target.nft").exists()
    torn = [text for text in loaded if "jump target" in text and "chain target" not in text]
    assert loaded and torn == []
