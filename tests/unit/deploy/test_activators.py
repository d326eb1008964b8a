"""What activations make of files, without the daemons."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy import part, rulesets
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators import addresses, fdb, networkd, nftables
from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import Result
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import FileSpec, ScopeSpec
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

RULES = "/etc/weft/nftables.d"


class Recorder(Scope):
    """A scope that records commands; ``failing`` ones do not succeed."""

    def __init__(self, root: Path) -> None:
        super().__init__(ScopeSpec("host", str(root)))
        self.calls: list[tuple[str, str]] = []
        self.failing = 0
        self.there: set[str] = set()

    def attempt(self, argv: object, stdin: str = "", timeout: float = 0) -> Result:
        self.calls.append((" ".join(argv), stdin))  # type: ignore[call-overload]
        self.failing -= 1
        return Result(1 if self.failing >= 0 else 0, "", "no")

    def attempt_in_network(self, argv: object, stdin: str = "") -> Result:
        return self.attempt(argv, stdin)

    def devices(self) -> set[str]:
        return self.there


@pytest.fixture
def scope(tmp_path: Path) -> Recorder:
    return Recorder(tmp_path)


def put(scope: Recorder, path: str, text: str) -> None:
    real = Path(scope.tree.real(path))
    real.parent.mkdir(parents=True, exist_ok=True)
    real.write_text(text)


def change(scope: Recorder, path: str, text: str | None) -> Batch:
    """A batch in which the file that is there becomes another one."""
    batch = Batch(scope, simulate=False)
    found = scope.tree.look(path)
    batch.old[path] = found.content if found else None
    batch.new[path] = FileSpec(path, text) if text is not None else None
    return batch


STRUCTURE = "table inet weft {\n\tmap m { type ipv4_addr : ipv4_addr; }\n}\n"


def elements(*pairs: str) -> str:
    return "".join(f"add element inet weft m {{ {pair} }}\n" for pair in pairs)


def nft(batch: Batch, full: bool = False) -> tuple[list[str], list[tuple[str, str]]]:
    works = nftables.Nftables().plan(Step({"kind": "nftables"}, set(batch.new), full), batch)
    for work in works:
        work.run()
    return [work.text for work in works], batch.scope.calls  # type: ignore[attr-defined]


def test_one_element_more_is_one_element_more(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", STRUCTURE)
    put(scope, f"{RULES}/a.elements", elements("10.0.0.1 : 1.1.1.1"))
    texts, calls = nft(change(scope, f"{RULES}/a.elements", elements("10.0.0.1 : 1.1.1.1", "10.0.0.2 : 1.1.1.2")))
    assert texts == ["change nftables elements"]
    assert calls == [("nft --file /dev/stdin", elements("10.0.0.2 : 1.1.1.2"))]


def test_a_changed_element_goes_and_comes_in_one_transaction(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.elements", elements("10.0.0.1 : 1.1.1.1"))
    _, calls = nft(change(scope, f"{RULES}/a.elements", elements("10.0.0.1 : 2.2.2.2")))
    assert calls[0][1] == "delete element inet weft m { 10.0.0.1 }\n" + elements("10.0.0.1 : 2.2.2.2")


def statements(*rules: tuple[str, str]) -> str:
    """A counter and a rule of each: chain and name."""
    counters = "".join(f"add counter inet weft {name}\n" for _chain, name in rules)
    return counters + "".join(f"add rule inet weft {chain} counter name {name} return\n" for chain, name in rules)


def test_only_a_chain_that_changes_gets_its_rules_anew(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.elements", statements(("web", "a"), ("web", "b"), ("db", "c")))
    _, calls = nft(change(scope, f"{RULES}/a.elements", statements(("web", "b"), ("web", "d"), ("db", "c"))))
    assert calls[0][1].splitlines() == [
        "flush chain inet weft web",
        "delete counter inet weft a",
        "add counter inet weft d",
        "add rule inet weft web counter name b return",
        "add rule inet weft web counter name d return",
    ]


def test_the_order_of_rules_is_a_difference(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.elements", statements(("web", "a"), ("web", "b")))
    _, calls = nft(change(scope, f"{RULES}/a.elements", statements(("web", "b"), ("web", "a"))))
    assert calls[0][1].splitlines() == [
        "flush chain inet weft web",
        "add rule inet weft web counter name b return",
        "add rule inet weft web counter name a return",
    ]


def test_an_element_that_moves_between_files_is_left_alone(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.elements", elements("10.0.0.1 : 1.1.1.1"))
    batch = change(scope, f"{RULES}/a.elements", None)
    batch.new[f"{RULES}/b.elements"] = FileSpec(f"{RULES}/b.elements", elements("10.0.0.1 : 1.1.1.1"))
    assert nft(batch) == ([], [])


def table(**objects: str) -> str:
    """A structure as the templates write it: by kind and name, the lines of what is declared."""
    bodies = (f"\t{name.replace('_', ' ', 1)} {{\n\t\t{body}\n\t}}\n" for name, body in objects.items())
    return "# Why.\ntable inet weft {\n" + "".join(bodies) + "}\n"


MAP = "type ipv4_addr : verdict"


def test_a_changed_structure_keeps_what_is_in_sets(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", table(map_m=MAP, map_n=MAP, chain_a="accept", chain_b="drop"))
    kept, gone = elements("10.0.0.1 : jump a"), "add element inet weft n { 10.0.0.2 : jump b }\n"
    put(scope, f"{RULES}/a.elements", kept + gone)
    new = table(map_m=MAP, chain_a="drop", chain_c="accept")
    batch = change(scope, f"{RULES}/a.nft", new)
    batch.old[f"{RULES}/a.elements"] = (kept + gone).encode()
    come = "add element inet weft m { 10.0.0.3 : jump c }\n"
    batch.new[f"{RULES}/a.elements"] = FileSpec(f"{RULES}/a.elements", kept + come)
    texts, calls = nft(batch)
    assert texts == ["load nftables rules"]
    head = [
        "flush table inet weft",
        "delete element inet weft n { 10.0.0.2 }",
        "delete map inet weft n",
        "delete chain inet weft b",
    ]
    assert calls == [("nft --file /dev/stdin", "\n".join(head) + "\n" + new + "\n" + come)]


def test_a_set_that_a_service_fills_stays_until_its_file_goes(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", table(map_m=MAP, chain_a="ip saddr vmap @m"))
    put(scope, f"{RULES}/b.elements", "add map inet weft m { type ipv4_addr : verdict; }\n")
    _, calls = nft(change(scope, f"{RULES}/a.nft", table(chain_b="accept")))
    assert calls[0][1].startswith("flush table inet weft\ndelete chain inet weft a\n#")


def test_rules_among_elements_come_back_to_a_changed_structure(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", table(chain_web="accept"))
    put(scope, f"{RULES}/a.elements", statements(("web", "a")))
    _, calls = nft(change(scope, f"{RULES}/a.nft", table(chain_web="accept", chain_db="accept")))
    assert calls[0][1].endswith("\nadd rule inet weft web counter name a return\n")
    assert "add counter" not in calls[0][1], "it goes on counting"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (table(map_m=MAP), table(map_m="type ipv4_addr : ipv4_addr")),
        (table(set_m="type ipv4_addr"), table(map_m=MAP)),
        (table(chain_c="type filter hook input priority 0;"), table(chain_c="type filter hook input priority 1;")),
        (table(chain_c="type filter hook input priority 0;"), table(chain_c="accept")),
        # What is in the set would keep the old limit.
        (
            table(set_s="flags dynamic", chain_c="add @s { ip saddr ct count over 1 } drop"),
            table(set_s="flags dynamic", chain_c="add @s { ip saddr ct count over 2 } drop"),
        ),
        # Somebody else's way of writing.
        (table(map_m=MAP), "table inet weft { map m { type ipv4_addr : verdict; }; }\n"),
        (table(map_m=MAP), 'include "x"\n' + table(map_m=MAP)),
    ],
)
def test_what_cannot_change_in_place_is_made_anew(scope: Recorder, old: str, new: str) -> None:
    put(scope, f"{RULES}/a.nft", old)
    put(scope, f"{RULES}/a.elements", elements("10.0.0.1 : accept"))
    _, calls = nft(change(scope, f"{RULES}/a.nft", new))
    head = "table inet weft\ndelete table inet weft\n"
    assert calls == [("nft --file /dev/stdin", head + new + elements("10.0.0.1 : accept"))]


def test_a_structure_that_does_not_fit_the_live_table_brings_the_whole(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", table(map_m=MAP))
    scope.failing = 1
    _, calls = nft(change(scope, f"{RULES}/a.nft", table(map_m=MAP, chain_c="accept")))
    assert [text.splitlines()[0] for _argv, text in calls] == ["flush table inet weft", "table inet weft"]


def test_a_table_of_a_new_family_replaces_what_has_its_name(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", table(map_m=MAP))
    new = table(chain_c="accept").replace("inet", "bridge")
    _, calls = nft(change(scope, f"{RULES}/b.nft", new))
    head = "flush table inet weft\ntable bridge weft\ndelete table bridge weft\n"
    assert calls[0][1] == head + table(map_m=MAP) + "\n" + new + "\n"


def test_elements_that_do_not_fit_the_live_table_bring_the_whole(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", STRUCTURE)
    scope.failing = 1
    _, calls = nft(change(scope, f"{RULES}/a.elements", elements("10.0.0.1 : 1.1.1.1")))
    assert len(calls) == 2
    assert calls[1][1].startswith("table inet weft\ndelete table inet weft\n")


def test_what_a_killed_run_left_in_doubt_is_loaded_whole(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", STRUCTURE)
    batch = Batch(scope, simulate=False, unsure={f"{RULES}/a.nft"})
    works = nftables.Nftables().plan(Step({"kind": "nftables"}, {f"{RULES}/a.nft"}), batch)
    assert [work.text for work in works] == ["load nftables rules"]


def test_the_last_structure_takes_its_table_with_it(scope: Recorder) -> None:
    put(scope, f"{RULES}/a.nft", STRUCTURE)
    _, calls = nft(change(scope, f"{RULES}/a.nft", None))
    assert calls[0][1] == "table inet weft\ndelete table inet weft\n"


def test_nfts_complaint_names_the_file_and_its_line() -> None:
    text = rulesets.replacement({}, {f"{RULES}/a.nft": STRUCTURE, f"{RULES}/b.nft": "one\ntwo\n"})
    assert text.explain("/dev/stdin:7:1-3: Error: x\ntwo\n^^^") == f"{RULES}/b.nft:2:1-3: Error: x\ntwo\n^^^"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("add element inet weft s { 10.0.0.0/8 }", "delete element inet weft s { 10.0.0.0/8 }"),
        ("add element inet weft m { 10.0.0.1 . tcp . 80 : 1.1.1.1 . 8080 }", "{ 10.0.0.1 . tcp . 80 }"),
        ('add element inet weft s { "lan1" comment "x" }', 'delete element inet weft s { "lan1" }'),
        ("add element bridge weft m { a : 1, b : 2 }", "delete element bridge weft m { a, b }"),
    ],
)
def test_an_elements_deletion_names_its_key_alone(line: str, expected: str) -> None:
    assert rulesets.deletion(line).endswith(expected)


def test_a_line_that_is_no_element_is_refused() -> None:
    with pytest.raises(DeployError, match="no `add element` statement"):
        rulesets.deletion("flush ruleset")


def route(address: str) -> str:
    return f"route replace local {address} dev pub3 table local proto 87\n"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that neighbours are told of."""
    names: list[str] = []
    monkeypatch.setattr(addresses, "announce", lambda found, device, scope: names.extend(found))
    return names


