"""The virtual machine itself: QEMU, by KVM where that works, else by emulation."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import socket
import subprocess
import time
from pathlib import Path

from lab import pids
from lab.errors import LabError
from lab.qemu.disks import Disks
from lab.qemu.places import ACCELERATOR, CONSOLE, HOME, MONITOR, PID, SOCKETS
from lab.shell import run, say

QEMU = "qemu-system-x86_64"
TOOLS = {QEMU: "qemu-system-x86", "qemu-img": "qemu-utils", "mke2fs": "e2fsprogs"}
MEMORY = os.environ.get("LAB_GUEST_MEMORY", "8G")
# How many times slower than a computer the guest is; what waits in the lab waits so much longer.
SLOWNESS = {"kvm": 2.0, "tcg": 10.0}
# Five levels of page tables are another look-up for each one that emulation misses, and glibc would choose AVX, which
# it emulates one element at a time.
ACCELERATION = {
    "kvm": ["-accel", "kvm", "-cpu", "host"],
    "tcg": ["-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max,la57=off,avx=off,avx2=off"],
}
# The probe only loads a few drivers: about a second. A KVM that is present and useless hangs before that.
PROBE_TIMEOUT = 10.0
COMMON = ["-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"]


def pid() -> int:
    """The process id of the running QEMU, or 0."""
    try:
        number, started = PID.read_text().split()
        return int(number) if pids.birth(int(number)) == started else 0
    except (OSError, ValueError):
        return 0


def accelerator(disks: Disks) -> str:
    """Which acceleration works here; found out once for each kernel of this computer and of the guest."""
    signature = f"{platform.release()} {disks.kernel.parent.name}"
    with contextlib.suppress(OSError, ValueError):
        known, _, kind = ACCELERATOR.read_text().strip().rpartition(" ")
        if known == signature and kind in ACCELERATION:
            return kind
    kind = "kvm" if _kvm_works(disks) else "tcg"
    ACCELERATOR.write_text(f"{signature} {kind}\n")
    if kind == "tcg":
        say("KVM does not work on this computer, so the guest is emulated: about ten times slower.")
    return kind


def running_by() -> str:
    """The acceleration of the guest that runs."""
    return "kvm" if ACCELERATOR.exists() and ACCELERATOR.read_text().strip().endswith(" kvm") else "tcg"


def _kvm_works(disks: Disks) -> bool:
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    probe = [QEMU, *COMMON, *ACCELERATION["kvm"], "-m", "256M", "-no-reboot", "-serial", "stdio",
             *_kernel(disks, "weft.probe")]  # fmt: skip
    try:
        done = subprocess.run(
            probe, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PROBE_TIMEOUT
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return b"weft-probe-ok" in done.stdout


def _kernel(disks: Disks, words: str) -> list[str]:
    line = f"console=ttyS0 quiet mitigations=off net.ifnames=0 {words}"
    return ["-kernel", str(disks.kernel), "-initrd", str(disks.initramfs), "-append", line]


def start(disks: Disks, kind: str) -> None:
    """Start QEMU; it outlives this command. The guest is on no network but QEMU's own, which leads nowhere."""
    SOCKETS.mkdir(mode=0o700, exist_ok=True)
    CONSOLE.write_text("")
    drives = []
    for number, over in enumerate(disks.layers):
        # Nothing here has to survive this computer's power cut.
        drives += ["-drive", f"file={over},format=qcow2,if=none,id=disk{number},cache=unsafe,discard=unmap"]
        drives += ["-device", f"virtio-blk-pci,drive=disk{number}"]
    qemu = [
        QEMU, *COMMON, "-name", "weft-guest", *ACCELERATION[kind], "-m", MEMORY,
        "-smp", str(min(os.cpu_count() or 1, 4)),
        *_kernel(disks, "rw"), *drives, "-device", "virtio-rng-pci", "-serial", f"file:{CONSOLE}",
        "-netdev", "user,id=way-in,restrict=on,hostfwd=tcp:127.0.0.1:22-10.0.2.15:22",
        "-device", "virtio-net-pci,netdev=way-in,romfile=", "-qmp", f"unix:{MONITOR},server=on,wait=off",
        "-pidfile", str(SOCKETS / "qemu.pid"), "-daemonize",
    ]  # fmt: skip
    # A network namespace of its own: port 22 is free there, nobody else can connect, and there is no way out of it.
    run(["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-", *qemu])
    number = int((SOCKETS / "qemu.pid").read_text())
    PID.write_text(f"{number} {pids.birth(number)}\n")


def inside() -> list[str]:
    """The prefix that runs a command in QEMU's network namespace, from where the guest can be reached."""
    number = pid()
    if not number:
        raise LabError("The lab's guest is not running; 'bin/lab guest up' starts it.")
    return ["nsenter", f"--target={number}", "--net", "--"]


def stop(timeout: float) -> None:
    """Press the power button, and pull the plug after the timeout (at once when it is 0)."""
    number = pid()
    if number and timeout:
        command("system_powerdown")
        _gone(timeout)
    if pid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        if not _gone(10.0):
            raise LabError(f"The guest's QEMU, process {number}, does not end.")


def _gone(timeout: float) -> bool:
    deadline = time.monotonic() + timeout
    while pid() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not pid()


def command(name: str) -> None:
    """Tell QEMU's monitor one thing."""
    with socket.socket(socket.AF_UNIX) as monitor:
        monitor.settimeout(10)
        monitor.connect(str(MONITOR))
        with monitor.makefile("rw") as stream:
            stream.readline()
            for one in ("qmp_capabilities", name):
                stream.write(json.dumps({"execute": one}) + "\n")
                stream.flush()
                answer = json.loads(stream.readline())
                while "event" in answer:
                    answer = json.loads(stream.readline())
                if "error" in answer:
                    raise LabError(f"QEMU refused '{one}': {answer['error']['desc']}.")


def size(path: Path) -> int:
    """Bytes that a sparse file really takes."""
    return path.stat().st_blocks * 512


def used() -> int:
    """Bytes that the running guest wrote so far."""
    return sum(size(path) for path in HOME.glob("*.qcow2"))
