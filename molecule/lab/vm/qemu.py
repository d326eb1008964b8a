"""Debian's own kernel in a virtual machine of QEMU's: by KVM where that works, else every instruction emulated."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import subprocess
from dataclasses import dataclass

from lab import host
from lab.errors import LabError
from lab.shell import run
from lab.vm import process
from lab.vm.disks import Disks
from lab.vm.places import CONSOLE, KVM, MONITOR, SOCKETS
from lab.vm.settings import MEMORY, words

QEMU = "qemu-system-x86_64"
TOOLS = {QEMU: "qemu-system-x86", "qemu-img": "qemu-utils"}
# The probe only loads a few drivers: about a second. A KVM that is present and useless hangs before that.
PROBE_TIMEOUT = 10.0
COMMON = ["-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35"]
KVM_DEVICE = "/dev/kvm"
SUFFIX = "qcow2"


@dataclass(frozen=True)
class Qemu:
    """A kind of machine; see `lab.vm.kinds`."""

    name: str
    acceleration: tuple[str, ...]
    slowness: float
    address = "127.0.0.1"
    kernel = r"6\.1\.0-\d+-cloud-amd64"

    def obstacle(self, disks: Disks) -> str:
        """Why it does not work on this computer; empty if it does."""
        if self.name == "kvm" and not os.access(KVM_DEVICE, os.R_OK | os.W_OK):
            return f"there is no {KVM_DEVICE} to be written to"
        host.install(TOOLS)
        if self.name == "kvm" and not self._kvm_works(disks):
            return f"a kernel under {KVM_DEVICE} did not get to its first program within {PROBE_TIMEOUT:.0f} s"
        return ""

    def _kvm_works(self, disks: Disks) -> bool:
        """Found out once for each kernel of this computer and of the guest."""
        signature = f"{platform.release()} {disks.kernel.parent.name}"
        with contextlib.suppress(OSError):
            known, _, answer = KVM.read_text().strip().rpartition(" ")
            if known == signature:
                return answer == "works"
        works = self._probe(disks)
        KVM.write_text(f"{signature} {'works' if works else 'fails'}\n")
        return works

    def _probe(self, disks: Disks) -> bool:
        probe = [QEMU, *COMMON, *self.acceleration, "-m", "256M", "-no-reboot", "-serial", "stdio",
                 *_kernel(disks, "weft.probe")]  # fmt: skip
        try:
            done = subprocess.run(
                probe, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=PROBE_TIMEOUT
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return False
        return b"weft-probe-ok" in done.stdout

    def start(self, disks: Disks) -> None:
        """Make empty layers and start; it outlives this command, and is on no network but QEMU's own."""
        for disk, layer in disks.layers(SUFFIX):
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", str(disk), str(layer)])
        drives = []
        for number, (_disk, layer) in enumerate(disks.layers(SUFFIX)):
            # Nothing here has to survive this computer's power cut.
            drives += ["-drive", f"file={layer},format=qcow2,if=none,id=disk{number},cache=unsafe,discard=unmap"]
            drives += ["-device", f"virtio-blk-pci,drive=disk{number}"]
        qemu = [
            QEMU, *COMMON, "-name", "weft-guest", *self.acceleration, "-m", MEMORY,
            "-smp", str(min(os.cpu_count() or 1, 4)),
            *_kernel(disks, "rw", *words()), *drives, "-device", "virtio-rng-pci", "-serial", f"file:{CONSOLE}",
            "-netdev", "user,id=way-in,restrict=on,hostfwd=tcp:127.0.0.1:22-10.0.2.15:22",
            "-device", "virtio-net-pci,netdev=way-in,romfile=", "-qmp", f"unix:{MONITOR},server=on,wait=off",
            "-pidfile", str(SOCKETS / "qemu.pid"), "-daemonize",
        ]  # fmt: skip
        # A network namespace of its own: port 22 is free there, nobody else can connect, and there is no way out.
        run(["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "-", *qemu])
        process.remember(self.name, int((SOCKETS / "qemu.pid").read_text()))

    def cut(self) -> None:
        """Cut its power for a moment; the layers stay."""
        command("system_reset")


def _kernel(disks: Disks, *more: str) -> list[str]:
    line = " ".join(["console=ttyS0 quiet mitigations=off net.ifnames=0", *more])
    return ["-kernel", str(disks.kernel), "-initrd", str(disks.initramfs), "-append", line]


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
