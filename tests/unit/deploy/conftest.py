"""A host in a directory: its root, its manifest, and shell commands instead of daemons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.module_utils.deploy.engine import deploy

Json = dict[str, Any]


class FakeHost:
    """Runs the real engine on a directory. ``live`` is what activations made of the files."""

    def __init__(self, base: Path) -> None:
        self.root = base / "root"
        self.state = base / "state"
        self.live = base / "live"
        self.lock = base / "lock"
        for directory in (self.root / "etc", self.live):
            directory.mkdir(parents=True)

    def payload(self, items: list[Json], phase: str = "segments", **options: Any) -> Json:
        scopes = [{"name": "host", "root": str(self.root)}]
        return {"fabric": "test", "phase": phase, "scopes": scopes, "items": items, **options}

    def run(self, items: list[Json], phase: str = "segments", check: bool = False, **options: Any) -> Json:
        payload = self.payload(items, phase, **options)
        return deploy(payload, check, str(self.state), str(self.lock)).to_json()

    def item(self, name: str, content: str = "", **options: Any) -> Json:
        """An item of one file, whose activation copies it to ``live``."""
        path = options.pop("path", f"/etc/weft/{name}.conf")
        source = f"{self.root}{path}"
        return {
            "id": f"role/{name}",
            "role": "role",
            "phase": "segments",
            "group": name,
            "scope": "host",
            "files": [{"path": path, "mode": "0644", "content": content}],
            "activate": [{"kind": "apply", "run": f"cp {source} {self.live}/{name}"}],
            **options,
        }

    def text(self, path: str) -> str | None:
        real = Path(f"{self.root}{path}")
        return real.read_text() if real.exists() else None

    def tree(self) -> dict[str, str]:
        """All files below the root, temporary ones included."""
        files = (path for path in self.root.rglob("*") if path.is_symlink() or path.is_file())
        return {str(path.relative_to(self.root)): path.read_text() if path.exists() else "" for path in files}

    def manifest(self) -> str:
        path = self.state / "manifest.json"
        return path.read_text() if path.exists() else ""


@pytest.fixture
def host(tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path)
