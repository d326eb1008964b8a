# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The kinds of scalar values an intent is made of. Each says in whole sentences what is wrong with a value."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address
from typing import Annotated, Literal, NamedTuple, NoReturn

from ansible_collections.weft.vpc.plugins.plugin_utils.dependencies import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    PydanticCustomError,
    Strict,
    StringConstraints,
    WithJsonSchema,
)
from ansible_collections.weft.vpc.plugins.plugin_utils.model.roles import no_host

NAME_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,28}[A-Za-z0-9])?$"
DOMAIN_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*$"
# The kernel takes nearly anything, and networkd and nftables take some of it for patterns.
INTERFACE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$"
REFERENCE_PATTERN = r"^[^\s\x00-\x1f\x7f-\x9f]{1,200}$"
# No text has control characters: they mark what is not text (see module_utils/places.py).
TEXT_PATTERN = r"^[^\x00-\x1f\x7f-\x9f]*$"
LINES_PATTERN = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
# Certificates (RFC 7468) and nothing beside them.
PEM_PATTERN = r"(?:-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]+\n)+-----END CERTIFICATE-----\n*)+"
MAC_PATTERN = r"^[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}$"
MEMORY_PATTERN = r"^[1-9][0-9]{0,9}[MGT]$"
URL_PATH_PATTERN = r"^/[A-Za-z0-9._~@%/+:=,-]{0,199}$"
HOST_PATTERN = r"^(?:\*\.)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,198}[A-Za-z0-9])?$"
COOKIE_PATTERN = r"^[A-Za-z0-9_.-]{1,64}$"
IDENTITY_PATTERN = r"^(?:[A-Za-z0-9._-]{1,64}@|@)?[A-Za-z0-9](?:[A-Za-z0-9.-]{0,198}[A-Za-z0-9])?$"
STATUS_PATTERN = r"^[1-5][0-9]{2}(?:-[1-5][0-9]{2})?$"

_CIDR = re.compile(r"([^/]+)/([0-9]{1,2})", re.ASCII)
_BANDWIDTH = re.compile(r"([1-9][0-9]{0,8})([KMG])", re.ASCII)
_THOUSANDS = {"K": 10**3, "M": 10**6, "G": 10**9}
_PORTS = re.compile(r"([0-9]{1,5})-([0-9]{1,5})", re.ASCII)
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+", re.ASCII)

# Bytes of a datagram that passes everywhere, whatever the underlay.
LONGEST_PAYLOAD = 512

# Autonomous systems that nobody can be (RFC 7607, RFC 6793, RFC 7300).
_ASN_RESERVED = frozenset({0, 23456, 65535, 2**32 - 1})

# Bits per second that a limit of bandwidth can be.
SLOWEST, FASTEST = 64_000, 400 * 10**9


