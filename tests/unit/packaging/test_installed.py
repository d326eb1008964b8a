"""What users install works by itself, where no other copy of the collection can stand in for what it lacks."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PLAYBOOKS = sorted(path.stem for path in (ROOT / "playbooks").glob("*.yml"))
VENV = Path(sys.executable).parent


class Installed:
    """The collection as ansible-galaxy installs it, on a controller that has nothing else."""

    def __init__(self, base: Path) -> None:
        self.base, self.home = base, base / "home"
        self.collection = base / "collections/ansible_collections/weft/vpc"
        self.home.mkdir()

    def run(self, program: str, *words: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": os.pathsep.join([str(VENV), os.defpath]),
            "LANG": "C.UTF-8",
            "HOME": str(self.home),
            "ANSIBLE_COLLECTIONS_PATH": str(self.base / "collections"),
        }
        command = [VENV / program, *words]
        return subprocess.run(
            command, cwd=self.base, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )

    def syntax(self, playbook: str) -> subprocess.CompletedProcess[str]:
        return self.run("ansible-playbook", "-i", "localhost,", "--syntax-check", f"weft.vpc.{playbook}")


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[Installed]:
    # A place of this process: unit tests of two Pythons may run side by side.
    purpose = f"installed-{os.getpid()}"
    path = os.pathsep.join([str(VENV), os.environ["PATH"]])
    try:
        built = subprocess.run(
            ["tools/artifact", purpose],
            cwd=ROOT, env={**os.environ, "PATH": path}, check=True, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        one = Installed(tmp_path)
        done = one.run("ansible-galaxy", "collection", "install", "--offline", built.stdout.strip())
        assert done.returncode == 0, done.stderr
        yield one
    finally:
        shutil.rmtree(ROOT / ".cache" / purpose, ignore_errors=True)


def test_every_playbook_is_found_by_its_name(installed: Installed) -> None:
    for playbook in PLAYBOOKS:
        done = installed.syntax(playbook)
        assert done.returncode == 0, f"{playbook}: {done.stderr}"


def test_what_is_not_in_the_artifact_is_not_found_elsewhere(installed: Installed) -> None:
    (installed.collection / "playbooks/site.yml").unlink()

    assert installed.syntax("plan").returncode == 0
    for playbook in ("site", "destroy", "rebuild"):
        done = installed.syntax(playbook)
        assert done.returncode != 0, f"{playbook} ran a site.yml that is not in the artifact"
        assert "site" in done.stderr


@pytest.mark.parametrize("playbook", PLAYBOOKS)
def test_playbooks_import_each_other_by_file_name(playbook: str) -> None:
    """ansible-lint within galaxy-importer looks for the names of collections where this one is not."""
    lines = (ROOT / "playbooks" / f"{playbook}.yml").read_text().splitlines()
    imported = [line.split()[-1] for line in lines if "import_playbook:" in line]

    assert [name for name in imported if not (ROOT / "playbooks" / name).is_file()] == []
