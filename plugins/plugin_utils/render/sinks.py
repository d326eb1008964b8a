# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What texts may stand in the files of hosts, and how: one function for each sink that takes more than plain words.

Everything that a template or a role's declaration puts in passes ``plain``: numbers and words that mean nothing to any
daemon pass, all else is an error. So a template that names no sink lets no text through. nftables, FRR, networkd, `ip`,
`tc` and commands take plain words only; the others have a filter here that quotes what they can hold and refuses the
rest. What a filter returns is marked by its type, and loses the mark as soon as it is joined to anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

from jinja2 import Undefined

from ansible_collections.weft.vpc.plugins.module_utils.places import marked
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import PEM_PATTERN
from ansible_collections.weft.vpc.plugins.plugin_utils.passwords import TOKEN

_PLAIN = re.compile(r"[A-Za-z0-9._:/-]*|,", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.ASCII)
_PEM = re.compile(PEM_PATTERN, re.ASCII)


class SinkError(Exception):
    """A text that a file cannot hold."""


class Quoted(str):
    """What may stand in a file as it is: a filter has looked at it, or it was made of such parts only."""

    __slots__ = ()


def plain(value: Any) -> Any:
    """A value for any place of any file: a number, a plain word, or what a filter below returned.

    Never a yes or no, or nothing at all: Python's words for those are no daemon's.
    """
    if isinstance(value, Undefined):
        return str(value)
    number = isinstance(value, int) and not isinstance(value, bool)
    if not (number or isinstance(value, Quoted) or (isinstance(value, str) and _PLAIN.fullmatch(value))):
        _refuse(value, "it is no plain word, and its place names no sink")
    return value


def concat(parts: Iterable[str]) -> Quoted:
    """What a template or a macro made: each part of it was looked at."""
    return Quoted("".join(parts))


def join(values: Iterable[Any], separator: str) -> Quoted:
    """Plain words with something of the template's between them."""
    return Quoted(separator.join(str(plain(value)) for value in values))


def words(text: str) -> Quoted:
    """Plain words with single blanks between them."""
    return join(text.split(" "), " ")


def comment(text: str) -> Quoted:
    """The rest of a line that is a comment: systemd alone would go on with the next line after a backslash."""
    if text.endswith("\\"):
        _refuse(text, "a backslash goes on with the next line")
    return Quoted(_line(text))


def unit(text: str) -> Quoted:
    """A setting of a systemd unit that is one text, as Description= is (systemd.unit(5), "Specifiers")."""
    if text != text.strip():
        _refuse(text, "systemd would take its outer blanks away")
    return Quoted(comment(text).replace("%", "%%"))


def haproxy(text: str) -> Quoted:
    """One argument of HAProxy (configuration manual, "Quoting and escaping"): single quotes hold all but themselves."""
    if text.startswith("-") or not text:
        _refuse(text, "HAProxy would take it for an option")
    return Quoted(text if _PLAIN.fullmatch(text) else "'" + _line(text).replace("'", "'\\''") + "'")


def swanctl(text: str) -> Quoted:
    """A value of swanctl.conf (strongswan.conf(5)): in double quotes, which a backslash escapes."""
    return Quoted(f'"{_escaped(_line(text))}"')


def dnsmasq(option: Mapping[str, Any]) -> Quoted:
    """The value of a DHCP option (dnsmasq(8), --dhcp-option), by its form: words, text or bytes.

    In double quotes nothing is a number, an address, a comma or a comment. Bytes are hexadecimal with colons; a single
    one has none, and is written as a number of one byte.
    """
    form, value = option["form"], option["value"]
    if form == "words":
        return join(value.split(","), ",")
    if form == "text":
        if not value or any(_is_control(one) for one in value):
            _refuse(value, "a line of dnsmasq's file cannot hold it")
        return Quoted(f'"{_escaped(value)}"')
    if not _HEX.fullmatch(value):
        _refuse(value, "these are no bytes")
    octets = [value[at : at + 2] for at in range(0, len(value), 2)]
    return Quoted(":".join(octets) if len(octets) > 1 else f"{int(value, 16)}b")


def sealed(token: str) -> Quoted:
    """The place of a secret, which the host fills in. No text can look like one: its marks are control characters."""
    if not TOKEN.fullmatch(token):
        raise SinkError("A secret cannot be written: it was not sealed.")
    return Quoted(marked(token))


def pem(text: str) -> Quoted:
    """Certificates in PEM (RFC 7468), and nothing beside them."""
    if not _PEM.fullmatch(text):
        _refuse(text, "it is not PEM alone")
    return Quoted(f"{text.strip()}\n")


def tojson(value: Any) -> Quoted:
    """JSON on one line, in which all but ASCII is escaped."""
    return Quoted(json.dumps(value, sort_keys=True))


FILTERS = {one.__name__: one for one in (comment, dnsmasq, haproxy, join, pem, sealed, swanctl, tojson, unit, words)}


def _line(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        _refuse(text, "it has characters that are not printable ASCII")
    return text


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _is_control(character: str) -> bool:
    return ord(character) < 32 or ord(character) == 127


def _refuse(value: object, reason: str) -> NoReturn:
    shown = ascii(value)
    raise SinkError(f"{shown if len(shown) <= 80 else shown[:77] + '...'} cannot be written: {reason}.")
