"""The kinds of machine that the guest can be, and which one it is on this computer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

from lab.errors import LabError
from lab.shell import say
from lab.vm import process
from lab.vm.disks import Disks
from lab.vm.qemu import Qemu
from lab.vm.uml import Uml


class Kind(Protocol):
    """What runs the guest."""

    @property
    def name(self) -> str: ...
    @property
    def slowness(self) -> float:
        """How many times slower than a computer it is; what waits in the lab waits so much longer."""

    @property
    def address(self) -> str:
        """Where its SSH is, in its network namespace on this computer."""

    @property
    def kernel(self) -> str:
        """The pattern of its kernel's release."""

    def obstacle(self, disks: Disks) -> str:
        """Why it does not work on this computer; empty if it does."""

    def start(self, disks: Disks) -> None:
        """Start it; it outlives this command."""

    def cut(self) -> None:
        """Cut its power for a moment; what it boots from stays."""


# Five levels of page tables are another look-up for each one that emulation misses, and glibc would choose AVX, which
# it emulates one element at a time.
EMULATION = ("-accel", "tcg,thread=multi,tb-size=1024", "-cpu", "max,la57=off,avx=off,avx2=off")
KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Qemu("kvm", ("-accel", "kvm", "-cpu", "host"), slowness=2.0),
        Uml(),
        Qemu("emulated", EMULATION, slowness=10.0),
    )
}
#: What LAB_MACHINE says -> the kinds to try, the first that works.
CHOICES = {
    "": ("kvm", "uml", "emulated"),
    "kvm": ("kvm", "uml", "emulated"),
    "uml": ("uml", "emulated"),
    "emulated": ("emulated",),
    # Debian's own binary, however long it takes.
    "stock": ("kvm", "emulated"),
}


def wanted() -> tuple[str, ...]:
    """The kinds that the user wants tried."""
    said = os.environ.get("LAB_MACHINE", "")
    if said not in CHOICES:
        raise LabError(f"LAB_MACHINE is '{said}'; it must be one of {', '.join(sorted(CHOICES.keys() - {''}))}.")
    return CHOICES[said]


def choose(disks: Disks) -> Kind:
    """The first wanted kind that works here; of each other the output says why it does not."""
    for name in wanted():
        why = KINDS[name].obstacle(disks)
        if not why:
            return KINDS[name]
        say(f"The guest cannot be of the kind '{name}' on this computer: {why}.")
    raise LabError("The lab's guest runs on this computer in none of the ways that LAB_MACHINE allows; see above why.")


def running() -> Kind:
    """The kind of the guest that runs."""
    return KINDS[process.kind()]
