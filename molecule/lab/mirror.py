"""The packages the nodes may install, offline: one small apt archive in the cache, shown to every node.

Nodes have no way out, yet the collection builds router images on them with the node's own apt sources.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lab import cache, image
from lab.apt import PrivateApt
from lab.host import sources
from lab.paths import CACHE
from lab.shell import run

ROUTER_PACKAGES = [
    "apt", "systemd", "systemd-sysv", "dbus", "iproute2", "nftables", "conntrack", "dnsmasq", "haproxy", "frr",
    "frr-pythontools", "strongswan-swanctl", "charon-systemd", "keepalived", "conntrackd", "iputils-ping",
    "iputils-arping", "procps", "tcpdump", "wireguard-tools", "socat", "curl", "busybox", "ca-certificates",
    "libstrongswan-extra-plugins", "libstrongswan-standard-plugins", "ethtool", "kmod", "netcat-openbsd",
    "frr-snmp", "iperf3", "zstd",
]  # fmt: skip
# What `mmdebstrap --variant=minbase` takes whatever else is asked for.
MINBASE = ["?essential", "?priority(required)"]


def wanted(suite: str) -> list[str]:
    return sorted({*ROUTER_PACKAGES, *image.packages("node", suite), *image.packages("wan", suite)})


def place(suite: str) -> Path:
    """The archive of a suite, whether it is there or not."""
    return CACHE / "mirrors" / f"{suite}-{cache.recipe_hash(wanted(suite), MINBASE, 2)}"


def ensure(suite: str) -> Path:
    """The archive of a suite: its packages are downloaded and indexed, unless that was done for this very list."""
    what = f"download the nodes' package archive ({suite})"
    return cache.ensure("mirrors", place(suite).name, what, lambda mirror: _make(mirror, suite))


def _make(mirror: Path, suite: str) -> None:
    _download(mirror, suite)
    _index(mirror, suite)


def _download(mirror: Path, suite: str) -> None:
    """Let apt resolve everything on an empty system of its own, and keep what it fetches."""
    home = mirror / "apt"
    apt = PrivateApt(home, sources(suite))
    apt.get("--download-only", "--yes", "install", *MINBASE, *wanted(suite))
    pool = mirror / "pool" / suite
    pool.mkdir(parents=True, exist_ok=True)
    for package in apt.archives.glob("*.deb"):
        os.replace(package, pool / package.name)
    shutil.rmtree(home)


def _index(mirror: Path, suite: str) -> None:
    where = mirror / "dists" / suite
    architecture = run(["dpkg", "--print-architecture"]).strip()
    binary = where / "main" / f"binary-{architecture}"
    binary.mkdir(parents=True, exist_ok=True)
    # Run from the archive's root, since the index names files relative to it.
    packages = run(["env", "-C", str(mirror), "apt-ftparchive", "packages", f"pool/{suite}"])
    (binary / "Packages").write_text(packages)
    fields = {"Origin": "Debian", "Label": "Debian", "Suite": suite, "Codename": suite, "Components": "main"}
    fields["Architectures"] = architecture
    options = [f"APT::FTPArchive::Release::{key}={value}" for key, value in fields.items()]
    release = run(["apt-ftparchive", *[word for option in options for word in ("-o", option)], "release", str(where)])
    (where / "Release").write_text(release)
