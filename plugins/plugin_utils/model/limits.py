# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Numbers of the intent whose limits are those of the program that takes them."""

from __future__ import annotations

from typing import Annotated

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import (
    AfterValidator,
    Field,
    Strict,
    StringConstraints,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import MEMORY_PATTERN, STATUS_PATTERN, refuse

_UNITS = {"M": 2**20, "G": 2**30, "T": 2**40}
# With less a router does not boot; more than the other no machine has.
LEAST_MEMORY, MOST_MEMORY = "64M", "16T"

# FRR takes 255 for a route that is never to be used (RTE distance of zebra).
Distance = Annotated[int, Strict(), Field(ge=1, le=254)]
# CPUQuota= of systemd is in whole percent of a CPU.
Cpus = Annotated[float, Strict(), Field(ge=0.01, le=1024, allow_inf_nan=False)]
# What is counted in the intent, and what is counted in the kernel's table of connections.
Quota = Annotated[int, Strict(), Field(ge=0, le=1_000_000)]
Connections = Annotated[int, Strict(), Field(ge=100, le=1_000_000)]


def memory_bytes(text: str) -> int:
    """An amount of memory, like 512M, in bytes."""
    return int(text[:-1]) * _UNITS[text[-1]]


def _memory(value: str) -> str:
    if not memory_bytes(LEAST_MEMORY) <= memory_bytes(value) <= memory_bytes(MOST_MEMORY):
        refuse("WEFT-R1-memory", f"is not from {LEAST_MEMORY} to {MOST_MEMORY}", "Choose an amount between them.")
    return value


def _status(value: str) -> str:
    first, _dash, last = value.partition("-")
    if last and last < first:
        refuse("WEFT-B3-status", "ends before it begins", f'Write "{last}-{first}".')
    return value


Memory = Annotated[str, Strict(), StringConstraints(pattern=MEMORY_PATTERN), AfterValidator(_memory)]
HttpStatus = Annotated[str, Strict(), StringConstraints(pattern=STATUS_PATTERN), AfterValidator(_status)]
