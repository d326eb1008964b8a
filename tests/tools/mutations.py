# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Changes of an intent, generated from the model: every key of a document left out, or with another value."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from enum import Enum
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Literal, NamedTuple, get_origin

from ansible_collections.weft.vpc.tests.tools.fields import Place, parts, places

Document = dict[str, Any]


class Nothing(Enum):
    """What a key has that is left out."""

    LEFT_OUT = "left out"


LEFT_OUT = Nothing.LEFT_OUT


class Mutation(NamedTuple):
    """One key, or one item of a list, of a document, and what becomes of it."""

    path: str
    #: LEFT_OUT, or values of which the first that the rules take is meant.
    values: tuple[Any, ...]
    #: The number of an item of a list; None: the key's own value.
    item: int | None = None

    def __str__(self) -> str:
        left_out = self.values == (LEFT_OUT,)
        return f"{self.path}{'' if self.item is None else f'[{self.item}]'} {'left out' if left_out else 'changed'}"

    def results(self, document: Document) -> Iterator[Document]:
        """The document with each of the values."""
        for value in self.values:
            changed = copy.deepcopy(document)
            if _put(_holder(changed, self.path), self.path.rpartition(".")[2], self.item, copy.deepcopy(value)):
                yield changed


def _holder(document: Document, path: str) -> Document:
    """The mapping that has, or could have, the key of a path."""
    if path in document:
        return document
    return next((place.mapping for place in places(document) if place.path == path), {})


def _put(mapping: Document, name: str, item: int | None, value: Any) -> bool:
    holder: Any = mapping
    key: Any = name
    if item is not None:
        holder, key = mapping.get(name), item
        if not isinstance(holder, list) or item >= len(holder):
            return False
    elif key not in holder:
        return False
    if value is LEFT_OUT:
        del holder[key]
    else:
        holder[key] = value
    return True


def mutations(document: Document) -> list[Mutation]:
    """Every key of a document left out and with another value, every item of a list left out."""
    named = [place.mapping[key] for place in places(document) for key in ("name", "host") if key in place.mapping]
    names = sorted(set(map(str, named)))
    found = [Mutation(variable, (LEFT_OUT,), number) for variable in document for number in _items(document[variable])]
    for place in places(document):
        if place.field.name in place.mapping:
            value = place.mapping[place.field.name]
            found.append(Mutation(place.path, (LEFT_OUT,)))
            found += [Mutation(place.path, (LEFT_OUT,), number) for number in _items(value)]
            if others := tuple(other for other in _others(place, value, names) if other != value):
                found.append(Mutation(place.path, others))
    return found


def apply(document: Document, mutation: Mutation, taken: Callable[[Document], bool]) -> Document | None:
    """The document after a mutation; None where the rules take none of its values."""
    return next((changed for changed in mutation.results(document) if taken(changed)), None)


def _items(value: Any) -> range:
    return range(len(value)) if isinstance(value, list) else range(0)


def _others(place: Place, value: Any, names: list[str]) -> Iterator[Any]:
    """Other values of the kind of a value, the likeliest first."""
    if isinstance(value, list):
        if value and not isinstance(value[0], dict):
            yield from ([other, *value[1:]] for other in _others(place, value[0], names))
        return
    for annotation in parts(place.field.info.annotation):
        if get_origin(annotation) is Literal:
            yield from annotation.__args__
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield from (value + 1, value - 1, value * 2, value / 2)
    elif isinstance(value, str):
        yield from _other_texts(value, names)


def _other_texts(value: str, names: list[str]) -> Iterator[str]:
    if re.fullmatch(r"[0-9.]+/[0-9]+", value):
        network = IPv4Network(value, strict=False)
        sizes = (1, 4) if network.prefixlen else ()
        yield from (f"{_later(network.network_address, n * network.num_addresses)}/{network.prefixlen}" for n in sizes)
    elif re.fullmatch(r"[0-9]+(\.[0-9]+){3}", value):
        yield from (str(_later(IPv4Address(value), step)) for step in (1, 3, 7, -1))
    elif value in names:
        yield from (name for name in names if name != value)
        yield f"{value}2"
    else:
        # The last number of a size, a range or a proposal; else a longer word.
        head, number, tail = re.fullmatch(r"(.*?)([0-9]*)([^0-9]*)", value, re.DOTALL).groups()  # type: ignore[union-attr]
        yield from ([f"{head}{int(number) + 1}{tail}"] if number else [f"{value}x"])


def _later(address: IPv4Address, step: int) -> IPv4Address:
    return IPv4Address((int(address) + step) % 2**32)
