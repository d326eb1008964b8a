"""apt on an empty system of its own: it resolves and downloads, and nothing of this computer's apt is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lab.shell import run


class PrivateApt:
    """apt with its whole state in one directory, which whoever makes it removes; `sources` are lines of apt."""

    def __init__(self, home: Path, sources: Sequence[str]) -> None:
        for part in ("state/lists/partial", "cache/archives/partial", "etc"):
            (home / part).mkdir(parents=True, exist_ok=True)
        (home / "state/status").write_text("")
        (home / "etc/sources.list").write_text("\n".join(sources) + "\n")
        self.archives = home / "cache/archives"
        options = [
            f"Dir::Etc::SourceList={home / 'etc/sources.list'}", "Dir::Etc::SourceParts=/dev/null",
            f"Dir::State={home / 'state'}", f"Dir::State::status={home / 'state/status'}",
            f"Dir::Cache={home / 'cache'}", "Acquire::Languages=none", "APT::Install-Recommends=false",
            "APT::Sandbox::User=root", "Debug::NoLocking=true",
        ]  # fmt: skip
        self._options = [word for option in options for word in ("-o", option)]
        self.get("update")

    def get(self, *words: str) -> str:
        return run(["apt-get", "-qq", *self._options, *words])

    def cache(self, *words: str) -> str:
        return run(["apt-cache", *self._options, *words])

    def download(self, package: str) -> Path:
        """The archive of a package, without what it depends on."""
        run(["env", "-C", str(self.archives), "apt-get", "-qq", *self._options, "download", package])
        (found,) = self.archives.glob(f"{package}_*.deb")
        return found
