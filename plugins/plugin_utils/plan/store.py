# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plans and records on the controller's disk.

A plan file is a zip archive: ``plan.json`` (what it is of) and one ``hosts/<name>.json`` per host, so that a run reads
the slice of one host without parsing those of a thousand others. Its bytes depend on the plan alone.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.faultpoints import faultpoint
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.plan import FORMAT, Plan, Slice, digest_of

_EPOCH = (1980, 1, 1, 0, 0, 0)


class PlanError(Exception):
    """A plan file that cannot be used; the message is a whole sentence."""


def save(plan: Plan, path: Path) -> None:
    """Write a plan file, atomically."""
    buffer = io.BytesIO()
    header = {"format": FORMAT, "fabric": plan.fabric, "intent": plan.intent, "inventory": plan.inventory}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "plan.json", header)
        for host, slice_ in sorted(plan.hosts.items()):
            _add(archive, f"hosts/{host}.json", slice_)
    replace_file(path, buffer.getvalue())
    faultpoint("plan")


def load(path: Path) -> Plan:
    """Read a whole plan file. Raises PlanError."""
    header = load_header(path)
    hosts = {host: slice_ for host in header["inventory"] if (slice_ := load_slice(path, host)) is not None}
    return Plan(header["fabric"], header["intent"], header["inventory"], hosts)


def load_header(path: Path) -> dict[str, Any]:
    """Read what a plan file is of: fabric, digest of the intent, inventory. Raises PlanError."""
    header = _member(path, "plan.json")
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        message = f"{path} is not a plan of format {FORMAT}: make it again with this release's weft.vpc.plan."
        raise PlanError(message)
    return header


def load_slice(path: Path, host: str) -> Slice | None:
    """Read one host's part of a plan file; None if the plan does not know the host. Raises PlanError."""
    slice_ = _member(path, f"hosts/{host}.json")
    return slice_ if isinstance(slice_, dict) else None


def record_applied(directory: Path, host: str, slice_: Slice) -> None:
    """Remember what a host has been told and has confirmed."""
    path = directory / f"{host}.json"
    content = (json.dumps(slice_, indent=1, sort_keys=True) + "\n").encode()
    if path.exists() and path.read_bytes() == content:
        return
    replace_file(path, content)
    faultpoint("applied")


def load_applied(directory: Path) -> dict[str, Slice]:
    """Return what each host was last told. Raises PlanError for a record that cannot be read."""
    found: dict[str, Slice] = {}
    for path in sorted(directory.glob("*.json")):
        try:
            found[path.stem] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            message = (
                f"{path}, the record of what was applied to {path.stem}, cannot be read: {error}. "
                "Remove it; the next run makes it again."
            )
            raise PlanError(message) from error
    return found


def forget_applied(directory: Path, host: str) -> None:
    """Forget what a host was told."""
    (directory / f"{host}.json").unlink(missing_ok=True)
    faultpoint("applied")


def same(one: Slice, other: Slice) -> bool:
    """Whether two slices tell a host the same."""
    return digest_of(one) == digest_of(other)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old or the new one, whatever happens meanwhile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _add(archive: zipfile.ZipFile, name: str, value: object) -> None:
    member = zipfile.ZipInfo(name, date_time=_EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = 0o600 << 16
    archive.writestr(member, json.dumps(value, indent=1, sort_keys=True))


def _member(path: Path, name: str) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            if name not in archive.namelist():
                return None
            return json.loads(archive.read(name))
    except FileNotFoundError as error:
        message = f"There is no plan file {path}: make one with the playbook weft.vpc.plan."
        raise PlanError(message) from error
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        message = f"{path} cannot be read as a plan: {error}."
        raise PlanError(message) from error
