# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Contents that a change replaced, kept by their hash until the change is confirmed.

They are on disk and not only in memory, because a run that is killed must leave the next one a way back, too.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.manifest import DIRECTORY
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import sha256


class RollbackStore:
    """Files named by the sha256 of their content, readable by root alone (some are secrets)."""

    def __init__(self, directory: str = DIRECTORY) -> None:
        self.directory = f"{directory}/rollback"

    def keep(self, content: bytes) -> None:
        """Store a content if it is not there yet."""
        path = f"{self.directory}/{sha256(content)}"
        if os.path.exists(path):
            return
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        temporary = f"{self.directory}/.new"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as target:
            target.write(content)
            target.flush()
            os.fsync(handle)
        os.rename(temporary, path)

    def get(self, digest: str) -> Optional[bytes]:
        """The content with that hash, or None."""
        try:
            with open(f"{self.directory}/{digest}", "rb") as source:
                return source.read()
        except FileNotFoundError:
            return None

    def retain(self, digests: Iterable[str]) -> None:
        """Forget all contents but these."""
        wanted = set(digests)
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return
        for name in names:
            if name not in wanted:
                os.unlink(f"{self.directory}/{name}")
        if not wanted.intersection(names):
            os.rmdir(self.directory)
