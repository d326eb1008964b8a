"""The guest's own root tree: a small Debian 12 with its stock kernel, and a Python for the controller."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from lab import cache, image
from lab.errors import LabError
from lab.paths import PACKAGE, ROOT
from lab.shell import run, step
from lab.vm import initramfs

SUITE = "bookworm"
PYTHON = "3.11"  # the suite's
# What lab.host would install on a computer, a boot with BusyBox, and a way in.
PACKAGES = [
    "systemd", "systemd-sysv", "dbus", "kmod", "busybox-static", "openssh-server", "openssh-client", "ca-certificates",
    "python3", "python3-venv", "iproute2", "nftables", "procps", "less",
    "mmdebstrap", "systemd-container", "apt-utils", "util-linux",
]  # fmt: skip
# What the controller, the demo and the tests in the guest import, with all that these import in turn: pip cannot work
# that out for another Python than its own. `pip check` says when something is missing.
WHEELS = {
    "ansible-core", "cryptography", "cffi", "pycparser", "packaging", "resolvelib", "jinja2", "markupsafe", "pyyaml",
    "pydantic", "pydantic-core", "annotated-types", "typing-extensions", "typing-inspection",
    "pytest", "iniconfig", "pluggy", "pygments", "pytest-testinfra", "hypothesis", "sortedcontainers",
    "rich", "markdown-it-py", "mdurl",
}  # fmt: skip
# Each of these costs an emulated boot seconds, and nobody misses it.
MASKED = [
    *image.MASKED, "systemd-remount-fs.service", "systemd-networkd.service", "nftables.service", "modprobe@.service",
    "systemd-binfmt.service", "systemd-logind.service", "systemd-update-utmp.service", "systemd-pstore.service",
    "sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount",
    "dev-hugepages.mount", "dev-mqueue.mount", "proc-sys-fs-binfmt_misc.automount", "systemd-udev-trigger.service",
    "systemd-udevd-control.socket", "systemd-udevd-kernel.socket", "systemd-journal-flush.service",
]  # fmt: skip
FILES = {
    "etc/hostname": "guest\n",
    "etc/hosts": "127.0.0.1 localhost guest\n",
    "etc/machine-id": "",
    "etc/resolv.conf": "",
    "etc/systemd/system.conf.d/10-lab.conf": "[Manager]\nDefaultTimeoutStopSec=20s\nDefaultTimeoutStartSec=300s\n",
    "etc/systemd/journald.conf.d/10-lab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=64M\n",
    "etc/tmpfiles.d/tmp.conf": "",
    # All commands come over one connection, side by side.
    "etc/ssh/sshd_config.d/10-lab.conf": "UsePAM no\nUseDNS no\nMaxSessions 200\nMaxStartups 200\nPrintMotd no\n",
}
INIT = Path(__file__).with_name("uml-init")
REQUIREMENT = re.compile(r'([A-Za-z0-9._-]+)==(\S+)(?: ; python_version (<|>=) "([0-9.]+)")?')


def pinned(text: str) -> list[str]:
    """The lines of requirements-dev.txt that the guest needs and its Python wants, as NAME==VERSION."""
    found = {}
    for line in text.splitlines():
        match = REQUIREMENT.fullmatch(line.strip())
        if match and match[1].lower().replace("_", "-") in WHEELS and _applies(match[3], match[4]):
            found[match[1].lower().replace("_", "-")] = f"{match[1]}=={match[2]}"
    missing = sorted(WHEELS - found.keys())
    if missing:
        raise LabError(f"requirements-dev.txt does not pin {', '.join(missing)}, which the lab's guest needs.")
    return sorted(found.values())


def _applies(sign: str | None, version: str | None) -> bool:
    if sign is None or version is None:
        return True
    older = [int(part) for part in PYTHON.split(".")] < [int(part) for part in version.split(".")]
    return older if sign == "<" else not older


def recipe_hash() -> str:
    finish = Path(__file__).with_name("finish-tree").read_text()
    wheels = pinned((ROOT / "requirements-dev.txt").read_text())
    parts = [INIT.read_text(), initramfs.INIT, initramfs.DRIVERS]
    return cache.recipe_hash(str(ROOT), SUITE, PACKAGES, wheels, MASKED, FILES, finish, *parts)


def build(tree: Path, wheels: Path) -> None:
    """Make the tree; `wheels` is a place for what is downloaded.

    The kernel and the virtual environment are put in by `finish-tree`, as mmdebstrap's last act.
    """
    with step("download the guest's Python packages"):
        download(wheels)
    hook = f'--customize-hook={PACKAGE / "vm" / "finish-tree"} "$1" {wheels} {ROOT}'
    with step("build the guest's Debian, with its stock kernel"):
        # The checkout may lie in /tmp, which mmdebstrap clears after the hook, and Debian at every boot.
        image.bootstrap(SUITE, PACKAGES, tree, [hook, "--skip=cleanup/tmp"])
        for name, text in FILES.items():
            file = tree / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_text(text)
        shutil.copy(INIT, tree / "weft-init")
        # Whose key is in it is said when it boots.
        (tree / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
        run(["systemctl", f"--root={tree}", "mask", *MASKED])


def download(wheels: Path) -> None:
    pins = pinned((ROOT / "requirements-dev.txt").read_text())
    try:
        import pip  # noqa: F401 - only whether it is there
    except ImportError as error:
        raise LabError("The guest's Python packages need pip: run 'make setup' first.") from error
    run(
        [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps",
         "--only-binary=:all:", "--python-version", PYTHON, "--dest", str(wheels), *pins]
    )  # fmt: skip
