# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hostile bytes in every text of the model: refused while planning, or read back byte for byte, and nothing beside.

A new field is in it as soon as the fabric that has every key has it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from pydantic import ValidationError

from ansible_collections.weft.vpc.plugins.module_utils.places import filled
from ansible_collections.weft.vpc.plugins.plugin_utils import passwords
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.render.render import render
from ansible_collections.weft.vpc.tests.tools.fields import Place, holds, places
from ansible_collections.weft.vpc.tests.tools.intents import everything, slices_of
from ansible_collections.weft.vpc.tests.tools.readers import texts

HOSTILE = {
    "line": "\nserver=192.0.2.1",
    "return": "\r",
    "quote": '"',
    "apostrophe": "'",
    "comment": " # x",
    "dollar": "${HOME}",
    "shell": "`id`;id",
    "nul": "\0",
    "mark": "\x02",
    "template": "{{ 1 }}",
    "percent": "%s",
    "wide": "\u00e9",
    "blank": " ",
    "backslash": "\\",
    "star": "*",
    "long": "a" * 2000,
    "brace": "}",
    "comma": ",",
    "separator": "\u2028",
}

Files = dict[tuple[str, str, str], str]


def files_of(document: dict[str, Any]) -> Files:
    """All files of all hosts, with their secrets."""
    secrets = passwords.contents(document)
    return {
        key: filled(content, secrets)
        for host, slice_ in slices_of(passwords.seal(document), everything()[1]).items()
        for key, content in files_of_host(host, json.dumps(slice_)).items()
    }


@cache
def files_of_host(host: str, slice_: str) -> Files:
    """A host's files; most changes are no matter to most hosts."""
    return {
        (host, item["scope"], file["path"]): file.get("content", "")
        for item in render(json.loads(slice_))
        for file in item["files"]
    }


BEFORE = files_of(everything()[0])


def text_fields() -> dict[str, Place]:
    """The first place of each field that holds texts."""
    found: dict[str, Place] = {}
    for place in places(everything()[0]):
        if place.field.name in place.mapping and (holds(place.field, str) or holds(place.field, bytes)):
            found.setdefault(str(place.field), place)
    return found


FIELDS = text_fields()


def planted(value: Any, hostile: str) -> Iterator[tuple[str, Any]]:
    """The value with a hostile text behind it and before it; of a list or a mapping, in its first part."""
    if isinstance(value, list) and value:
        yield from ((text, [changed, *value[1:]]) for text, changed in planted(value[0], hostile))
    elif isinstance(value, dict) and value:
        key = next(iter(value))
        yield from ((text, {**value, key: changed}) for text, changed in planted(value[key], hostile))
    elif isinstance(value, str):
        for text in (value + hostile, hostile + value):
            yield text, text


def document_with(path: str, value: Any) -> dict[str, Any]:
    document, _hosts = everything()
    (place,) = (one for one in places(document) if one.path == path)
    place.mapping[place.field.name] = value
    return document


@pytest.mark.parametrize("name", FIELDS)
def test_a_hostile_text_is_refused_or_read_back(name: str) -> None:
    place = FIELDS[name]
    for kind, hostile in HOSTILE.items():
        for text, value in planted(place.mapping[place.field.name], hostile):
            after = files_with(place, value)
            assert after is None or reads_back(text, after), f"{kind} in {name}: {text[:80]!r}"


def files_with(place: Place, value: Any) -> Files | None:
    """All files with another value there, or None if it is refused: by its own class, most of the time."""
    try:
        place.field.node.model_validate({**place.mapping, place.field.name: value})
        return files_of(document_with(place.path, value))
    except (IntentError, ValidationError):
        return None


def reads_back(text: str, after: Files) -> bool:
    """Whether all that files say anew has the text in it."""
    assert after.keys() == BEFORE.keys()
    changed = [key for key, content in after.items() if content != BEFORE[key]]
    said = text.removeprefix("*").rstrip("/")
    new = [part for key in changed for part in set(texts(key[2], after[key])) - set(texts(key[2], BEFORE[key]))]
    return bool(new or not changed) and all(said in part or said.encode().hex() in part for part in new)


def test_the_test_would_see_an_injected_line() -> None:
    key = next(key for key in BEFORE if key[2].endswith("dnsmasq.conf") and "boot" in BEFORE[key])
    said = {**BEFORE, key: BEFORE[key].replace("boot", "boot # x")}
    assert reads_back("boot # x", said)
    assert not reads_back("boot # x", {**said, key: said[key] + "server=192.0.2.1\n"})
    assert not reads_back("boot # x", {**BEFORE, key: BEFORE[key].replace('"boot"', "boot # x")})
