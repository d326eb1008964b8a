# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files as the daemons read them, written from their manuals and not from what renders them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

#: dnsmasq(8) knows these by number as texts, and those as addresses; hexadecimal is not bytes there.
_DNSMASQ_TEXTS = {12, 15, 17, 18, 40, 64, 66, 67, 100, 101}
_ESCAPES = {"t": "\t", "n": "\n", "b": "\b", "r": "\r", "e": "\033", '"': '"', "\\": "\\"}
_LONGEST_LINE = 1024


class Unreadable(ValueError):
    """What the daemon would refuse or cut."""


def dnsmasq_lines(content: str) -> Iterator[list[tuple[str, bool]]]:
    """The lines of a configuration, each as characters with whether they stood in quotes; without comments."""
    for raw in content.split("\n"):
        if len(raw.encode()) >= _LONGEST_LINE:
            raise Unreadable("dnsmasq cuts this line")
        if line := _dnsmasq_line(raw):
            yield line


def _dnsmasq_line(raw: str) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    quoted, rest = False, iter(raw)
    for one in rest:
        if one == '"':
            quoted = not quoted
        elif quoted and one == "\\":
            following = next(rest, "")
            found.append((_ESCAPES.get(following, "\\" + following), True))
        elif not quoted and one == "#" and (not found or found[-1] == (" ", False)):
            break
        else:
            found.append((" " if one.isspace() and not quoted else one, quoted))
    if quoted:
        raise Unreadable("a quote is not closed")
    return found


def dnsmasq_options(content: str) -> dict[tuple[str, int], bytes]:
    """What guests get of `dhcp-option=tag:…,number,value`, by tag and number."""
    found = {}
    for line in dnsmasq_lines(content):
        text = "".join(one for one, _quoted in line)
        match = re.match(r"dhcp-option=tag:([a-z0-9]+),(\d+),", text)
        if match:
            found[match[1], int(match[2])] = _dnsmasq_value(int(match[2]), line[match.end() :])
    return found


def _dnsmasq_value(code: int, value: list[tuple[str, bool]]) -> bytes:
    text = "".join(one for one, _quoted in value)
    bare = "".join("\x01" if quoted else one for one, quoted in value)
    if code == 119:
        return b"".join(_name(one) for one in bare.split(","))
    if code not in _DNSMASQ_TEXTS:
        if re.fullmatch(r"[0-9]+(\.[0-9]+){3}(,[0-9]+(\.[0-9]+){3})*", bare):
            return b"".join(bytes(map(int, one.split("."))) for one in bare.split(","))
        if re.fullmatch(r"[0-9a-f]{1,2}(:[0-9a-f]{1,2})+", bare):
            return bytes(int(one, 16) for one in bare.split(":"))
        if re.fullmatch(r"[0-9]+b", bare):
            return bytes([int(bare[:-1])])
    return text.encode()


def _name(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def haproxy_lines(content: str) -> Iterator[list[str]]:
    """The lines of HAProxy's configuration as arguments (its manual, "Quoting and escaping")."""
    for raw in content.split("\n"):
        words = _shell_words(raw, comment="#")
        if words:
            yield words


def _shell_words(raw: str, comment: str) -> list[str]:
    words: list[str] = []
    word: str | None = None
    quote = ""
    rest = iter(raw)
    for one in rest:
        if quote == "'" and one != "'":
            word = (word or "") + one
        elif one == "\\":
            word = (word or "") + next(rest, "")
        elif one in "'\"" and quote in ("", one):
            quote, word = ("" if quote else one), word or ""
        elif not quote and one == comment:
            break
        elif not quote and one in " \t":
            words, word = ([*words, word] if word is not None else words), None
        elif quote == '"' and one == "$":
            raise Unreadable("HAProxy puts a variable of its environment there")
        else:
            word = (word or "") + one
    if quote:
        raise Unreadable("a quote is not closed")
    return [*words, word] if word is not None else words


def swanctl_values(content: str) -> Iterator[str]:
    """The values of swanctl.conf (strongswan.conf(5)): bare or in double quotes."""
    for raw in content.split("\n"):
        match = re.fullmatch(r'\s*[\w-]+ = (?:"((?:[^"\\]|\\.)*)"|([^\s"#{}][^"#{}]*))', raw)
        if match:
            yield match[2] if match[1] is None else re.sub(r"\\(.)", r"\1", match[1])
        elif not re.fullmatch(r"\s*(#.*|[\w.-]+ \{|\})?", raw):
            raise Unreadable(f"strongSwan would not read {raw!r}")


def json_texts(value: Any) -> Iterator[str]:
    """All texts in JSON, keys as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from json_texts(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield key
            yield from json_texts(one)


def texts(path: str, content: str) -> list[str]:
    """All that a file says, in parts that its daemon would tell apart; comments as lines."""
    if path.endswith("dnsmasq.conf"):
        return ["".join(one for one, _quoted in line) for line in dnsmasq_lines(content)]
    if path.endswith("haproxy.cfg"):
        return [word for line in haproxy_lines(content) for word in line]
    if path.endswith("swanctl/conf.d/weft.conf"):
        return list(swanctl_values(content))
    if path.endswith(".json"):
        return list(json_texts(json.loads(content)))
    return [content] if path.endswith(".pem") else content.split("\n")
