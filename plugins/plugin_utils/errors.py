# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wrong with an intent, said so that a person can mend it."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]

_DIGITS = re.compile(r"(\d+)")


class _ValueText(reprlib.Repr):
    """Values in messages: short whatever is in them, strings in single quotes, booleans as YAML writes them."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxdict = self.maxlist = self.maxtuple = 3
        self.maxstring = self.maxother = self.maxlong = 60

    def repr1(self, x: object, level: int) -> str:
        if isinstance(x, bool):
            return "true" if x else "false"
        if x is None:
            return "null"
        if isinstance(x, str):
            return self._string(x)
        try:
            return super().repr1(x, level)
        except ValueError:  # an integer of more digits than Python is willing to print
            return "a huge number"

    def _string(self, x: str) -> str:
        if len(x) > self.maxstring:
            x = x[: self.maxstring - 3] + "..."
        printable = x if x.isprintable() else x.encode("unicode_escape").decode("ascii")
        return f"'{printable}'"


_VALUE_TEXT = _ValueText()


def value_text(value: object) -> str:
    """`value` as messages show it: at most about a line, strings quoted."""
    if value is None or isinstance(value, bool | int | float | str | list | tuple | dict | set | frozenset):
        return _VALUE_TEXT.repr(value)
    return _VALUE_TEXT.repr(str(value))


def path_key(path: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key of inventory paths: `weft_vpcs[2]` comes before `weft_vpcs[10]`."""
    parts = (part for part in _DIGITS.split(path) if part)
    return tuple((0, int(part[:18])) if part.isdecimal() and part.isascii() else (1, part) for part in parts)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: which rule says so, where, what stands there, why it is wrong and what to do.

    `path` is an inventory path like `weft_vpcs[0].networks[1].cidr`. `reason` goes on where the value stops
    ("overlaps '10.0.0.0/8' of ..."); without a value (None) it goes on from the path. `remedy` is a whole sentence.
    """

    rule: str
    path: str
    value: object
    reason: str
    remedy: str
    severity: Severity = "error"

    def __str__(self) -> str:
        shown = "" if self.value is None else f" {value_text(self.value)}"
        return f"{self.path}:{shown} {self.reason.rstrip('.')}. [{self.rule}]\n    Remedy: {self.remedy}"

    @property
    def sort_key(self) -> tuple[object, ...]:
        """By place in the inventory, then by rule."""
        return (path_key(self.path), self.rule, self.reason)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The findings by place in the inventory; what several rules said in the same words is said once."""
    unique = {(f.rule, f.path, f.reason): f for f in findings}
    return sorted(unique.values(), key=lambda finding: finding.sort_key)


class IntentError(Exception):
    """The intent cannot be planned. `.findings` holds everything that is wrong, by place in the inventory."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: list[Finding] = in_order(findings)
        count = "1 error" if len(self.findings) == 1 else f"{len(self.findings)} errors"
        super().__init__("\n".join([f"The intent has {count}; no host was touched.", *map(str, self.findings)]))
