"""Nothing that runs on a node takes a file of a router as input; docs/security.md lists what comes from there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HOSTS = ROOT / "tests/golden/walkthrough"
#: A path below a machine's root or upper directory, or its root as /proc has it.
BELOW = re.compile(r"/(?:root|upper)/[\w.*{$]")
#: Where the engine asks whether something is there, and for nothing else.
ASKED = {"scopes.py": "/run/systemd/private", "activators/units.py": "/run/systemd/units/invocation:"}


def on_nodes() -> Iterator[tuple[str, str]]:
    """Files that are written to nodes, and commands that are run there."""
    for path in sorted(HOSTS.glob("*/host/**/*")):
        if path.is_file():
            yield str(path.relative_to(HOSTS)), path.read_text()
    for path in sorted(HOSTS.glob("*/items.json")):
        for item in json.loads(path.read_text()):
            if item["scope"] == "host":
                yield item["id"], json.dumps(item["activate"])


def test_scripts_units_and_commands_of_nodes_name_nothing_of_a_routers_tree() -> None:
    texts = list(on_nodes())
    assert {"gw1/host/usr/local/lib/weft/router-link", "gw1/host/etc/systemd/system/weft-root@.service"} < {
        name for name, _text in texts
    }
    assert [name for name, text in texts if BELOW.search(text)] == []


@pytest.mark.parametrize(
    "text",
    ["cat /var/lib/weft/routers/$machine/root/etc/x", 'cat "$x"/root/*', "ls /proc/$leader/root/etc", "r/%i/upper/etc"],
)
def test_such_a_path_would_be_found(text: str) -> None:
    assert BELOW.search(text)


def test_the_engine_goes_to_a_routers_tree_by_descriptors_alone() -> None:
    """files.py opens each directory by itself; whatever else builds such a path is named here."""
    base = ROOT / "plugins/module_utils/deploy"
    found = {
        str(path.relative_to(base)): line.strip()
        for path in sorted(base.rglob("*.py"))
        for line in path.read_text().splitlines()
        if BELOW.search(line)
    }
    assert found.keys() == ASKED.keys()
    assert all(words in found[name] for name, words in ASKED.items())
