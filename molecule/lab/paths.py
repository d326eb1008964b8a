"""Where the lab keeps things: one directory per lab in the checkout, and one cache for all checkouts."""

from __future__ import annotations

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
ID_PATTERN = re.compile(r"[a-z0-9]{1,4}")


@dataclass(frozen=True)
class Paths:
    """The places of one lab. Every name in the kernel carries the lab's id, so two labs never meet."""

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
        return f"weftlab-{self.lab}"

    @property
    def netns(self) -> Path:
        return Path("/run/netns") / self.netns_name

    @property
    def ssh_key(self) -> Path:
        return self.state / "ssh" / "id_ed25519"

    def node(self, name: str) -> Path:
        return self.state / "nodes" / name

    def machine(self, name: str) -> str:
        return f"{self.netns_name}-{name}"

    def cgroup(self, name: str) -> str:
        return self.machine(name)
