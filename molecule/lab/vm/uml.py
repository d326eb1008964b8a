"""A kernel that is a process (User-mode Linux), built from Debian's source: it needs nothing of the processor."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError
from lab.vm import kernel, process
from lab.vm.disks import Disks
from lab.vm.places import CONSOLE, HOME, SOCKETS
from lab.vm.settings import MEMORY, words

SUFFIX = "cow"
STARTED = SOCKETS / "uml.pid"
#: What the running one was started with, for its next boot.
BOOTED = HOME / "uml.json"
PROBE_TIMEOUT = 20.0
# In namespaces of their own, of which a shell is the first process: with it everything of them ends, and a panicking
# kernel that is the first itself would spin. Its memory is a file that it must be able to execute.
NAMESPACES = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-euc"]
MEMORY_FILE = "mount -t tmpfs -o size=100%,mode=1777 shm /dev/shm"
# The guest's one wire: a veth pair, as a tap device oopses with more than one processor. What leaves this end must be
# packets as they are on a wire. The shell's own number is said as this computer counts, whose /proc is still mounted.
START = f"""
{MEMORY_FILE}
ip link set lo up
ip link add uml0 type veth peer name way-in
ip address add 10.0.2.2/24 dev way-in
ip link set uml0 up
ip link set way-in gso_max_segs 1 up
read -r number rest </proc/self/stat
echo $number >$0.new
mv $0.new $0
"$@" || true
"""
PROBE = f"""
{MEMORY_FILE}
"$@" || true
"""
# Two processors, whatever the computer has: more were never tried. Not by ptrace, which takes three times as long.
PROCESSORS = ["seccomp=on", "ncpus=2"]
CONSOLES = ["con=null", "con0=null,fd:1", "ssl=null"]


@dataclass(frozen=True)
class Uml:
    """A kind of machine; see `lab.vm.kinds`."""

    name = "uml"
    slowness = 3.0
    address = "10.0.2.15"
    kernel = r"\d+\.\d+\.\d+-weft"

    def obstacle(self, _disks: Disks) -> str:
        """Why it does not work on this computer; empty if it does."""
        try:
            program = kernel.ensure()
        except LabError as error:
            return str(error)
        return _obstacle(program)

    def start(self, disks: Disks) -> None:
        """Start it on its layers, which it makes itself; it outlives this command."""
        drives = [f"ubd{number}={layer},{disk}" for number, (disk, layer) in enumerate(disks.layers(SUFFIX))]
        linux = [
            str(kernel.ensure()), f"mem={MEMORY}", *PROCESSORS, *drives, "root=/dev/ubda", "rw", "rootflags=barrier=0",
            "init=/weft-init", "vec0:transport=raw,ifname=uml0,depth=64,gro=1", *CONSOLES, "quiet", *words(),
        ]  # fmt: skip
        BOOTED.write_text(json.dumps(linux))
        self._boot()

    def _boot(self) -> None:
        linux = json.loads(BOOTED.read_text())
        STARTED.unlink(missing_ok=True)
        with CONSOLE.open("a") as log:
            subprocess.run(
                ["setsid", "--fork", *NAMESPACES, START, str(STARTED), *linux],
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True,
            )  # fmt: skip
        process.remember(self.name, _number())

    def cut(self) -> None:
        """Cut its power for a moment. Its layers fit only the disks it was started with, so it is started as it was."""
        process.kill()
        self._boot()


def _number() -> int:
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        if STARTED.exists():
            return int(STARTED.read_text())
        time.sleep(0.05)
    raise LabError(f"User-mode Linux did not start within 10 s; {CONSOLE} says why.")


def _obstacle(program: Path) -> str:
    """A kernel that gets as far as looking for its disk, and there is none, works."""
    linux = [str(program), "mem=128M", *PROCESSORS, "con0=null,fd:1", "con=null", "panic=-1"]
    try:
        done = subprocess.run(
            [*NAMESPACES, PROBE, "-", *linux], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=PROBE_TIMEOUT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"its kernel did not look for a disk within {PROBE_TIMEOUT:.0f} s"
    said = done.stdout.decode(errors="replace")
    return "" if "Unable to mount root fs" in said else f"its kernel ended early: {' '.join(said.split())[-300:]}"
