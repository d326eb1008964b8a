# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files within a scope's root, reached without following symbolic links.

The root tree of a machine belongs to whoever broke into that machine. A link planted in it must not lead the engine,
which is root on the host, to the host's own files; so every directory is opened by itself, and no link is followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Callable, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import FileSpec, sha256

TEMPORARY = ".weft-new"
"""Suffix of a file that is about to be renamed; the leading dot keeps daemons from reading it."""

STAGING = "/var/lib/weft/staging"
"""Within each root: where files lie while the daemons check them."""

LARGEST = 64 << 20
"""Bytes of a file that are read; what is larger is none of ours."""

MOST, DEEPEST = 20_000, 32
"""Names in a directory, and directories in one another, that are looked at: ours are far fewer."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Found:
    """What lies at a path: a regular file, a symbolic link, or something else (``content`` and ``link`` are None)."""

    content: Optional[bytes]
    mode: int
    link: Optional[str]

    @property
    def text(self) -> str:
        """The content, whatever bytes somebody has put there."""
        return (self.content or b"").decode(errors="replace")

    @property
    def state(self) -> dict[str, Any]:
        """The form that the manifest records."""
        if self.link is not None:
            return {"link": self.link}
        if self.content is None:
            return {"other": True}
        return {"sha256": sha256(self.content), "mode": f"{self.mode:04o}"}


class Tree:
    """The files below one root, owned by what ``owner`` says (user and group id) when the engine writes them."""

    def __init__(self, root: str, owner: Callable[[], int], follow: bool) -> None:
        self.root = root
        self._owner = owner
        # The host's own directories may be links that its administrator made.
        self._flags = _DIRECTORY & ~os.O_NOFOLLOW if follow else _DIRECTORY
        self._imagined: dict[str, Optional[Found]] = {}

    def real(self, path: str) -> str:
        """The path as the host sees it."""
        return self.root.rstrip("/") + path

    @contextmanager
    def _parent(self, path: str, create: bool = False) -> Iterator[int]:
        """A descriptor of the directory that holds ``path``; FileNotFoundError if there is none."""
        current = os.open(self.root, _DIRECTORY & ~os.O_NOFOLLOW)
        try:
            for part in path.split("/")[1:-1]:
                if create:
                    self._mkdir(part, current)
                following = os.open(part, self._flags, dir_fd=current)
                os.close(current)
                current = following
            yield current
        except NotADirectoryError as error:
            raise DeployError(
                f"The directory of {self.real(path)} is a file or a symbolic link; move it away and run again."
            ) from error
        finally:
            os.close(current)

    def _mkdir(self, name: str, parent: int) -> None:
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            return
        self._give(name, parent)

    def _give(self, name: str, parent: int) -> None:
        owner = self._owner()
        if owner:
            os.chown(name, owner, owner, dir_fd=parent, follow_symlinks=False)

    def look(self, path: str) -> Optional[Found]:
        """What lies at ``path``, or None."""
        if path in self._imagined:
            return self._imagined[path]
        try:
            with self._parent(path) as parent:
                return self._look(os.path.basename(path), parent)
        except FileNotFoundError:
            return None

    def _look(self, name: str, parent: int) -> Found:
        status = os.stat(name, dir_fd=parent, follow_symlinks=False)
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            return Found(None, mode, os.readlink(name, dir_fd=parent))
        if not stat.S_ISREG(status.st_mode):
            return Found(None, mode, None)
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=parent)
        with os.fdopen(handle, "rb") as source:
            # Another one may have come since.
            regular = stat.S_ISREG(os.fstat(handle).st_mode)
            content = source.read(LARGEST + 1) if regular else b""
        return Found(content if regular and len(content) <= LARGEST else None, mode, None)

    def exists(self, path: str) -> bool:
        """True if anything lies at ``path``, to which no link leads."""
        try:
            with self._parent(path) as parent:
                os.stat(os.path.basename(path), dir_fd=parent, follow_symlinks=False)
        except (FileNotFoundError, DeployError):
            return False
        return True

    def prepare(self, spec: FileSpec) -> None:
        """Write the file, complete and on disk, under its temporary name."""
        temporary = _temporary(spec.path)
        with self._parent(spec.path, create=True) as parent:
            self._discard(temporary, parent)
            if spec.link is not None:
                os.symlink(spec.link, temporary, dir_fd=parent)
            else:
                self._create(temporary, spec, parent)
            self._give(temporary, parent)

    def imagine(self, path: str, spec: Optional[FileSpec]) -> None:
        """From now on, in check mode, take the file for written (or for gone)."""
        self._imagined[path] = (
            None if spec is None else Found(None if spec.link else spec.content.encode(), spec.mode, spec.link)
        )

    def swap(self, path: str) -> None:
        """Let the prepared file take its name, atomically."""
        with self._parent(path) as parent:
            os.rename(_temporary(path), os.path.basename(path), src_dir_fd=parent, dst_dir_fd=parent)

    @staticmethod
    def _create(name: str, spec: FileSpec, parent: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(name, flags, 0o600, dir_fd=parent)
        with os.fdopen(handle, "wb") as target:
            target.write(spec.content.encode())
            target.flush()
            os.fchmod(handle, spec.mode)
            os.fsync(handle)

    @staticmethod
    def _discard(name: str, parent: int) -> None:
        try:
            os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return

    def remove(self, path: str) -> None:
        """Take a file away; nothing happens if it is gone already."""
        try:
            with self._parent(path) as parent:
                self._discard(os.path.basename(path), parent)
        except FileNotFoundError:
            return

    def missing_directories(self, path: str) -> list[str]:
        """Directories above ``path`` that writing it would make, outermost first."""
        parts = path.split("/")[1:-1]
        missing = []
        for depth in range(len(parts), 0, -1):
            directory = "/" + "/".join(parts[:depth])
            if self.exists(f"{directory}/."):
                break
            missing.append(directory)
        return missing[::-1]

    def remove_directory(self, path: str) -> bool:
        """Take an empty directory away; True if it is gone."""
        try:
            with self._parent(path) as parent:
                os.rmdir(os.path.basename(path), dir_fd=parent)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def names(self, directory: str) -> list[str]:
        """Sorted names in a directory (none if it is not there)."""
        try:
            with self._parent(directory + "/.") as handle:
                names = set(_names(handle, self.real(directory)))
        except FileNotFoundError:
            names = set()
        for path, found in self._imagined.items():
            if os.path.dirname(path) == directory:
                (names.discard if found is None else names.add)(os.path.basename(path))
        return sorted(names)

    def sweep(self, directories: Iterable[str]) -> None:
        """Remove what a killed run left behind: half-written files and the staging directory."""
        for directory in set(directories):
            for name in self.names(directory):
                if name.startswith(".") and name.endswith(TEMPORARY):
                    self.remove(f"{directory.rstrip('/')}/{name}")
        self.clear_staging()

    def stage(self, specs: Iterable[FileSpec]) -> None:
        """Lay files below the staging directory, for the daemons' checkers."""
        for spec in specs:
            if spec.link is None:
                staged = replace(spec, path=STAGING + spec.path)
                self.prepare(staged)
                self.swap(staged.path)

    def clear_staging(self) -> None:
        """Remove the staging directory and all that is in it."""
        try:
            with self._parent(STAGING) as parent:
                _remove_tree(os.path.basename(STAGING), parent, self.real(STAGING))
        except FileNotFoundError:
            return


def _temporary(path: str) -> str:
    return f".{os.path.basename(path)}{TEMPORARY}"


def _names(directory: int, path: str) -> list[str]:
    """What is in an open directory, if it is not too much to be looked at."""
    with os.scandir(directory) as entries:
        names = [entry.name for entry in islice(entries, MOST + 1)]
    if len(names) > MOST:
        raise DeployError(f"There are more than {MOST} files in {path}; remove what is not needed and run again.")
    return names


def _remove_tree(name: str, parent: int, path: str, depth: int = 0) -> None:
    """shutil.rmtree takes a descriptor only since Python 3.11."""
    if depth > DEEPEST:
        raise DeployError(f"{path} is too deep to be removed; remove it by hand and run again.")
    handle = os.open(name, _DIRECTORY, dir_fd=parent)
    try:
        for each in _names(handle, path):
            if stat.S_ISDIR(os.stat(each, dir_fd=handle, follow_symlinks=False).st_mode):
                _remove_tree(each, handle, f"{path}/{each}", depth + 1)
            else:
                os.unlink(each, dir_fd=handle)
    finally:
        os.close(handle)
    os.rmdir(name, dir_fd=parent)
