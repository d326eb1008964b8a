# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the structure files of our nftables tables declare: whether live tables can become others in place.

In a new table the sets of concatenated ranges (nft_set_pipapo) are empty for a moment: of a transaction the rules come
into force first. What such a set admits would be lost meanwhile, so live tables keep their sets if they can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Optional

_TABLE = re.compile(r"table (\S+) weft \{")
_OBJECT = re.compile(r"\t(chain|set|map) (\S+) \{")


class Declared(NamedTuple):
    """A chain, or a set or map, which share their names."""

    family: str
    kind: str
    name: str

    @property
    def is_chain(self) -> bool:
        """False for sets and maps."""
        return self.kind == "chain"

    @property
    def deletion(self) -> str:
        """The statement that ends it."""
        return f"delete {self.kind} {self.family} weft {self.name}"


#: By what is declared: what cannot change while it lives.
Structure = Mapping[Declared, list[str]]


def structure(texts: Iterable[str]) -> Optional[Structure]:
    """What the files declare together; None if one is not written as our templates are."""
    bodies: dict[Declared, list[str]] = {}
    for text in texts:
        if not _read(text, bodies):
            return None
    rules = [line for declared, body in bodies.items() if declared.is_chain for line in body]
    return {declared: _fixed(declared, body, rules) for declared, body in bodies.items()}


def _read(text: str, bodies: dict[Declared, list[str]]) -> bool:
    """Add a file's declarations, by their lines; False if a line is not understood."""
    family, body = "", None
    for line in text.splitlines():
        bare = line.strip()
        if not bare or bare.startswith("#"):
            continue
        if body is not None:
            if line == "\t}":
                body = None
            else:
                body.append(bare)
        elif family and line == "}":
            family = ""
        else:
            match = (_OBJECT if family else _TABLE).fullmatch(line)
            if match is None:
                return False
            if family:
                body = bodies.setdefault(Declared(family, match[1], match[2]), [])
            else:
                family = match[1]
    return not family


def _fixed(declared: Declared, body: list[str], rules: list[str]) -> list[str]:
    """What cannot change in place: a chain's hook, all of a set, and the rules that fill a set.

    An element that a rule has put in goes on with the limit that the rule had then.
    """
    if declared.is_chain:
        return [line for line in body if line.startswith("type ")]
    if not any(line.startswith("flags ") and "dynamic" in line for line in body):
        return body
    filled = re.compile(rf"@{re.escape(declared.name)}\b")
    return body + [rule for rule in rules if filled.search(rule)]


def obsolete(old: Structure, new: Structure) -> Optional[list[Declared]]:
    """What goes when one structure becomes the other, in an order in which it can; None if only new tables will do."""
    changed = any(old[declared] != fixed for declared, fixed in new.items() if declared in old)
    names = {declared: (declared.family, declared.is_chain, declared.name) for declared in {**old, **new}}
    if changed or len(set(names.values())) < len(names):
        return None
    # A map's elements may lead to chains.
    return sorted((declared for declared in old if declared not in new), key=lambda declared: declared.is_chain)
