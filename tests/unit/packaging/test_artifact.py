"""What is in the repository is either shipped on purpose or kept out on purpose."""

from __future__ import annotations

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "COPYING",
    "README.md",
    "changelogs",
    "docs",
    "galaxy.yml",
    "inventories",
    "meta",
    "playbooks",
    "plugins",
    "requirements.txt",
    "roles",
    "tests/config.yml",
}


def entries() -> set[str]:
    """Top-level entries of the repository; those of tests/ one level deeper."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split(
        "\n"
    )
    parts = [Path(path).parts for path in listed if path]
    return {"/".join(part[: 2 if part[0] == "tests" else 1]) for part in parts}


def test_every_entry_is_shipped_or_ignored() -> None:
    patterns = yaml.safe_load((ROOT / "galaxy.yml").read_text())["build_ignore"]
    kept = {entry for entry in entries() if not any(fnmatch(entry, pattern) for pattern in patterns)}

    assert kept <= SHIPPED, "a new entry belongs into build_ignore of galaxy.yml or into this list"
    assert not {entry for entry in SHIPPED if any(fnmatch(entry, pattern) for pattern in patterns)}
