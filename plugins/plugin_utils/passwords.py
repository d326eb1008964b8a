# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the passwords of routing protocols and the pre-shared keys of IPsec end.

`seal` takes them out of the intent before anything reads, checks, plans or records it, and leaves a token in the place
of each, by which a changed one is seen. A template that writes a token makes its file a secret; `contents` reads the
passwords again for the one call that brings the file to a host. A token is made slowly, so that a saved plan does not
help to guess. It names the router that it is for, and is another one for each of them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache, partial
from typing import Any, NamedTuple

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError
from ansible_collections.weft.vpc.plugins.plugin_utils.plan.names import machine

TOKEN = re.compile(r"password:[A-Za-z0-9-]+\.[A-Za-z0-9-]+:[0-9a-f]{64}", re.ASCII)
VARIABLE = "weft_vpcs"

_USABLE = re.compile(r"[A-Za-z0-9._~@%/+:=,^*()-]+", re.ASCII)
_NONE: dict[str, Any] = {"neighbors": []}


class _Encoding(NamedTuple):
    """How bytes are written as text."""

    words: str
    decode: Callable[[str], bytes]


class _Kind(NamedTuple):
    """What a password is for: its key, the rule that it breaks, its fewest and most characters, who limits them, and
    whose configuration holds it."""

    key: str
    rule: str
    least: int
    most: int
    limited_by: str
    program: str


#: What begins a pre-shared key that strongSwan takes for bytes, in capitals too.
_ENCODINGS = {
    "0x": _Encoding("hexadecimal, two digits for each byte", bytes.fromhex),
    "0s": _Encoding("Base64", partial(base64.b64decode, validate=True)),
}

#: A protocol's packets have room for so many (RFC 2385 as Linux has it, RFC 2328); a short key of IPsec can be guessed.
_BGP = _Kind("password", "WEFT-R7-password", 1, 80, "the protocol", "FRR")
_OSPF = _BGP._replace(most=16)
_IPSEC = _Kind("psk", "WEFT-V1-psk", 8, 128, "a pre-shared key", "strongSwan")


class _Place(NamedTuple):
    """A mapping of a VPC that has a password, and where it is in the VPC."""

    kind: _Kind
    part: dict[str, Any]
    path: str

    @property
    def password(self) -> Any:
        return self.part[self.kind.key]


def seal(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The intent with tokens for its passwords.

    Raises IntentError with every password that cannot be used: never with a character of it.
    """
    vpcs, fabric = variables.get(VARIABLE), _fabric(variables)
    if not isinstance(vpcs, list):
        return dict(variables)
    findings: list[Finding] = []
    sealed = [_sealed(vpc, f"{VARIABLE}[{index}]", fabric, findings) for index, vpc in enumerate(vpcs)]
    if findings:
        raise IntentError(findings)
    return {**variables, VARIABLE: sealed}


def contents(variables: Mapping[str, Any]) -> dict[str, str]:
    """The passwords by their tokens."""
    fabric = _fabric(variables)
    return {
        token(place.password, fabric, _router(vpc)): place.password
        for vpc in variables.get(VARIABLE) or ()
        for place in _places(vpc)
        if isinstance(place.password, str)
    }


def wanted(slice_: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of a host's slice that have a password, by its token."""
    parts = [part for router in slice_["routers"] for part in (*(router["bgp"] or _NONE)["neighbors"], router["ospf"])]
    found = {part["password"]: part for part in parts if part and part["password"]}
    connections = [part for router in slice_["routers"] for part in router["ipsec"]]
    return found | {part["psk"]: part for part in connections if part["psk"]}


def token(password: str, fabric: str, router: str) -> str:
    """What stands for a router's password everywhere but on the hosts that use it."""
    return f"password:{router}:{hmac.new(_stretched(password, fabric), router.encode(), 'sha256').hexdigest()}"


@cache
def _stretched(password: str, fabric: str) -> bytes:
    """A password as a key: once a password, however many routers have the same."""
    return hashlib.scrypt(password.encode(), salt=fabric.encode(), n=2**13, r=8, p=1, dklen=32)


def _router(vpc: Any) -> str:
    """The name of a VPC's router; of one that the model will refuse any."""
    return machine(str(_mapping(vpc).get("tenant")), str(_mapping(vpc).get("name")))


def _fabric(variables: Mapping[str, Any]) -> str:
    """The fabric's name: two fabrics with one password have different tokens."""
    fabric = variables.get("weft_fabric")
    return str(fabric.get("name")) if isinstance(fabric, dict) else ""


def _places(vpc: Any) -> Iterator[_Place]:
    router, connections = _mapping(_mapping(vpc).get("router")), _listed(_mapping(vpc).get("ipsec_connections"))
    neighbors = _listed(_mapping(router.get("bgp")).get("neighbors"))
    found = [_Place(_OSPF, _mapping(router.get("ospf")), "router.ospf")]
    found += [_Place(_BGP, one, f"router.bgp.neighbors[{index}]") for index, one in neighbors]
    found += [_Place(_IPSEC, one, f"ipsec_connections[{index}]") for index, one in connections]
    yield from (place for place in found if place.part.get(place.kind.key) is not None)


def _mapping(value: Any) -> dict[str, Any]:
    """A value, or nothing in its place: what the model will refuse has no passwords."""
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from ((index, _mapping(one)) for index, one in enumerate(value if isinstance(value, list) else ()))


def _sealed(vpc: Any, path: str, fabric: str, findings: list[Finding]) -> Any:
    if not any(_places(vpc)):
        return vpc
    vpc = {**vpc, **{key: deepcopy(vpc[key]) for key in ("router", "ipsec_connections") if key in vpc}}
    for kind, part, place in _places(vpc):
        reason = _unusable(part[kind.key], kind)
        if reason is None:
            part[kind.key] = token(part[kind.key], fabric, _router(vpc))
        else:
            remedy = f"Write {kind.least} to {kind.most} letters, digits and ._~@%/+:=,^*()-."
            findings.append(Finding(kind.rule, f"{path}.{place}.{kind.key}", None, reason, remedy))
    return vpc


def _unusable(password: object, kind: _Kind) -> str | None:
    """Why something cannot be a password; None if it can."""
    if not isinstance(password, str):
        return "is not a string"
    if len(password) > kind.most:
        return f"is longer than the {kind.most} characters that {kind.limited_by} has room for"
    if not _USABLE.fullmatch(password):
        return f"is empty or has characters that {kind.program}'s configuration cannot hold"
    return _too_weak(password, kind)


def _too_weak(password: str, kind: _Kind) -> str | None:
    """Why a password can be guessed. What strongSwan decodes counts by the bytes that come out."""
    encoding = _ENCODINGS.get(password[:2].lower()) if kind is _IPSEC else None
    if encoding is None:
        short = len(password) < kind.least
        return f"is shorter than {kind.least} characters, and could be guessed" if short else None
    try:
        decoded = encoding.decode(password[2:])
    except ValueError:
        return f"begins with {password[:2]}, and what follows is not {encoding.words}"
    short = len(decoded) < kind.least
    return f"is shorter than {kind.least} bytes once decoded, and could be guessed" if short else None
