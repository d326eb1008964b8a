"""Where planted secrets are: in what runs say, log and keep, in the arguments of programs, in files of hosts."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

from checks.fabric import Fabric, Run
from lab.shell import patient

HOSTS = ("hv1", "hv2", "gw1")
#: Packages, the kernel's files, the lab's; and what a router's root shows of its image and of `upper`.
ELSEWHERE = (
    "/proc", "/sys", "/dev", "/usr/lib", "/usr/share", "/var/lib/lab", "/var/lib/weft/images", "/run/planted",
    "/var/lib/weft/routers/*/root",
)  # fmt: skip


@contextmanager
def watching_processes() -> Iterator[set[str]]:
    """The arguments of all processes of this computer while something runs; those of routers are among them."""
    seen: set[str] = set()
    done = Event()

    def look() -> None:
        while not done.wait(patient(0.02)):
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
                except OSError:
                    continue

    watcher = Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


def told(fabric: Fabric, *options: str, **how: Any) -> Run:
    """A run with everything that it can be asked to say, and a log."""
    log = {"ANSIBLE_LOG_PATH": str(fabric.state / "ansible.log")}
    return fabric.try_run("-vvv", "--diff", *options, env=log, **how)


def kept(fabric: Fabric) -> str:
    """What the controller keeps besides the inventory: ledger, records, log, saved plan."""
    files = [path for path in fabric.state.rglob("*") if path.is_file() and fabric.inventory not in path.parents]
    assert {"weft-ledger.json", "ansible.log", "saved.plan"} <= {path.name for path in files}
    with zipfile.ZipFile(fabric.state / "saved.plan") as archive:
        plan = "".join(archive.read(name).decode() for name in archive.namelist())
    return plan + "".join(path.read_text(errors="replace") for path in files)


def found(fabric: Fabric, host: str, secrets: list[str]) -> dict[str, str]:
    """Files of a host (and of routers on it) with one of these in them: path -> mode and owner."""
    pruned = " -o ".join(f"-path '{path}'" for path in ELSEWHERE)
    command = (
        f"cat >/run/planted; find / \\( {pruned} \\) -prune -o -type f -print0 | "
        "xargs -0 -r grep -lF -f /run/planted -- | xargs -r stat -c '%n %a:%u'; rm /run/planted"
    )
    lines = fabric.cloud.on(host, ["sh", "-c", command], "\n".join(secrets) + "\n").stdout.splitlines()
    return dict(line.rsplit(" ", 1) for line in lines)


def logged(fabric: Fabric) -> str:
    """Journals of hosts and of the router."""
    journals = [fabric.cloud.read(host, "journalctl --no-pager --boot") for host in HOSTS]
    return "".join(journals) + fabric.cloud.in_router("vpc-1", "journalctl --no-pager --boot")
