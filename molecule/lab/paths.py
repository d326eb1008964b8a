"""Where the lab keeps things: one directory per lab in the checkout, and one cache for all checkouts."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import LabError

PACKAGE = Path(__file__).resolve().parent
ROOT = PACKAGE.parent.parent
BASE = ROOT / ".cache" / "lab"
CACHE = Path(os.environ.get("WEFT_CACHE") or "/var/cache/weft-lab")
# Locks of this checkout. An id has at most four characters, so this is no lab's directory.
LOCKS = BASE / "locks"
# Names this checkout in what is one for the whole computer.
CHECKOUT = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]
ID_PATTERN = re.compile(r"[a-z0-9]{1,4}")


@dataclass(frozen=True)
class Paths:
    """The places of one lab. Every name in the kernel carries the checkout and the lab's id, so two labs never meet."""

    lab: str

    def __post_init__(self) -> None:
        if not ID_PATTERN.fullmatch(self.lab):
            raise LabError(f"The lab id '{self.lab}' is not valid: use one to four lower-case letters or digits.")

    @property
    def state(self) -> Path:
        return BASE / self.lab

    @property
    def lock(self) -> Path:
        return LOCKS / f"lab-{self.lab}"

    @property
    def topology(self) -> Path:
        return self.state / "topology.yml"

    @property
    def netns_name(self) -> str:
        return f"weftlab-{CHECKOUT}-{self.lab}"

    @property
    def netns(self) -> Path:
        return Path("/run/netns") / self.netns_name

    @property
    def ssh_key(self) -> Path:
        return self.state / "ssh" / "id_ed25519"

    def node(self, name: str) -> Path:
        return self.state / "nodes" / name

    def machine(self, name: str) -> str:
        """What a node is called on the computer: its machine, its cgroups and its mounts."""
        return f"{self.netns_name}-{name}"

    @classmethod
    def of_machine(cls, machine: str) -> tuple[Paths, str]:
        """The lab and the node behind such a name."""
        _weftlab, checkout, lab, name = machine.split("-", 3)
        if checkout != CHECKOUT:
            raise LabError(f"The machine '{machine}' is not of this checkout, {ROOT}.")
        return cls(lab), name
