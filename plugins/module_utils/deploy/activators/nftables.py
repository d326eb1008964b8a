# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The tables named weft: loaded whole only when their structure changes, else element by element.

Rules can be elements, too: those of a chain that changes are replaced, in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.activators.base import Activator, Batch, Step, Work
from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import CommandError, attempt
from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.netlink import tables
from ansible_collections.weft.vpc.plugins.module_utils.deploy.scopes import Scope

DIRECTORY = "/etc/weft/nftables.d"
STRUCTURE = ".nft"
ELEMENTS = ".elements"

_TABLE = re.compile(r"^\s*(?:add\s+|create\s+)?table\s+(ip|ip6|inet|arp|bridge|netdev)\s+weft\b", re.MULTILINE)
_ADD = re.compile(r"^add\s+element\s+(?P<where>\S+\s+\S+\s+\S+)\s+\{(?P<elements>.*)\}\s*$")
_COUNTER = re.compile(r"^add\s+(?P<name>counter\s+\S+\s+\S+\s+\S+)\s*$")
_RULE = re.compile(r"^add\s+rule\s+(?P<chain>\S+\s+\S+\s+\S+)\s")
_AFTER_KEY = re.compile(r"\s+:\s+|\s+comment\s+|\s+timeout\s+")
_LOCATION = re.compile(r"^/dev/stdin:(\d+):")


def belongs(path: str) -> bool:
    """True for the files that make up a scope's tables."""
    return path.startswith(f"{DIRECTORY}/") and path.endswith((STRUCTURE, ELEMENTS))


def _paths(batch: Batch, new: bool) -> list[str]:
    """The scope's files before or after the change, structure first: the order in which the boot loads them."""
    there = {f"{DIRECTORY}/{name}" for name in batch.scope.tree.names(DIRECTORY)} if batch.scope.ready else set()
    for path, spec in batch.new.items():
        present = spec is not None if new else batch.old.get(path) is not None
        there = there | {path} if present else there - {path}
    return sorted((path for path in there if belongs(path)), key=lambda path: (path.endswith(ELEMENTS), path))


def _lines(batch: Batch, new: bool) -> list[str]:
    """The elements' statements before or after the change."""
    read = batch.text if new else batch.old_text
    paths = [path for path in _paths(batch, new) if path.endswith(ELEMENTS)]
    return [line.strip() for path in paths for line in read(path).splitlines() if line.strip() and line[0] != "#"]


def families(text: str) -> list[str]:
    """The families in which the text makes a table named weft."""
    return sorted(set(_TABLE.findall(text)))


def deletion(line: str) -> str:
    """The statement that takes back an ``add element`` or ``add counter`` statement."""
    counter = _COUNTER.match(line)
    if counter is not None:
        return f"delete {counter['name']}"
    match = _ADD.match(line)
    if match is None:
        raise DeployError(f"The line {line!r} of an {ELEMENTS} file is no `add element` statement.")
    # Of "key comment ... : data" only the key names the element.
    keys = [_AFTER_KEY.split(element.strip(), maxsplit=1)[0] for element in match["elements"].split(",")]
    return f"delete element {match['where']} {{ {', '.join(keys)} }}"


class Text:
    """A ruleset put together from files, which can tell the file and line that nft complains about."""

    def __init__(self, prefix: str = "") -> None:
        self.parts: list[str] = [prefix] if prefix else []
        self._origins: list[tuple[int, str]] = []
        self._line = 1 + prefix.count("\n")

    def add(self, path: str, text: str) -> None:
        """Append a file's text."""
        text = text if text.endswith("\n") else text + "\n"
        self._origins.append((self._line, path))
        self.parts.append(text)
        self._line += text.count("\n")

    @property
    def value(self) -> str:
        """The whole text."""
        return "".join(self.parts)

    def explain(self, message: str) -> str:
        """nft's message with real files and lines instead of places in standard input."""
        return "\n".join(self._explain(line) for line in message.splitlines())

    def _explain(self, line: str) -> str:
        match = _LOCATION.match(line)
        if match is None:
            return line
        number = int(match[1])
        origin = next(((start, path) for start, path in reversed(self._origins) if start <= number), None)
        if origin is None:
            return line
        return f"{origin[1]}:{number - origin[0] + 1}:{line[match.end() :]}"