class PortRange(NamedTuple):
    """TCP or UDP ports, both ends included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many ports there are."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


def refuse(rule: str, reason: str, remedy: str) -> NoReturn:
    """Ends a validator with a finding; `reason` goes on from the value."""
    raise PydanticCustomError("weft", "{reason}", {"rule": rule, "reason": reason, "remedy": remedy})


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except (AddressValueError, ValueError):
        return False
    return True


def _address(value: object) -> IPv4Address:
    if isinstance(value, IPv4Address):
        return value
    if not isinstance(value, str):
        refuse(
            "WEFT-intent-type", "is not a string, and an IPv4 address is needed", "Write an address like 192.168.20.5."
        )
    try:
        return IPv4Address(value)
    except (AddressValueError, ValueError):
        pass
    if _is_ipv6(value):
        refuse("WEFT-A1-address", "is an IPv6 address, and only IPv4 is supported", "Write an IPv4 address.")
    refuse(
        "WEFT-A1-address",
        "is not an IPv4 address",
        "Write four numbers from 0 to 255 with dots between, like 192.168.20.5.",
    )


def _host_address(value: object) -> IPv4Address:
    address = _address(value)
    reason = no_host(address)
    if reason is not None:
        refuse("WEFT-A1-role", reason, "Write the address of one host.")
    return address


def _router_id(value: object) -> IPv4Address:
    number = _address(value)
    if int(number) == 0:
        refuse("WEFT-R7-router-id", "is the identifier of no router", "Write another, or none to have its address.")
    return number


def _network(value: object) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    if not isinstance(value, str):
        refuse("WEFT-intent-type", "is not a string, and a CIDR is needed", "Write a CIDR like 192.168.20.0/24.")
    match = _CIDR.fullmatch(value)
    if match is None or (int(match[2]) > 32 and not _is_ipv6(match[1])):
        refuse("WEFT-A1-cidr", "is not a CIDR", "Write a network address and a prefix length, like 192.168.20.0/24.")
    if _is_ipv6(match[1]):
        refuse(
            "WEFT-A1-cidr",
            "is an IPv6 network, and only IPv4 is supported",
            "Write an IPv4 network like 192.168.20.0/24.",
        )
    try:
        address = IPv4Address(match[1])
    except (AddressValueError, ValueError):
        refuse("WEFT-A1-cidr", "is not a CIDR", "Write a network address and a prefix length, like 192.168.20.0/24.")
    network = IPv4Network((int(address), int(match[2])), strict=False)
    if network.network_address != address:
        refuse(
            "WEFT-A1-host-bits",
            f"has bits set behind its prefix of {network.prefixlen} bits, so it is an address and not a network",
            f"Write {network}, or a longer prefix.",
        )
    return network


def _prefix(value: object) -> IPv4Network:
    """A CIDR, or a single address that stands for itself."""
    if isinstance(value, str) and "/" not in value:
        return IPv4Network((int(_address(value)), 32))
    return _network(value)


def _ports(value: object) -> PortRange:
    if isinstance(value, PortRange):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        ports = PortRange(value, value)
    elif isinstance(value, str) and (match := _PORTS.fullmatch(value)):
        ports = PortRange(int(match[1]), int(match[2]))
    else:
        refuse(
            "WEFT-N3-ports",
            "is neither a port nor a range of ports",
            'Write a number like 80 or a range like "2000-2010".',
        )
    if not (1 <= ports.first <= 65535 and 1 <= ports.last <= 65535):
        refuse("WEFT-N3-ports", "lies outside the ports 1 to 65535", "Choose ports from 1 to 65535.")
    if ports.first > ports.last:
        refuse("WEFT-N3-ports", "ends before it begins", f'Write "{ports.last}-{ports.first}".')
    return ports


def _bandwidth(value: object) -> int:
    bits = value
    if isinstance(value, str) and (match := _BANDWIDTH.fullmatch(value)):
        bits = int(match[1]) * _THOUSANDS[match[2]]
    if not isinstance(bits, int) or isinstance(bits, bool):
        refuse(
            "WEFT-N7-bandwidth",
            "is not a bandwidth",
            "Write bits per second as a number, or with K, M or G for thousands, millions or billions, like 100M.",
        )
    if not SLOWEST <= bits <= FASTEST:
        refuse("WEFT-N7-bandwidth", "lies outside the bandwidths 64K to 400G", "Choose one between them.")
    return bits


def _asn(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        refuse("WEFT-R7-asn", "is not the number of an autonomous system", "Write a number from 1 to 4294967294.")
    if not 0 <= value < 2**32 or value in _ASN_RESERVED:
        refuse(
            "WEFT-R7-asn",
            "is no autonomous system that a router can be in",
            "Choose a number of your own, or a private one: 64512 to 65534, or 4200000000 to 4294967294.",
        )
    return value


def _payload(value: object) -> bytes:
    digits = value[4:] if isinstance(value, str) and value.startswith("hex:") else None
    if not isinstance(value, str) or (digits is not None and not _HEX.fullmatch(digits)):
        refuse("WEFT-B3-payload", "is no content of a datagram", "Write text, or hex: and two digits for each byte.")
    payload = value.encode() if digits is None else bytes.fromhex(digits)
    if not 1 <= len(payload) <= LONGEST_PAYLOAD:
        reason = f"is {len(payload)} bytes, and 1 to {LONGEST_PAYLOAD} are possible"
        refuse("WEFT-B3-payload", reason, "Write something shorter." if payload else "Write something, or remove it.")
    return payload


def _sharing(value: object) -> Sharing:
    if value == "all":
        return "all"
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return tuple(value)
    refuse("WEFT-T3-sharing", "is neither all nor a list of tenants", "Write all, or names of tenants: [blue, red].")


def _mac(value: object) -> object:
    return value.lower().replace("-", ":") if isinstance(value, str) else value


def _check_mac(value: str) -> str:
    if int(value[:2], 16) & 1:
        refuse(
            "WEFT-A2-mac",
            "is a multicast address, which no interface can have",
            "Choose an address whose first byte is even, like 02:...",
        )
    if value == "00:00:00:00:00:00":
        refuse("WEFT-A2-mac", "is the address of nobody", "Choose another address, or none to have one allocated.")
    return value


Text = Annotated[str, Strict(), StringConstraints(pattern=TEXT_PATTERN)]
Lines = Annotated[str, Strict(), StringConstraints(pattern=LINES_PATTERN)]
Number = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]
Name = Annotated[str, Strict(), StringConstraints(pattern=NAME_PATTERN)]
DomainName = Annotated[str, Strict(), StringConstraints(pattern=DOMAIN_PATTERN, max_length=200)]
InterfaceName = Annotated[str, Strict(), StringConstraints(pattern=INTERFACE_PATTERN)]
Reference = Annotated[str, Strict(), StringConstraints(pattern=REFERENCE_PATTERN)]
_IPV4 = WithJsonSchema({"type": "string", "format": "ipv4"})
# What a host has. Numbers that are only written like addresses have types of their own.
Address = Annotated[IPv4Address, PlainValidator(_host_address), _IPV4]
Area = Annotated[IPv4Address, PlainValidator(_address), _IPV4]
RouterId = Annotated[IPv4Address, PlainValidator(_router_id), _IPV4]
Cidr = Annotated[
    IPv4Network,
    PlainValidator(_network),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+/[0-9]{1,2}$", "description": "IPv4 network in CIDR form"}),
]
Prefix = Annotated[
    IPv4Network,
    PlainValidator(_prefix),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9.]+(/[0-9]{1,2})?$", "description": "IPv4 network or address"}),
]
Port = Annotated[int, Strict(), Field(ge=1, le=65535)]
Ports = Annotated[
    PortRange,
    PlainValidator(_ports),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 65535},
                {"type": "string", "pattern": "^[0-9]+-[0-9]+$"},
            ]
        }
    ),
]
Bandwidth = Annotated[
    int,
    PlainValidator(_bandwidth),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": SLOWEST, "maximum": FASTEST},
                {"type": "string", "pattern": "^[1-9][0-9]{0,8}[KMG]$"},
            ]
        }
    ),
]
Asn = Annotated[int, PlainValidator(_asn), WithJsonSchema({"type": "integer", "minimum": 1, "maximum": 2**32 - 2})]
Payload = Annotated[
    bytes,
    PlainValidator(_payload),
    WithJsonSchema({"type": "string", "minLength": 1, "description": "Text, or bytes as hex: and their digits"}),
]
Sharing = Literal["all"] | tuple[str, ...]
SharedWith = Annotated[
    Sharing,
    PlainValidator(_sharing),
    WithJsonSchema({"anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}]}),
]
Mac = Annotated[
    str, Strict(), StringConstraints(pattern=MAC_PATTERN), BeforeValidator(_mac), AfterValidator(_check_mac)
]
Mtu = Annotated[int, Strict(), Field(ge=576, le=65535)]
Vni = Annotated[int, Strict(), Field(ge=1, le=16777214)]
VlanId = Annotated[int, Strict(), Field(ge=1, le=4094)]


def may_use(sharing: Sharing, tenant: str) -> bool:
    """Whether something is shared with a tenant."""
    return sharing == "all" or tenant in sharing