def changed(scope: Recorder, before: str, after: str) -> list[Work]:
    """What is to be done when the file of addresses changes."""
    path = f"{addresses.DIRECTORY}/eip"
    put(scope, path, before)
    step = Step({"kind": "addresses", "device": "pub3"}, {path})
    return addresses.Addresses().plan(step, change(scope, path, after))


def test_addresses_come_and_go(scope: Recorder, told: list[str]) -> None:
    works = changed(scope, route("10.0.0.1") + route("10.0.0.2"), route("10.0.0.2") + route("10.0.0.3"))
    assert [work.text for work in works] == ["remove 10.0.0.1 and add 10.0.0.3 on pub3"]
    works[0].run()
    assert [stdin for _, stdin in scope.calls] == [route("10.0.0.1").replace("replace", "delete"), route("10.0.0.3")]
    assert told == ["10.0.0.3"]


def announced(address: str) -> str:
    return f"route replace unicast {address} dev pub3 table main proto 87\n"


def test_an_address_is_withdrawn_without_losing_it(scope: Recorder, told: list[str]) -> None:
    before = route("10.0.0.1") + announced("10.0.0.1") + route("10.0.0.2")
    (work,) = changed(scope, before, route("10.0.0.1") + route("10.0.0.2") + announced("10.0.0.2"))
    work.run()
    assert [stdin for _, stdin in scope.calls] == [
        announced("10.0.0.1").replace("replace", "delete"),
        announced("10.0.0.2"),
    ]
    assert told == []


