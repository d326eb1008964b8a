"""Network namespaces in the place of machines, where only the rules of hosts are tried."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.nftables import belongs
from ansible_collections.weft.vpc.plugins.module_utils.deploy.rulesets import conversion, in_order, replacement
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


def rules(slice_: dict[str, Any], scope: str = "host") -> dict[str, str]:
    """The files of rules that `site` gives a host, or a router of it, as its boot loads them."""
    files = [file for item in render(slice_) if item["scope"] == scope for file in item["files"]]
    contents = {one["path"]: one["content"] for one in files if belongs(one["path"])}
    return {path: contents[path] for path in in_order(contents)}


def load_rules(namespace: str, files: dict[str, str]) -> None:
    """Give a host rules in the place of all that it has."""
    run(*inside(namespace, "nft", "-f", "-"), text=replacement({}, files).value)


def change_rules(namespace: str, before: dict[str, str], after: dict[str, str]) -> None:
    """Make of a host's rules others, as a run does whose structure changes."""
    text = conversion(before, after) or replacement(before, after).value
    run(*inside(namespace, "nft", "-f", "-"), text=text)
