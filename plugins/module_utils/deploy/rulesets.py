# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The transactions that make of the nftables tables of some files those of others.

Files are given as their content by path, in the order in which the boot loads them: structure first, then elements.
Rules can be elements, too: those of a chain that changes are replaced, in the same transaction.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.errors import DeployError
from ansible_collections.weft.vpc.plugins.module_utils.deploy.structure import obsolete, structure

STRUCTURE = ".nft"
ELEMENTS = ".elements"
Files = Mapping[str, str]

_TABLE = re.compile(r"^\s*(?:add\s+|create\s+)?table\s+(ip|ip6|inet|arp|bridge|netdev)\s+weft\b", re.MULTILINE)
_ADD = re.compile(r"^add\s+element\s+(?P<where>\S+\s+\S+\s+\S+)\s+\{(?P<elements>.*)\}\s*$")
_OBJECT = re.compile(r"^add\s+(?P<name>(?:chain|counter|set)\s+\S+\s+\S+\s+\S+)\s*(?:\{.*\}\s*)?$")
_RULE = re.compile(r"^add\s+rule\s+(?P<chain>\S+\s+\S+\s+\S+)\s")
_OF_SET = re.compile(r"^add\s+(?:element|map|set)\s+(\S+)\s+\S+\s+(\S+)\s")
_AFTER_KEY = re.compile(r"\s+:\s+|\s+comment\s+|\s+timeout\s+")
_LOCATION = re.compile(r"^/dev/stdin:(\d+):")


def in_order(paths: Iterable[str]) -> list[str]:
    """The order in which the boot loads files."""
    return sorted(paths, key=lambda path: (path.endswith(ELEMENTS), path))


def families(text: str) -> list[str]:
    """The families in which the text makes a table named weft."""
    return sorted(set(_TABLE.findall(text)))


def _families(files: Files) -> set[str]:
    return {family for text in files.values() for family in families(text)}


def deletion(line: str) -> str:
    """The statement that takes back an ``add`` statement of an element, a chain, a counter or a set."""
    named = _OBJECT.match(line)
    if named is not None:
        return f"delete {named['name']}"
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


def replacement(before: Files, after: Files) -> Text:
    """One transaction that makes all tables anew."""
    gone = _families(before) | _families(after)
    ruleset = Text("".join(f"table {family} weft\ndelete table {family} weft\n" for family in sorted(gone)))
    for path, text in after.items():
        ruleset.add(path, text)
    return ruleset


def _chains(lines: Iterable[str]) -> dict[str, list[str]]:
    """The ``add rule`` statements among these by chain: rules are in order, and a chain's change together."""
    chains: dict[str, list[str]] = {}
    for line in lines:
        match = _RULE.match(line)
        if match is not None:
            chains.setdefault(match["chain"], []).append(line)
    return chains


def _lines(files: Files) -> list[str]:
    """The elements' statements."""
    texts = [text for path, text in files.items() if path.endswith(ELEMENTS)]
    return [line.strip() for text in texts for line in text.splitlines() if line.strip() and line[0] != "#"]


def _difference(before: Files, after: Files, flushed: bool = False) -> tuple[list[str], list[str]]:
    """The statements that take away old elements, and those that bring new ones; ``flushed``: no chain has rules."""
    old, new = _lines(before), _lines(after)
    was, becomes = {} if flushed else _chains(old), _chains(new)
    changed = [chain for chain in {**was, **becomes} if was.get(chain) != becomes.get(chain)]
    there, wanted = ({line for line in lines if not _RULE.match(line)} for lines in (old, new))
    gone, come = there - wanted, wanted - there
    takes = [] if flushed else [f"flush chain {chain}" for chain in changed]
    # A set goes after its elements and a chain after what leads to it, all of which are written after it.
    takes += [deletion(line) for line in reversed(old) if line in gone]
    brings = [line for line in new if line in come]
    brings += [line for chain in changed for line in becomes.get(chain, ())]
    return takes, brings


def _statements(lines: Iterable[str]) -> str:
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def elements_change(before: Files, after: Files) -> str:
    """One transaction that turns old elements into new ones; empty if they are the same."""
    takes, brings = _difference(before, after)
    return _statements([*takes, *brings])


def conversion(before: Files, after: Files) -> Optional[str]:
    """One transaction in which tables get a new structure and keep their sets; None if only new tables will do."""
    texts = [[text for path, text in files.items() if path.endswith(STRUCTURE)] for files in (before, after)]
    old, new = structure(texts[0]), structure(texts[1])
    goes = None if old is None or new is None else obsolete(old, new)
    if goes is None:
        return None
    was, becomes = _families(before), _families(after)
    takes, brings = _difference(before, after, flushed=True)
    start = [f"flush table {family} weft" for family in sorted(was & becomes)] + takes
    for family in sorted(was ^ becomes):
        start += [f"table {family} weft", f"delete table {family} weft"]
    # The file of elements that a service of the router's writes says itself what set they are of.
    written = {match.groups() for match in map(_OF_SET.match, _lines(after)) if match is not None}
    start += [
        one.deletion
        for one in goes
        if one.family in becomes and (one.is_chain or (one.family, one.name) not in written)
    ]
    return _statements(start) + "\n".join([*texts[1], ""]) + _statements(brings)
