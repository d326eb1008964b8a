# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a rule is, and how the rules find each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, Severity
from ansible_collections.weft.vpc.plugins.plugin_utils.model import Intent


class Fault(NamedTuple):
    """What a rule's function finds; the registry adds the rule's id. See `errors.Finding` for the words."""

    path: str
    value: object
    reason: str
    remedy: str


Check = Callable[[Intent], Iterator[Fault]]


@dataclass(frozen=True)
class Rule:
    """One rule. Its id names the row of the catalogue that it comes from; `summary` is what must hold.

    One that is `settled` is asked a second time, when objects without addresses of their own have got some.
    """

    id: str
    severity: Severity
    summary: str
    faults: Check
    settled: bool = False

    def findings(self, intent: Intent) -> Iterator[Finding]:
        """Where the intent breaks the rule."""
        for fault in self.faults(intent):
            yield Finding(self.id, *fault, severity=self.severity)


RULES: dict[str, Rule] = {}


def rule(rule_id: str, severity: Severity = "error", *, settled: bool = False) -> Callable[[Check], Check]:
    """Registers a function as the rule of that id. The first line of its docstring says what must hold."""

    def register(faults: Check) -> Check:
        if rule_id in RULES:
            raise ValueError(f"two rules are called {rule_id}")
        summary = (faults.__doc__ or "").strip().partition("\n")[0]
        RULES[rule_id] = Rule(rule_id, severity, summary, faults, settled)
        return faults

    return register
