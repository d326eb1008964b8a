"""Build a router image: python3 build-router-image.py RECIPE.json

Written by weft.vpc. The image appears complete or not at all; its files belong to the user namespace that router
machines run in, so that an overlay of it needs no copying.
"""

import fcntl
import json
import os
import shutil
import stat
import subprocess
import sys

# Nothing a router needs: no seat, no devices, no periodic work; waiting for links would hold up the boot.
MASKED = (
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service "
    "systemd-networkd-wait-online.service systemd-logind.service systemd-udevd.service systemd-udev-trigger.service "
    "systemd-journal-flush.service systemd-timesyncd.service systemd-resolved.service getty.target console-getty.service "
    "nftables.service dnsmasq.service logrotate.timer man-db.timer fstrim.timer motd-news.timer"
).split()
DISABLED = "haproxy.service frr.service strongswan.service".split()


def main() -> int:
    recipe = json.load(open(sys.argv[1], encoding="utf-8"))
    directory = recipe["directory"]
    os.makedirs(os.path.dirname(directory), exist_ok=True)
    # Two runs at once build one after the other. mmdebstrap holds the lock too: what a killed run left going must have
    # ended before its tree is removed.
    lock = os.open(os.path.dirname(directory), os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not os.path.isdir(directory):
        partial = directory + ".partial"
        subprocess.run(["rm", "-rf", "--one-file-system", partial], check=True)
        bootstrap(recipe, partial, lock)
        configure(partial)
        shift_owners(partial, recipe["uid_base"])
        os.rename(partial, directory)
    return 0


def bootstrap(recipe: dict, directory: str, lock: int) -> None:
    """Install the distribution's packages, from wherever this node gets its own."""
    command = [
        # Nothing is to go on if this process is killed, and no mount to stay.
        "unshare",
        "--mount",
        "setpriv",
        "--pdeathsig=TERM",
        "mmdebstrap",
        "--quiet",
        "--mode=root",
        "--variant=minbase",
        "--include=" + ",".join(recipe["packages"]),
        '--dpkgopt=path-exclude=/usr/share/doc/*',
        '--dpkgopt=path-exclude=/usr/share/man/*',
        '--dpkgopt=path-exclude=/usr/share/locale/*',
        recipe["suite"],
        directory,
    ]
    sources = sources_of_this_node(recipe["suite"])
    subprocess.run(command + sources, check=True, pass_fds=[lock])


def sources_of_this_node(suite: str) -> list:
    """Return this node's own package sources if it runs the suite, else nothing (mmdebstrap knows the default)."""
    with open("/etc/os-release", encoding="utf-8") as stream:
        if f"VERSION_CODENAME={suite}" not in stream.read().split():
            return []
    found = ["/etc/apt/sources.list"] if os.path.exists("/etc/apt/sources.list") else []
    parts = "/etc/apt/sources.list.d"
    if os.path.isdir(parts):
        found += sorted(os.path.join(parts, name) for name in os.listdir(parts) if name.endswith((".list", ".sources")))
    return found


def configure(directory: str) -> None:
    """Make the tree a router: networkd on, what is needless off, no identity of its own."""
    system = ["systemctl", "--quiet", "--root=" + directory]
    subprocess.run(system + ["mask", *MASKED], check=True)
    subprocess.run(system + ["disable", *DISABLED], check=True)
    subprocess.run(system + ["enable", "systemd-networkd.service"], check=True)
    subprocess.run(system + ["set-default", "multi-user.target"], check=True)
    for name, content in {
        "etc/machine-id": "",
        "etc/hostname": "router\n",
        "etc/resolv.conf": "nameserver 127.0.0.1\n",
        "etc/systemd/journald.conf.d/weft.conf": "[Journal]\nStorage=volatile\nRuntimeMaxUse=8M\n",
    }.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)
        with open(path, "w", encoding="utf-8") as stream:
            stream.write(content)
    shutil.rmtree(os.path.join(directory, "var/cache/apt"), ignore_errors=True)


def shift_owners(directory: str, base: int) -> None:
    """Add the base to every owner. chown takes set-id bits away, so modes are put back."""
    for parent, directories, files in os.walk(directory):
        for path in [parent, *(os.path.join(parent, name) for name in directories + files)]:
            status = os.lstat(path)
            if status.st_uid < base:
                os.lchown(path, status.st_uid + base, status.st_gid + base)
                if not stat.S_ISLNK(status.st_mode):
                    os.chmod(path, stat.S_IMODE(status.st_mode))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except subprocess.CalledProcessError as error:
        # The program has said itself what is wrong.
        sys.exit(f"The router image was not built: `{' '.join(error.cmd)}` ended with status {error.returncode}.")
