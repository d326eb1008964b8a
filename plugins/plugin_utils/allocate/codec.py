# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The ledger's text: JSON with one entry a line, sorted, so that a version control system shows and merges it well."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeGuard, TypeVar

from ansible_collections.weft.vpc.plugins.plugin_utils.allocate.ledger import (
    Entry,
    Ledger,
    Link,
    Tombstone,
    Value,
    moment,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import value_text

FORMAT = 1

_SECTIONS = {"format", "fabric", "entries", "tombstones", "hosts"}
_ENTRY = {"scope", "value"}
_TOMBSTONE = {"scope", "value", "released"}
_LINK = {"addresses", "mtu"}

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_LATER_TOMBSTONE = re.compile(r"(.*)#([1-9]\d{0,8})", re.ASCII | re.DOTALL)

T = TypeVar("T")


class FormatError(ValueError):
    """The text is not a ledger, or not one of a format known here. The message continues "the ledger ..."."""


def encode(ledger: Ledger) -> str:
    """Return the text of a ledger: the same bytes for equal ledgers.

    A key's newest tombstone stands under the key, older ones under ``key#2``, ``key#3`` and so on.
    """
    return "".join(
        (
            f'{{\n"format": {FORMAT},\n"fabric": {_text(ledger.fabric)},\n',
            _section("entries", {key: _entry_text(entry) for key, entry in ledger.entries.items()}),
            ",\n",
            _section("tombstones", dict(_tombstone_texts(ledger.tombstones))),
            ",\n",
            _section("hosts", {name: _host_text(links) for name, links in ledger.hosts.items()}),
            "\n}\n",
        )
    )


def decode(text: str) -> Ledger:
    """Return the ledger that a text holds. Raises FormatError for anything that ``encode`` cannot have meant."""
    data = _json(text)
    if not isinstance(data, dict):
        _refuse("is not a JSON object")
    version = data.get("format")
    if not _is_number(version) or version != FORMAT:
        _refuse(f"has format {value_text(version)}; this version of weft.vpc knows only format {FORMAT}")
    _require(data, _SECTIONS, "the file")
    if not isinstance(data["fabric"], str) or not data["fabric"]:
        _refuse("names no fabric")
    return Ledger(
        data["fabric"],
        _mapped(data["entries"], "entries", _entry),
        _tombstones(_mapped(data["tombstones"], "tombstones", _tombstone)),
        _mapped(data["hosts"], "hosts", _links),
    )


def _text(value: str) -> str:
    return json.dumps(value)


def _section(name: str, lines: Mapping[str, str]) -> str:
    body = ",\n".join([f"{_text(key)}: {lines[key]}" for key in sorted(lines)])
    return f'"{name}": {{\n{body}\n}}' if body else f'"{name}": {{\n}}'


def _entry_text(entry: Entry) -> str:
    return f'{{"scope": {_text(entry.scope)}, "value": {json.dumps(entry.value)}}}'


def _tombstone_texts(tombstones: Mapping[str, tuple[Tombstone, ...]]) -> Iterable[tuple[str, str]]:
    for key, stones in tombstones.items():
        for position, stone in enumerate(stones, start=1):
            name = key if position == 1 else f"{key}#{position}"
            yield (
                name,
                f'{{"scope": {_text(stone.scope)}, "value": {json.dumps(stone.value)}, '
                f'"released": "{moment(stone.released)}"}}',
            )


def _host_text(links: Mapping[str, Link]) -> str:
    plain = {name: {"addresses": list(link.addresses), "mtu": link.mtu} for name, link in links.items()}
    return json.dumps(plain, sort_keys=True)


def _refuse(reason: str) -> NoReturn:
    raise FormatError(reason)


def _json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except FormatError:
        raise
    except ValueError as error:
        _refuse(f"is not valid JSON ({error})")
    except RecursionError:
        _refuse("is not valid JSON (nested too deeply)")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object, refusing a key that stands there twice, of which JSON would silently keep the last."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice, _times = Counter(key for key, _value in pairs).most_common(1)[0]
        _refuse(f"has {value_text(twice)} twice, as after a merge of two versions of it")
    return found


def _require(data: object, keys: set[str], where: str) -> None:
    if not isinstance(data, dict) or data.keys() != keys:
        _refuse(f"has at {where} something else than an object of {', '.join(sorted(keys))}")


def _mapped(data: object, section: str, convert: Callable[[str, Any], T]) -> dict[str, T]:
    if not isinstance(data, dict):
        _refuse(f"has at {section} something else than an object")
    return {key: convert(key, value) for key, value in data.items()}


def _is_number(value: object) -> TypeGuard[int]:
    """Whether a value is a whole number; JSON's true and false are not, though Python's are."""
    return isinstance(value, int) and not isinstance(value, bool)


def _scope_and_value(key: str, data: dict[str, Any]) -> tuple[str, Value]:
    scope, value = data["scope"], data["value"]
    if not isinstance(scope, str) or not (isinstance(value, str) or _is_number(value)):
        _refuse(f"has at {key} a scope that is not text or a value that is neither a whole number nor text")
    return scope, value


def _entry(key: str, data: Any) -> Entry:
    _require(data, _ENTRY, key)
    return Entry(*_scope_and_value(key, data))


def _tombstone(key: str, data: Any) -> Tombstone:
    _require(data, _TOMBSTONE, key)
    return Tombstone(*_scope_and_value(key, data), _moment(key, data["released"]))


def _moment(key: str, text: Any) -> datetime:
    if isinstance(text, str) and _MOMENT.fullmatch(text):
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:  # a thirteenth month
            pass
    _refuse(f"has at {key} a moment of release that is not one written like 2026-11-20T20:00:00Z")


def _tombstones(numbered: Mapping[str, Tombstone]) -> dict[str, tuple[Tombstone, ...]]:
    """Collect a key's tombstones, newest first."""
    collected: dict[str, list[tuple[int, Tombstone]]] = {}
    for name, stone in numbered.items():
        later = _LATER_TOMBSTONE.fullmatch(name)
        key, position = (later[1], int(later[2])) if later else (name, 1)
        collected.setdefault(key, []).append((position, stone))
    return {key: tuple(stone for _position, stone in sorted(found)) for key, found in collected.items()}


def _links(name: str, data: Any) -> dict[str, Link]:
    return {key: _link(name, value) for key, value in _mapped(data, name, lambda _key, value: value).items()}


def _link(name: str, data: Any) -> Link:
    _require(data, _LINK, name)
    addresses, mtu = data["addresses"], data["mtu"]
    if not isinstance(addresses, list) or not all(isinstance(item, str) for item in addresses) or not _is_number(mtu):
        _refuse(f"has at {name} addresses that are not a list of text or an MTU that is not a whole number")
    return Link(tuple(addresses), mtu)
