"""What every kind of machine is started with."""

from __future__ import annotations

import os

from lab.paths import BASE
from lab.vm.places import KEY

# Only taken as far as the guest uses it.
MEMORY = os.environ.get("LAB_GUEST_MEMORY", "8G")


def words() -> list[str]:
    """What the kernel's command line says to the guest's first program: it becomes that one's environment."""
    _kind, key, *_comment = KEY.with_suffix(".pub").read_text().split()
    return [f"weft_key={key}", f"weft_labs={BASE}"]