def test_an_address_that_another_file_still_has_stays(scope: Recorder) -> None:
    put(scope, f"{addresses.DIRECTORY}/one", route("10.0.0.1"))
    put(scope, f"{addresses.DIRECTORY}/two", route("10.0.0.1"))
    batch = change(scope, f"{addresses.DIRECTORY}/one", None)
    step = Step({"kind": "addresses", "device": "pub3"}, {f"{addresses.DIRECTORY}/one"})
    assert addresses.Addresses().plan(step, batch) == []


def test_a_strange_address_line_is_refused(scope: Recorder) -> None:
    path = f"{addresses.DIRECTORY}/eip"
    batch = change(scope, path, "route flush table main\n")
    with pytest.raises(DeployError, match="is not of the form"):
        addresses.Addresses().plan(Step({"kind": "addresses", "device": "pub3"}, {path}), batch)


NETWORK = """[Match]
Name=wvx1
[Network]
Bridge=wbr1
[BridgeFDB]
MACAddress=00:00:00:00:00:00
Destination=172.20.0.12
[BridgeFDB]
MACAddress=02:00:00:00:00:AA
Destination=172.20.0.13
[Neighbor]
Address=10.0.0.1
LinkLayerAddress=02:00:00:00:00:AA
"""


def test_static_entries_are_read_from_the_file() -> None:
    assert fdb.forwarding(NETWORK) == {(fdb.FLOOD, "172.20.0.12"), ("02:00:00:00:00:aa", "172.20.0.13")}
    assert fdb.neighbours(NETWORK) == {("10.0.0.1", "02:00:00:00:00:aa")}


