# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What pydantic found wrong with the shape of a value, as findings with an inventory path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import ErrorDetails, ValidationError
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, value_text
from ansible_collections.weft.vpc.plugins.plugin_utils.model import types
from ansible_collections.weft.vpc.plugins.plugin_utils.model.node import Node

_SEE_REFERENCE = "See docs/reference/intent.md for what this key takes."
_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}", re.ASCII)

_PATTERNS = {
    types.NAME_PATTERN: (
        "WEFT-intent-name",
        "is not a valid name",
        "Use 1 to 30 letters, digits and hyphens, with a letter or a digit at both ends.",
    ),
    types.DOMAIN_PATTERN: (
        "WEFT-intent-name",
        "is not a domain name",
        "Write labels of letters, digits and hyphens with dots between.",
    ),
    types.INTERFACE_PATTERN: (
        "WEFT-intent-name",
        "is not an interface name",
        "Use 1 to 15 letters, digits, dots, hyphens and underscores, like eth1.",
    ),
    types.REFERENCE_PATTERN: (
        "WEFT-intent-name",
        "is not the name of anything",
        "Write the name of an object, without blanks.",
    ),
    types.TEXT_PATTERN: (
        "WEFT-intent-text",
        "has a line break or another control character in it",
        "Write it on one line.",
    ),
    types.LINES_PATTERN: (
        "WEFT-intent-text",
        "has control characters in it",
        "Write plain text.",
    ),
    types.MAC_PATTERN: (
        "WEFT-A2-mac",
        "is not a MAC address",
        "Write six bytes in hexadecimal, like 02:1b:2c:3d:4e:5f.",
    ),
    types.URL_PATH_PATTERN: (
        "WEFT-intent-name",
        "is not a path",
        "Begin with a slash and use letters, digits and ._~@%/+:=,- only, like /images/.",
    ),
    types.HOST_PATTERN: (
        "WEFT-intent-name",
        "is not a host name",
        "Write a host like www.example.net, or *.example.net for all hosts of a domain.",
    ),
    types.COOKIE_PATTERN: (
        "WEFT-intent-name",
        "is not the name of a cookie",
        "Use 1 to 64 letters, digits, dots, hyphens and underscores.",
    ),
    types.STATUS_PATTERN: (
        "WEFT-intent-name",
        "is not an HTTP status",
        'Write a status like "200" or a range like "200-299", with quotes.',
    ),
    types.IDENTITY_PATTERN: (
        "WEFT-intent-name",
        "is not what an IPsec peer can show itself as",
        "Write an address, a name like vpn.example.net, or a user like site@example.net.",
    ),
    types.MEMORY_PATTERN: (
        "WEFT-R1-memory",
        "is not an amount of memory",
        "Write a number and M, G or T, like 512M or 4G.",
    ),
}

_WANTED = {
    "string_type": ("a string", "Write text; put quotes around what YAML would take for a number, a date or a yes."),
    "int_type": ("a whole number", "Write digits without quotes."),
    "float_type": ("a number", "Write a number without quotes."),
    "bool_type": ("true or false", "Write true or false, without quotes."),
    "tuple_type": ("a list", "Write a list: [a, b], or one line beginning with '- ' for each item."),
    "dict_type": ("a mapping", "Write keys and values: {key: value}."),
    "model_type": ("a mapping", "Write keys and values: {key: value}."),
    "model_attributes_type": ("a mapping", "Write keys and values: {key: value}."),
    "finite_number": ("a finite number", "Write a number."),
}

