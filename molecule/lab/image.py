"""The root trees of the nodes: built once per recipe, kept under a name made of the recipe's hash."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from lab import cache
from lab.host import sources
from lab.shell import quietly, run

BASE_PACKAGES = [
    "systemd", "systemd-sysv", "dbus", "libpam-systemd", "ca-certificates", "kmod", "udev",
    "python3", "python3-apt", "python3-yaml",
    "iproute2", "nftables", "conntrack", "bridge-utils", "ethtool", "procps", "sudo",
    "systemd-container", "mmdebstrap", "zstd",
    "iputils-ping", "iputils-arping", "tcpdump", "curl", "socat", "netcat-openbsd", "iperf3", "bind9-dnsutils",
    "udhcpc", "openssh-server", "lsof", "nmap",
]  # fmt: skip
WAN_PACKAGES = [
    "dnsmasq", "frr", "frr-pythontools", "strongswan-swanctl", "charon-systemd", "keepalived", "haproxy",
    "wireguard-tools",
]  # fmt: skip
# Packages that a release does not have.
NOT_IN: dict[str, set[str]] = {}
PACKAGES = {"node": BASE_PACKAGES, "wan": [*BASE_PACKAGES, *WAN_PACKAGES]}
# Background work would disturb measurements, and wait-online waits for links that have no address by design.
MASKED = [
    "systemd-networkd-wait-online.service", "apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer",
    "e2scrub_all.timer", "e2scrub_reap.service", "fstrim.timer", "man-db.timer", "systemd-firstboot.service",
    "systemd-udevd.service", "getty.target", "console-getty.service", "systemd-tmpfiles-clean.timer",
]  # fmt: skip
DISABLED = [
    "dnsmasq", "frr", "strongswan", "strongswan-starter", "keepalived", "haproxy", "ssh", "nftables",
    "systemd-resolved", "systemd-timesyncd",
]  # fmt: skip
FILES = {
    "etc/resolv.conf": "",
    "etc/machine-id": "",
    "etc/apt/sources.list": "deb [trusted=yes] copy:/var/lib/lab/mirror {suite} main\n",
    "etc/apt/apt.conf.d/90lab": 'APT::Install-Recommends "false";\nAcquire::Languages "none";\n',
    # A machine must not wait 90 s for a unit that will not stop.
    "etc/systemd/system.conf.d/10-lab.conf": "[Manager]\nDefaultTimeoutStopSec=10s\n",
    # The journal in memory: a lab's disk is a cache.
    "etc/systemd/journald.conf.d/10-lab.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=64M\n",
    "etc/ssh/sshd_config.d/10-lab.conf": "PermitRootLogin prohibit-password\nUseDNS no\nUsePAM no\n",
}  # fmt: skip


def packages(image: str, suite: str) -> list[str]:
    return [name for name in PACKAGES[image] if name not in NOT_IN.get(suite, set())]


def ensure(image: str, suite: str) -> Path:
    """The tree of an image, built now if this recipe was never built."""
    recipe = cache.recipe_hash(image, suite, packages(image, suite), MASKED, DISABLED, FILES, 1)
    what = f"build the image '{image}' ({suite})"
    return cache.ensure("images", f"{image}-{suite}-{recipe}", what, lambda tree: _build(image, suite, tree))


def _build(image: str, suite: str, building: Path) -> None:
    bootstrap(suite, packages(image, suite), building)
    for name, text in FILES.items():
        file = building / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)  # it may be a link to somewhere else
        file.write_text(text.replace("{suite}", suite))
    for leftover in (building / "etc/ssh").glob("ssh_host_*"):
        leftover.unlink()
    shutil.rmtree(building / "etc/apt/sources.list.d", ignore_errors=True)
    (building / "var/lib/lab/mirror").mkdir(parents=True, exist_ok=True)
    for path in ("usr/local/lib/lab", "var/lib/weft/images", "var/lib/machines", "etc/apt/sources.list.d"):
        (building / path).mkdir(parents=True, exist_ok=True)
    systemctl = ["systemctl", f"--root={building}"]
    run([*systemctl, "mask", *MASKED])
    for unit in DISABLED:
        quietly([*systemctl, "disable", unit])
    run([*systemctl, "enable", "systemd-networkd.service"])


def bootstrap(suite: str, wanted: list[str], tree: Path, extra: Sequence[str] = ()) -> None:
    """Make a root tree with these packages; `extra` are further options of mmdebstrap."""
    # Without docs the trees halve in size; fsync in a tree that is thrown away on failure is lost time.
    excludes = ["/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*"]
    options = [f"--dpkgopt=path-exclude={pattern}" for pattern in excludes] + ["--dpkgopt=force-unsafe-io"]
    options += ["--aptopt=Acquire::Languages none", "--aptopt=APT::Install-Recommends false"]
    run(
        # In a mount namespace of its own a killed build leaves nothing mounted.
        ["unshare", "--mount", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase", "--format=directory",
         *options, *extra, f"--include={','.join(wanted)}", suite, str(tree), "-"],
        stdin="\n".join(sources(suite)) + "\n",
    )  # fmt: skip