def test_only_the_difference_of_static_entries_is_made(scope: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    live = {(fdb.FLOOD, "172.20.0.99"), ("02:00:00:00:00:aa", "172.20.0.13")}
    scope.there = {"wvx1"}
    monkeypatch.setattr(fdb, "master", lambda device: "wbr1")
    monkeypatch.setattr(fdb, "live_forwarding", lambda device, scope: live)
    neighbours = [{("10.0.0.9", "02:00:00:00:00:09")}, set()]
    monkeypatch.setattr(fdb, "live_neighbours", lambda device, scope: neighbours.pop(0))
    path = "/etc/systemd/network/x.network"
    step = Step({"kind": "fdb", "device": "wvx1", "bridge": "wbr1"}, {path})
    (work,) = fdb.Fdb().plan(step, change(scope, path, NETWORK))
    work.run()
    assert [call for call in scope.calls if "show" not in call[0]] == [
        (
            "bridge -batch -",
            f"fdb append {fdb.FLOOD} dev wvx1 dst 172.20.0.12 self permanent\n"
            f"fdb delete {fdb.FLOOD} dev wvx1 dst 172.20.0.99 self\n",
        ),
        ("bridge -batch -", "fdb replace 02:00:00:00:00:aa dev wvx1 master static\n"),
        ("ip -batch -", "neighbour replace 10.0.0.1 lladdr 02:00:00:00:00:aa dev wbr1 nud permanent\n"),
        ("ip -force -batch -", "neighbour delete 10.0.0.9 dev wbr1\n"),
    ]
    assert neighbours == []


def netdev(scope: Recorder, batch: Batch, *devices: str) -> list[str]:
    names = [f"/etc/systemd/network/{device}.netdev" for device in devices]
    steps = [Step({"kind": "netdev", "device": d, "netdev": n}, {n}) for d, n in zip(devices, names, strict=True)]
    works = [work for step in steps for work in networkd.Netdev().plan(step, batch)]
    for work in works:
        work.run()
    return [work.text for work in works]


def test_new_devices_need_one_reload(scope: Recorder) -> None:
    batch = Batch(scope, simulate=False)
    for device in ("wa", "wb"):
        path = f"/etc/systemd/network/{device}.netdev"
        batch.new[path], batch.old[path] = FileSpec(path, "x"), None
    assert netdev(scope, batch, "wa", "wb") == ["create device wa", "create device wb"]
    assert [call for call, _ in scope.calls] == ["networkctl reload"]


def test_a_port_that_leaves_its_bridge_is_configured_anew(scope: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """networkd takes a port that leaves a bridge for a new device, with the file that puts it back."""
    path = "/etc/systemd/network/eth1.network"
    put(scope, path, "[Network]\nBridge=wpn1\n")
    scope.there = {"eth1"}
    monkeypatch.setattr(networkd, "master", lambda device: "wpn1")
    step, batch = Step({"kind": "network", "device": "eth1"}, {path}), change(scope, path, None)
    (release,) = networkd.Network().remove(step, batch)
    release.run()
    Path(scope.tree.real(path)).unlink()
    (forget,) = networkd.Network().removed(step, batch)
    forget.run()
    called = [call for call, _ in scope.calls]
    assert called == ["ip link set dev eth1 nomaster", "networkctl reload", "networkctl reconfigure eth1"]


def test_a_changed_device_is_made_anew(scope: Recorder) -> None:
    scope.there = {"wa"}
    batch = change(scope, "/etc/systemd/network/wa.netdev", "new")
    assert netdev(scope, batch, "wa") == ["make device wa anew"]
    assert [call for call, _ in scope.calls] == ["ip link delete dev wa", "systemctl restart systemd-networkd.service"]


def test_a_device_that_somebody_deleted_comes_back(scope: Recorder) -> None:
    assert netdev(scope, Batch(scope, simulate=False), "wa") == ["create device wa"]
    assert [call for call, _ in scope.calls] == ["systemctl restart systemd-networkd.service"]


LINK = """[Match]
Name=pub9
[Route]
Gateway=198.51.100.1
[RoutingPolicyRule]
Priority=10020
FirewallMark=258/511
[RoutingPolicyRule]
Priority=30020
"""


def test_the_rules_of_a_link_go_with_it(scope: Recorder) -> None:
    path = f"{networkd.DIRECTORY}/10-pub9.network"
    put(scope, path, LINK)
    works = networkd.Network().remove(Step({"kind": "network", "device": "pub9"}, {path}), change(scope, path, None))
    assert [work.text for work in works] == ["delete the routing rules of pub9"]
    works[0].run()
    assert scope.calls == [
        ("ip -4 -force -batch -", "rule delete priority 10020\nrule delete priority 30020\n"),
    ]


class Deaf(Recorder):
    """A host whose networkd has missed a device until it starts anew, if that helps."""

    helps = True

    def attempt(self, argv: object, stdin: str = "", timeout: float = 0) -> Result:
        self.there = {"wbr1"} if self.helps else set()
        return super().attempt(argv, stdin, timeout)


def test_networkd_is_started_anew_once_where_waiting_does_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networkd, "PATIENCE_SECONDS", 0.02)
    step, host = Step({"kind": "netdev", "device": "wbr1"}, set()), Deaf(tmp_path)
    part.confirm(step, host)
    part.confirm(step, host)
    assert host.calls == [("systemctl restart systemd-networkd.service", "")]
    helpless = Deaf(tmp_path)
    helpless.helps = False
    with pytest.raises(DeployError, match="After the change the device wbr1 does not exist"):
        part.confirm(step, helpless)
    assert [call for call in helpless.calls if call[0].startswith("systemctl")] == host.calls
