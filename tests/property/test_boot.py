"""What a run loads, a router loads again when it boots: with fewer privileges, and whatever its rules are."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.nftables import belongs
from ansible_collections.weft.vpc.plugins.module_utils.deploy.rulesets import elements_change, in_order, replacement
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render
from ansible_collections.weft.vpc.tests.tools.intents import slices_of, walkthrough

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")

UNIT = "/etc/systemd/system/weft-nftables.service"
#: As a run loads rules, and as a router does: there nft may not take more of the kernel than everybody.
RUN, BOOT = ["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]
# An example is two kernels' worth of rules: few of them, and more in the night.
SOME = settings(max_examples=max(5, settings.get_profile(settings.get_current_profile_name()).max_examples // 100))


def prefixes(count: int, seed: int = 0) -> list[str]:
    """So many prefixes, no two of which make one."""
    numbers = random.Random(seed).sample(range(1 << 22), count)
    return [f"{100 + (one >> 15)}.{one >> 7 & 255}.{one & 127}.128/25" for one in numbers]


def router(rules: int, length: int, firewall: int = 0) -> dict[str, str]:
    """The files of the walkthrough's router by path, with an ACL of so many rules of so many prefixes each, and
    firewalls of its public address and its first network with rules of `firewall` prefixes."""
    variables, hosts = walkthrough()
    vpc = variables["weft_vpcs"][0]
    vpc["network_acls"] = [
        {"name": "many", "rules": [acl_rule(number, prefixes(length, number)) for number in range(1, rules + 1)]}
    ]
    vpc["networks"][0]["acl"] = "many"
    if firewall:
        listed = prefixes(firewall)
        vpc["virtual_ips"][0]["firewall"] = [{"name": "web", "protocol": "tcp", "ports": 80, "cidrs": listed}]
        rule = {"number": 1, "action": "deny", "protocol": "any", "sources": listed, "destinations": listed}
        vpc["router"]["firewall"] = [{"network": "vpc-1-1", "direction": "in", "default": "allow", "rules": [rule]}]
    items = render(slices_of(variables, hosts)["gw1"])
    files = [
        file for item in items if item["scope"] == "router:vpc-1.admin" for file in item["files"] if "content" in file
    ]
    return {file["path"]: file["content"] for file in files}


def acl_rule(number: int, cidrs: list[str]) -> dict[str, Any]:
    """A rule; no prefixes are everybody."""
    action, direction = ("allow", "deny")[number % 2], ("ingress", "egress")[number % 3 == 0]
    rule = {"number": number, "action": action, "direction": direction, "protocol": "tcp", "ports": number}
    return {**rule, "cidrs": cidrs} if cidrs else rule


def rules(files: Mapping[str, str]) -> dict[str, str]:
    return {path: files[path] for path in in_order(path for path in files if belongs(path))}


def loaded(how: list[str], script: str, text: str = "") -> list[str]:
    """What the kernel has in a network of its own after a script, which reads a text: its objects, in one order."""
    command = [*how, "sh", "-ec", f"{script}\nnft list table inet weft"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return sorted(one.strip() for one in done.stdout.removeprefix("table inet weft {\n").split("\n\t}\n"))


def as_a_run(files: Mapping[str, str], *changes: str) -> list[str]:
    script = "".join(f"nft -f - <<'END'\n{change}\nEND\n" for change in changes)
    return loaded(RUN, f"nft -f /dev/stdin\n{script}", replacement({}, rules(files)).value)


def as_a_boot(files: Mapping[str, str], root: Path) -> list[str]:
    """What the unit's own lines load."""
    for path, text in files.items():
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text.replace("/etc/weft", f"{root}/etc/weft"))
    lines = (root / UNIT.lstrip("/")).read_text().splitlines()
    script = "\n".join(line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
    return loaded(BOOT, script)


@pytest.mark.parametrize(("count", "length", "firewall"), [(1, 6000, 0), (250, 20, 0), (3, 2, 3000), (2000, 1, 1)])
def test_what_a_run_loads_a_boot_loads(count: int, length: int, firewall: int, tmp_path: Path) -> None:
    files = router(count, length, firewall)
    there = as_a_run(files)
    assert as_a_boot(files, tmp_path) == there
    assert "".join(there).count("/25") >= count * length


def test_a_boot_that_loads_less_is_seen(tmp_path: Path) -> None:
    """The test above can fail: these are the lines that a router had before."""
    files = router(250, 20)
    unit = files[UNIT]
    assert "--line-bytes=24K" in unit
    files[UNIT] = unit.replace("--line-bytes=24K", "--line-bytes=2M")
    with pytest.raises(AssertionError, match="Message too long"):
        as_a_boot(files, tmp_path)


sizes = st.tuples(st.integers(1, 30), st.integers(0, 40), st.integers(0, 40))


@SOME
@given(sizes, sizes)
def test_lists_change_in_place(before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    """Prefixes and rules come and go as elements, and what is there then is what new tables would have."""
    old, new = router(*before), router(*after)
    if bool(before[2]) == bool(after[2]):
        change = elements_change(rules(old), rules(new))
        assert as_a_run(old, change) == as_a_run(new)
