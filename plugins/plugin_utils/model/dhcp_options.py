# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DHCP options by number (RFC 2132 and IANA's registry): what kind of value each has, and what a guest gets of it.

An option whose kind is not known here takes text, or bytes as ``hex:`` and their digits; so does every other one, as
long as the bytes are of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import AddressValueError, IPv4Address
from typing import Annotated, Literal, NamedTuple, NoReturn

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import (
    BeforeValidator,
    PlainValidator,
    WithJsonSchema,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.types import DOMAIN_PATTERN, refuse

OptionValue = bool | int | str | Sequence[object]

# Bytes that one option has room for, and addresses that a line of dnsmasq's file (1,024 characters) has.
LONGEST, MOST_ADDRESSES = 255, 60

# Options that the model has a key for, or that belong to the protocol itself (RFC 2132, RFC 3442).
_TAKEN = {
    1: "it follows from the network's cidr",
    3: "it is the network's gateway",
    6: "dns_servers sets it",
    12: "it is the instance's name",
    15: "dns_domain sets it",
    26: "mtu sets it",
    28: "it follows from the network's cidr",
    42: "ntp_servers sets it",
    121: "it follows from the VPC's networks and routes",
} | dict.fromkeys([*range(50, 62), 80, 81, 82, 90, 118], "it belongs to the DHCP protocol itself")

_ADDRESSES = frozenset({4, 5, 7, 8, 9, 10, 11, 16, 32, 41, 44, 45, 48, 49, 65, *range(68, 77), 85, 112, 136, 138, 150})
_PAIRS = frozenset({21, 33})
_FLAGS = frozenset({19, 20, 27, 29, 30, 31, 34, 36, 39})
# The smallest and largest number, and how many bytes it has.
_NUMBERS = (
    {2: (-(2**31), 2**31 - 1, 4)}
    | dict.fromkeys((23, 37, 46, 116), (0, 2**8 - 1, 1))
    | dict.fromkeys((13, 22), (0, 2**16 - 1, 2))
    | dict.fromkeys((24, 35, 38, 108, 211), (0, 2**32 - 1, 4))
)
_TEXTS = frozenset({14, 17, 18, 40, 47, 62, 64, 66, 67, 86, 87, 98, 100, 101, 114, 209, 210, 252})
_NAMES = frozenset({119})

_CODE = re.compile(r"[0-9]{1,5}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,10}", re.ASCII)
_HEX = re.compile(r"hex:((?:[0-9A-Fa-f]{2})+)", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DOMAIN = re.compile(DOMAIN_PATTERN, re.ASCII)


class DhcpOption(NamedTuple):
    """What a guest gets: `words` with commas between them (addresses, names), a `text`, or `bytes` in hexadecimal."""

    form: Literal["words", "text", "bytes"]
    value: str


class OptionError(ValueError):
    """A value that an option cannot have. `reason` goes on from the value; `remedy` is a whole sentence."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def dhcp_option(code: int, value: OptionValue) -> DhcpOption:
    """The option of that number with a value of the intent, byte for byte, or OptionError."""
    given = _bytes(value)
    if code in _ADDRESSES or code in _PAIRS:
        return _addresses(
            code, _listed(value) if given is None else [given[at : at + 4] for at in range(0, len(given), 4)]
        )
    if code in _FLAGS:
        return _number(code, (0, 1, 1), int(value) if isinstance(value, bool) else value, given)
    if code in _NUMBERS:
        return _number(code, _NUMBERS[code], value, given)
    if code in _NAMES:
        return _names(code, value, given)
    if given is not None and code not in _TEXTS:
        return DhcpOption("bytes", _short(given).hex())
    text = _text(code, value, given)
    return DhcpOption("text", text) if code in _TEXTS else DhcpOption("bytes", text.encode().hex())


def _bytes(value: OptionValue) -> bytes | None:
    """What `hex:` says; None if the value does not begin with that."""
    if not isinstance(value, str) or not value.startswith("hex:"):
        return None
    digits = _HEX.fullmatch(value)
    if digits is None:
        raise OptionError("begins with hex: and does not go on with bytes", "Write two digits for each byte: hex:0aff.")
    return bytes.fromhex(digits[1])


def _listed(value: OptionValue) -> Sequence[object]:
    return [one.strip(" ") for one in value.split(",")] if isinstance(value, str) else _several(value)


def _several(value: OptionValue) -> Sequence[object]:
    return value if isinstance(value, list | tuple) else [value]


def _addresses(code: int, given: Sequence[object]) -> DhcpOption:
    try:
        found = [str(IPv4Address(one)) for one in given if isinstance(one, str | bytes)]
    except (AddressValueError, ValueError):
        found = []
    if len(found) != len(given) or not found or (code in _PAIRS and len(found) % 2):
        kind = "pairs of IPv4 addresses" if code in _PAIRS else "IPv4 addresses"
        raise OptionError(f"is no list of {kind}, as option {code} has it", "Write it like [192.0.2.1, 192.0.2.2].")
    if len(found) > MOST_ADDRESSES:
        reason = f"is {len(found)} addresses, and dnsmasq's file has room for {MOST_ADDRESSES}"
        raise OptionError(reason, "Write fewer.")
    return DhcpOption("words", ",".join(found))


def _number(code: int, limits: tuple[int, int, int], value: OptionValue, given: bytes | None) -> DhcpOption:
    least, most, size = limits
    if given is not None and len(given) == size and not (code in _FLAGS and given[0] > 1):
        return DhcpOption("bytes", given.hex())
    number = int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
        words = "true or false" if code in _FLAGS else f"a number from {least} to {most}"
        raise OptionError(f"is not {words}, as option {code} has it", f"Write {words}.")
    return DhcpOption("bytes", number.to_bytes(size, "big", signed=least < 0).hex())


def _names(code: int, value: OptionValue, given: bytes | None) -> DhcpOption:
    names = [] if given is not None else _listed(value)
    found = [one for one in names if isinstance(one, str) and len(one) <= 253 and _DOMAIN.fullmatch(one)]
    if not found or len(found) != len(names):
        reason = f"is no list of domain names, as option {code} has it"
        raise OptionError(reason, "Write it like [example.net, example.org].")
    _short(b"".join(_encoded(one) for one in found))
    return DhcpOption("words", ",".join(found))


def _encoded(name: str) -> bytes:
    """A name as packets have it (RFC 1035, section 3.1)."""
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def _text(code: int, value: OptionValue, given: bytes | None) -> str:
    try:
        text = value if given is None else given.decode()
        encoded = text.encode() if isinstance(text, str) else b""
    except UnicodeError:
        raise OptionError(f"is no text in UTF-8, as option {code} has it", "Write text.") from None
    if not isinstance(text, str):
        kind = "text" if code in _TEXTS else "of a kind that is not known here"
        remedy = "Put quotes around text; write hex: and two digits for each byte of anything else."
        raise OptionError(f"is not a string, and option {code} is {kind}", remedy)
    if not encoded:
        raise OptionError("is empty", "Write something, or leave the option out.")
    if _CONTROL.search(text):
        remedy = "Write it on one line." if code in _TEXTS else "Write it on one line, or as hex: and its bytes."
        raise OptionError("has a line break or another control character in it", remedy)
    _short(encoded)
    return text


def _short(content: bytes) -> bytes:
    if len(content) > LONGEST:
        raise OptionError(f"is {len(content)} bytes, and an option has room for {LONGEST}", "Write something shorter.")
    return content


def _code(value: object) -> int:
    number = int(value) if isinstance(value, str) and _CODE.fullmatch(value) else value
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= 254:
        refuse("WEFT-A6-option", "is not a DHCP option code", "Use a code from 1 to 254 (RFC 2132).")
    if number in _TAKEN:
        refuse(
            "WEFT-A6-option",
            f"is a DHCP option that cannot be given here, because {_TAKEN[number]}",
            "Remove the option here and use what sets it.",
        )
    return number


def _value(value: object) -> OptionValue:
    if isinstance(value, list | tuple):
        return tuple(value)
    if not isinstance(value, bool | int | str):
        _refuse_value()
    return value


def _refuse_value() -> NoReturn:
    refuse("WEFT-A6-option", "is no value of a DHCP option", "Write text, a number, true or false, or a list.")


def _options(value: object) -> object:
    """Both `{66: a}` and `{"66": b}` is one option said twice, which a plain mapping would keep silent about."""
    if isinstance(value, Mapping):
        codes = [str(code) for code in value]
        if twice := next((code for code in codes if codes.count(code) > 1), None):
            refuse("WEFT-A6-option", f"gives option {twice} twice", "Keep one of the two.")
    return value


DhcpOptions = Annotated[
    dict[
        Annotated[int, BeforeValidator(_code)],
        Annotated[
            OptionValue,
            PlainValidator(_value),
            WithJsonSchema({"type": ["string", "integer", "boolean", "array"]}),
        ],
    ],
    BeforeValidator(_options),
]
