"""What the lab needs of the computer it runs on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lab.errors import LabError
from lab.paths import CACHE
from lab.shell import locked, run, step

# program -> package; only what is missing is installed.
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "ip": "iproute2",
    "apt-ftparchive": "apt-utils",
    "nsenter": "util-linux",
    "ssh-keygen": "openssh-client",
}
# Every machine and every router in it runs a systemd, and each holds many inotify instances: the default of 128
# is used up by about 26 machines, and then units fail with "Too many open files".
SYSCTLS = {
    "fs/inotify/max_user_instances": 8192,
    "fs/inotify/max_user_watches": 1048576,
    "kernel/keys/maxkeys": 20000,
}


def prepare() -> None:
    """Install what is missing and raise the kernel's limits. Idempotent and quick when nothing is missing."""
    if os.geteuid() != 0:
        raise LabError("The lab starts machines, so it must run as root: use 'sudo bin/lab ...'.")
    install(TOOLS)
    for name, least in SYSCTLS.items():
        path = Path("/proc/sys") / name
        if path.exists() and int(path.read_text()) < least:
            path.write_text(str(least))


def install(tools: Mapping[str, str]) -> None:
    """Install the packages of those programs that are not here; one lab at a time, as apt would not wait."""
    with locked(CACHE / "locks" / "packages"):
        missing = sorted({package for tool, package in tools.items() if not shutil.which(tool)})
        if missing:
            with step(f"install {' '.join(missing)} on this computer"):
                env = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
                # Somebody else on this computer may be installing something just now.
                apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600"]
                run([*apt, "update"], env=env)
                run([*apt, "install", "-y", "--no-install-recommends", *missing], env=env)


def mirrors() -> tuple[str, str]:
    """The Debian archive and its security archive as this computer's own apt is told to reach them.

    The lab never names a server of its own: whoever runs it decides where packages come from.
    """
    archive, security = "", ""
    for line in run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL)"]).splitlines():
        uri, _, label = line.partition(" ")
        if label == "Debian-Security":
            security = security or uri.rstrip("/")
        elif label == "Debian":
            archive = archive or uri.rstrip("/")
    if not archive:
        raise LabError("This computer's apt has no Debian archive among its sources, so no image can be built.")
    return archive, security


def sources(suite: str) -> list[str]:
    """apt lines for a release, from this computer's own archives."""
    archive, security = mirrors()
    lines = [f"deb {archive} {suite} main", f"deb {archive} {suite}-updates main"]
    if security:
        lines.append(f"deb {security} {suite}-security main")
    return lines


def backports(suite: str) -> list[str]:
    """apt lines for what a release takes from later ones, from this computer's own archive."""
    archive, _security = mirrors()
    return [f"deb {archive} {suite}-backports main"]
