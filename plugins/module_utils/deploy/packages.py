# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands that a host needs, and the packages that bring them."""

from __future__ import annotations

import shutil

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError, run
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.payload import Payload

SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMIT = 900.0
"""Seconds that an installation may take."""


def missing(packages: dict[str, str]) -> list[str]:
    """Packages whose command is not there."""
    return sorted({package for command, package in packages.items() if shutil.which(command, path=SEARCH) is None})


def works(payload: Payload) -> list[Work]:
    """What is to be installed; DeployError if it may not be."""
    wanted = missing(payload.packages)
    if not wanted:
        return []
    if not payload.install_packages:
        raise DeployError(
            f"This host lacks {', '.join(wanted)}, and install_packages is off. "
            f"Run `apt-get install {' '.join(wanted)}` there."
        )
    return [Work(f"install {' '.join(wanted)}", lambda: _install(wanted))]


def _install(wanted: list[str]) -> None:
    install = ["apt-get", "--yes", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120", "install", *wanted]
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    try:
        run([*environment, *install], timeout=LIMIT)
    except CommandError:
        # An installation may have been killed, or the package lists be too old for the mirror.
        run([*environment, "dpkg", "--configure", "-a"], timeout=LIMIT)
        run(["apt-get", "update"], timeout=LIMIT)
        run([*environment, *install], timeout=LIMIT)
