"""Network namespaces in the place of machines, where only the rules of hosts are tried."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.nftables import families
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render


def run(*command: str, text: str = "") -> str:
    """Run a command that must succeed; what it wrote."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-800:]
    return done.stdout


def inside(namespace: str, *command: str) -> list[str]:
    """The command that runs another one in a namespace."""
    return ["ip", "netns", "exec", namespace, *command]


def add(*namespaces: str) -> None:
    for name in namespaces:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")


def remove(*namespaces: str) -> None:
    """Take away those that are there."""
    for name in namespaces:
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


def batch(namespace: str, lines: Iterable[str]) -> None:
    """Carry out commands of ip(8)."""
    run("ip", "-n", namespace, "-batch", "-", text="\n".join(lines))


def load_rules(namespace: str, slice_: dict[str, Any]) -> None:
    """Give a host the rules that `site` gives it, in the place of those that it has."""
    files = [file for item in render(slice_) if item["scope"] == "host" for file in item["files"]]
    rules = [one for one in files if one["path"].startswith("/etc/weft/nftables.d/") and "content" in one]
    rules.sort(key=lambda one: (one["path"].endswith(".elements"), one["path"]))
    text = "".join(one["content"] for one in rules)
    text = "".join(f"table {one} weft\ndelete table {one} weft\n" for one in families(text)) + text
    run(*inside(namespace, "nft", "-f", "-"), text=text)