def _replacement(batch: Batch) -> Text:
    """One transaction that replaces the tables as a whole."""
    paths = _paths(batch, new=True)
    texts = {path: batch.text(path) for path in paths}
    before = [batch.old_text(path) for path in _paths(batch, new=False) if path.endswith(STRUCTURE)]
    gone = {family for text in (*texts.values(), *before) for family in families(text)}
    ruleset = Text("".join(f"table {family} weft\ndelete table {family} weft\n" for family in sorted(gone)))
    for path in paths:
        ruleset.add(path, texts[path])
    return ruleset


def _chains(lines: Iterable[str]) -> dict[str, list[str]]:
    """The ``add rule`` statements among these by chain: rules are in order, and a chain's change together."""
    chains: dict[str, list[str]] = {}
    for line in lines:
        match = _RULE.match(line)
        if match is not None:
            chains.setdefault(match["chain"], []).append(line)
    return chains


def _difference(batch: Batch) -> str:
    """One transaction that turns the old elements into the new ones; empty if they are the same."""
    old, new = _lines(batch, new=False), _lines(batch, new=True)
    was, becomes = _chains(old), _chains(new)
    changed = [chain for chain in {**was, **becomes} if was.get(chain) != becomes.get(chain)]
    before, after = ({line for line in lines if not _RULE.match(line)} for lines in (old, new))
    statements = [f"flush chain {chain}" for chain in changed]
    gone, come = before - after, after - before
    statements += [deletion(line) for line in old if line in gone]
    statements += [line for line in new if line in come]
    statements += [line for chain in changed for line in becomes.get(chain, ())]
    return "".join(f"{statement}\n" for statement in dict.fromkeys(statements))


class Nftables(Activator):
    """All ``.nft`` and ``.elements`` files of a scope, together."""

    kind = "nftables"
    rank = 0
    shared = True

    def files(self, activation: object, owned: Iterable[str]) -> set[str]:
        return {path for path in owned if belongs(path)}

    def refusal(self, step: Step, batch: Batch) -> Optional[str]:
        if not step.full and not self._touched(step, batch):
            return None
        if not self._whole(step, batch) and batch.scope.running and _fits(_difference(batch), batch.scope):
            return None
        ruleset = _replacement(batch)
        result = attempt(["unshare", "--net", "--", "nft", "--check", "--file", "/dev/stdin"], ruleset.value)
        if not result.status:
            return None
        return f"nft refuses the new rules{batch.scope.suffix}:\n{ruleset.explain(result.message)}"

    @staticmethod
    def _touched(step: Step, batch: Batch) -> bool:
        return any(belongs(path) for path in batch.new) or batch.touched(step.files)

    @staticmethod
    def _whole(step: Step, batch: Batch) -> bool:
        """True if elements alone will not do."""
        structure = any(path.endswith(STRUCTURE) and belongs(path) for path in batch.new)
        return step.full or structure or any(belongs(path) for path in batch.unsure)

    def plan(self, step: Step, batch: Batch) -> list[Work]:
        if not step.full and not self._touched(step, batch):
            return []
        if self._whole(step, batch):
            return [Work(f"load nftables rules{batch.scope.suffix}", lambda: _load(batch))]
        change = _difference(batch)
        if not change:
            return []
        return [Work(f"change nftables elements{batch.scope.suffix}", lambda: _change(batch, change))]

    def unhealthy(self, step: Step, scope: Scope) -> Optional[str]:
        names = [name for name in scope.tree.names(DIRECTORY) if name.endswith(STRUCTURE)]
        found = [scope.tree.look(f"{DIRECTORY}/{name}") for name in names]
        wanted = {family for each in found if each is not None for family in families((each.content or b"").decode())}
        if not wanted:
            return None
        there = tables(scope.leader if scope.machine else None)
        missing = sorted(family for family in wanted if f"{family} weft" not in there)
        return f"the nftables table {missing[0]} weft does not exist{scope.suffix}" if missing else None


def _fits(change: str, scope: Scope) -> bool:
    """True if the live tables would take the change: sooner said than whether a kernel would take the whole."""
    return not scope.attempt_in_network(["nft", "--check", "--file", "/dev/stdin"], change).status


def _load(batch: Batch) -> None:
    ruleset = _replacement(batch)
    result = batch.scope.attempt_in_network(["nft", "--file", "/dev/stdin"], ruleset.value)
    if result.status:
        raise CommandError(["nft", "--file", "..."], ruleset.explain(result.message))


def _change(batch: Batch, change: str) -> None:
    # Somebody may have flushed the tables or changed an element by hand: then only the whole will do.
    if batch.scope.attempt_in_network(["nft", "--file", "/dev/stdin"], change).status:
        _load(batch)