# Limits of values that belong to a row of the catalogue; all others carry the general id.
_LIMIT_RULES = {
    "vni": "WEFT-P1-vni",
    "start": "WEFT-P1-vni",
    "end": "WEFT-P1-vni",
    "vlan": "WEFT-P5-vlan",
    "mtu": "WEFT-P7-mtu",
    "distance": "WEFT-R5-distance",
}


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, if one is like it at all."""
    lowered = name.lower()[:100]
    candidates = {item.lower(): item for item in known if abs(len(item) - len(lowered)) <= 4}
    if len(candidates) > 500:  # the comparison is slow, and typing errors rarely touch the first letter
        candidates = {low: item for low, item in candidates.items() if low[:1] == lowered[:1]}
    found = difflib.get_close_matches(lowered, list(candidates)[:500], n=1, cutoff=0.6)
    return candidates[found[0]] if found else None


def suggestion(name: str, known: Iterable[str], otherwise: str) -> str:
    """A remedy for a name that is not known: the nearest one, or `otherwise`."""
    found = nearest(name, known)
    return otherwise if found is None else f"Did you mean '{found}'? {otherwise}"


def with_article(words: str) -> str:
    """`a network`, `an instance`: for sentences."""
    return f"{'an' if words[:1].lower() in 'aeio' else 'a'} {words}"


def join_path(path: str, key: object) -> str:
    """The inventory path of a key or an index below `path`."""
    if isinstance(key, int):
        return f"{path}[{key}]"
    text = str(key)
    return f"{path}.{text}" if _PLAIN_KEY.fullmatch(text) else f"{path}[{value_text(text)}]"


def shape_findings(error: ValidationError, cls: type[Node], path: str) -> Iterator[Finding]:
    """Everything pydantic says about a value that was to become a `cls` and stands at `path`."""
    for details in error.errors(include_url=False):
        yield _finding(details, cls, path)


@dataclass(frozen=True)
class _Problem:
    """What pydantic says, where in the inventory, and the class of the mapping that holds the value."""

    details: ErrorDetails
    path: str
    holder: type[Node]


def _finding(details: ErrorDetails, cls: type[Node], path: str) -> Finding:
    loc = tuple(part for part in details["loc"] if part != "[key]")
    where = path
    for part in loc:
        where = join_path(where, part)
    say = _SENTENCES.get(details["type"], _other)
    return say(_Problem(details, where, _holder(cls, loc)))


def _holder(cls: type[Node], loc: tuple[int | str, ...]) -> type[Node]:
    """The class of the mapping that the last part of `loc` is a key of."""
    for part in loc[:-1]:
        if isinstance(part, str) and part in cls.model_fields:
            cls = next(_node_classes(cls.model_fields[part].annotation), cls)
    return cls


def _node_classes(annotation: Any) -> Iterator[type[Node]]:
    if isinstance(annotation, type) and issubclass(annotation, Node):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _node_classes(part)


def _own(problem: _Problem) -> Finding:
    context = problem.details["ctx"]
    return Finding(context["rule"], problem.path, problem.details["input"], context["reason"], context["remedy"])


def _missing(problem: _Problem) -> Finding:
    key = str(problem.details["loc"][-1])
    purpose = problem.holder.model_fields[key].description or ""
    return Finding(
        "WEFT-intent-missing",
        problem.path,
        None,
        f"is missing, and {with_article(problem.holder.kind)} needs it",
        f"Add {key}: {purpose[:1].lower()}{purpose[1:]}",
    )


def _unknown(problem: _Problem) -> Finding:
    known = list(problem.holder.model_fields)
    return Finding(
        "WEFT-intent-key",
        problem.path,
        None,
        f"is not a key of {with_article(problem.holder.kind)}",
        suggestion(str(problem.details["loc"][-1]), known, f"The keys are {', '.join(known)}."),
    )


def _type(problem: _Problem) -> Finding:
    wanted, remedy = _WANTED[problem.details["type"]]
    value = problem.details["input"]
    reason = f"is empty, and {wanted} is needed" if value is None else f"is {_kind_of(value)}, and {wanted} is needed"
    return Finding("WEFT-intent-type", problem.path, value, reason, remedy)


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "a yes or no"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Mapping):
        return "a mapping"
    return "a list" if isinstance(value, list | tuple | set | frozenset) else f"of type {type(value).__name__}"


def _choice(problem: _Problem) -> Finding:
    value = problem.details["input"]
    expected = problem.details["ctx"]["expected"].replace(" or ", ", ")
    known = [item.strip("'") for item in expected.split(", ")]
    remedy = f"Write {', '.join(known)}." if len(known) == 1 else f"Write one of {', '.join(known)}."
    reason = "is empty" if value is None else "is not possible here"
    return Finding("WEFT-intent-choice", problem.path, value, reason, suggestion(str(value)[:40], known, remedy))


def _pattern(problem: _Problem) -> Finding:
    rule, reason, remedy = _PATTERNS[problem.details["ctx"]["pattern"]]
    return Finding(rule, problem.path, problem.details["input"], reason, remedy)


def _limit(problem: _Problem) -> Finding:
    (operator, limit), *_others = problem.details["ctx"].items()
    words = {"ge": "is less than", "gt": "is not more than", "le": "is more than", "lt": "is not less than"}
    rule = _LIMIT_RULES.get(str(problem.details["loc"][-1]), "WEFT-intent-limit")
    allowed = {
        "ge": f"{limit} or more",
        "gt": f"more than {limit}",
        "le": f"at most {limit}",
        "lt": f"less than {limit}",
    }
    return Finding(
        rule,
        problem.path,
        problem.details["input"],
        f"{words[operator]} {limit}",
        f"Write a number that is {allowed[operator]}.",
    )


def _length(problem: _Problem) -> Finding:
    context = problem.details["ctx"]
    short = "min_length" in context
    limit = context["min_length"] if short else context["max_length"]
    reason = "is too short" if short else "is too long"
    return Finding(
        "WEFT-intent-length",
        problem.path,
        problem.details["input"],
        reason,
        f"Use at {'least' if short else 'most'} {limit} character{'s' if limit > 1 else ''}.",
    )


def _key(problem: _Problem) -> Finding:
    return Finding("WEFT-intent-key", problem.path, None, "is a key that is not a string", "Write keys as plain words.")


def _characters(problem: _Problem) -> Finding:
    reason = "holds characters that are not valid Unicode"
    return Finding("WEFT-intent-name", problem.path, problem.details["input"], reason, "Write plain text.")


def _other(problem: _Problem) -> Finding:
    message = problem.details["msg"]
    reason = f"cannot be used ({message[:1].lower()}{message[1:]})"
    return Finding(
        "WEFT-intent-type",
        problem.path,
        problem.details["input"],
        reason,
        _SEE_REFERENCE,
    )


_SENTENCES: Mapping[str, Callable[[_Problem], Finding]] = {
    "weft": _own,
    "missing": _missing,
    "string_unicode": _characters,
    "extra_forbidden": _unknown,
    "invalid_key": _key,
    "literal_error": _choice,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _length,
    "string_too_long": _length,
    "greater_than_equal": _limit,
    "greater_than": _limit,
    "less_than_equal": _limit,
    "less_than": _limit,
} | dict.fromkeys(_WANTED, _type)
