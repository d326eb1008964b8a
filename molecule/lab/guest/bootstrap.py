"""mmdebstrap on a router node of the lab: what one node of any lab has made, another takes over; it waits for it.

Called as mmdebstrap is. A tree is named by everything it is made of: the call without its directory, the lists of
sources, and the index of the archive of packages. It is kept as a tar archive in a directory that all labs share.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

REAL = "/usr/bin/mmdebstrap"
SHARED = Path("/var/lib/lab/bootstraps")
MIRROR = Path("/var/lib/lab/mirror")
KEPT_SECONDS = 30 * 24 * 3600.0
# File capabilities are extended attributes.
TAR = ["tar", "--numeric-owner", "--xattrs", "--xattrs-include=*"]


def name_of(arguments: list[str], directory: str) -> str:
    """The name of what this call makes, wherever it makes it."""
    files = [Path(word) for word in arguments if word.startswith("/") and word != directory]
    files += sorted(MIRROR.glob("dists/*/Release"))
    recipe = [[word for word in arguments if word != directory], [file.read_text() for file in files]]
    return hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]


def make(arguments: list[str], directory: str, archive: Path) -> int:
    """Let mmdebstrap make the tree, and keep it for others."""
    # It ends with us, who are told to end with whoever called us; it inherits what that one wants it to hold.
    status = subprocess.run(["setpriv", "--pdeathsig=TERM", REAL, *arguments], check=False, close_fds=False).returncode
    if status == 0:
        for old in SHARED.glob("*.tar"):
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                old.unlink(missing_ok=True)
        new = archive.with_suffix(".new")
        subprocess.run([*TAR, "--create", f"--file={new}", f"--directory={directory}", "."], check=True)
        os.replace(new, archive)
    return status


def take(archive: Path, directory: str) -> None:
    os.utime(archive)
    os.makedirs(directory, exist_ok=True)
    unpack = [*TAR, "--extract", "--same-permissions", f"--file={archive}", f"--directory={directory}"]
    subprocess.run(["setpriv", "--pdeathsig=TERM", *unpack], check=True, close_fds=False)


def main(arguments: list[str]) -> int:
    # The release comes first, then the directory, then sources.
    places = [word for word in arguments if not word.startswith("-")]
    if len(places) < 2:
        os.execv(REAL, [REAL, *arguments])
    archive = SHARED / f"{name_of(arguments, places[1])}.tar"
    with archive.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            return make(arguments, places[1], archive)
        take(archive, places[1])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
