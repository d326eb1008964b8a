# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ledger as a file beside the inventory."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.codec import FormatError, decode, encode
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import Ledger
from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.store import LedgerError
from ansible_collections.weft.vpc.plugins.plugin_utils.faultpoints import faultpoint

LOCK_NAME = ".weft-ledger.lock"

_RESTORE = (
    "Restore the file from version control or a backup; it is left as it is. Only if it is beyond repair and nothing "
    "is deployed yet, delete it."
)
_POLL_SECONDS = 0.05


class LedgerFile:
    """A LedgerStore in one file, with a lock file beside it.

    ``fabric`` is the fabric that the ledger must belong to; None takes whatever is there (for reading only).
    ``timeout`` is how many seconds ``locked`` waits for another writer.
    """

    def __init__(self, path: str | os.PathLike[str], fabric: str | None = None, timeout: float = 60.0) -> None:
        self.path = Path(os.path.realpath(path))
        self.fabric = fabric
        self.timeout = timeout
        self._temporary = self.path.with_name(f".{self.path.name}.tmp")
        self._known = False
        self._base: bytes | None = None
        self._lock: int | None = None

    def read(self) -> Ledger:
        content = self._content()
        ledger = Ledger(self.fabric or "") if content is None else self._decoded(content)
        self._base, self._known = content, True
        return ledger

    def write(self, ledger: Ledger) -> bool:
        if self._lock is None or not self._known or self.fabric is None:
            raise RuntimeError("a ledger is written with its lock held, after it was read, and for a named fabric")
        if ledger.fabric != self.fabric:
            raise self._foreign(ledger.fabric)
        if self._content() != self._base:
            raise self._error(
                "has been changed by something else than weft.vpc during this run; nothing was written",
                "Run again; if a version control system changed it, finish that first.",
            )
        content = encode(ledger).encode()
        if content == self._base:
            return False
        try:
            self._replace(content)
        except OSError as error:
            with suppress(OSError):
                self._temporary.unlink()
            raise self._error(
                f"cannot be written: {error.strerror}; it is as it was",
                "Make its directory writable and see that there is space left.",
            ) from error
        self._base = content
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        if self._lock is not None:
            raise RuntimeError("the ledger's lock is held already")
        self._lock = self._open_lock()
        try:
            self._wait(self._lock)
            yield
        finally:
            os.close(self._lock)
            self._lock = None

    def _content(self) -> bytes | None:
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror}", "Make it a file that you may read.") from error

    def _decoded(self, content: bytes) -> Ledger:
        if b"\n<<<<<<< " in content:
            raise self._error("holds the marks of an unfinished merge", "Finish the merge, then run again.")
        try:
            ledger = decode(content.decode())
        except UnicodeDecodeError as error:
            raise self._error("is not text in UTF-8", _RESTORE) from error
        except FormatError as error:
            raise self._error(str(error), _RESTORE) from error
        if self.fabric is not None and ledger.fabric != self.fabric:
            raise self._foreign(ledger.fabric)
        return ledger

    def _replace(self, content: bytes) -> None:
        """Put a new file in the old one's place so that a crash at any moment leaves one of the two, whole."""
        with open(self._temporary, "wb", opener=_no_link) as stream:
            with suppress(FileNotFoundError):
                os.fchmod(stream.fileno(), self.path.stat().st_mode & 0o7777)
            half = len(content) // 2
            stream.write(content[:half])
            stream.flush()
            faultpoint("ledger")
            stream.write(content[half:])
            stream.flush()
            os.fsync(stream.fileno())
        faultpoint("ledger")
        os.replace(self._temporary, self.path)
        faultpoint("ledger")
        _sync_directory(self.path.parent)
        faultpoint("ledger")

    def _open_lock(self) -> int:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return os.open(self.path.with_name(LOCK_NAME), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise self._error(f"cannot be locked: {error.strerror}", "Make its directory writable.") from error

    def _wait(self, lock: int) -> None:
        deadline = time.monotonic() + self.timeout
        while not _locks(lock):
            if time.monotonic() >= deadline:
                holder = os.pread(lock, 200, 0).decode(errors="replace").strip() or "another process"
                raise self._error(
                    f"has been locked by {holder} for more than {self.timeout:g} seconds",
                    "Wait for that run to finish, or end it; a lock of a dead process frees itself.",
                )
            time.sleep(_POLL_SECONDS)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)

    def _foreign(self, fabric: str) -> LedgerError:
        return self._error(
            f"belongs to fabric {fabric!r}, not to {self.fabric!r}",
            "Give each fabric its own state directory; if the fabric was renamed, change the name in the file too.",
        )

    def _error(self, reason: str, remedy: str) -> LedgerError:
        return LedgerError(str(self.path), reason, remedy)


def _no_link(path: str, flags: int) -> int:
    """Open the temporary file. The lock makes it ours, so what a killed writer left there may be overwritten."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _locks(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync_directory(path: Path) -> None:
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
