# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the passwords of routing protocols end.

`seal` takes them out of the intent before anything reads, checks, plans or records it, and leaves a token in the place
of each, by which a changed one is seen. A template that writes a token makes its file a secret; `contents` reads the
passwords again for the one call that brings the file to a host. A token is made slowly, so that a saved plan does not
help to guess.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError

RULE = "WEFT-R7-password"
TOKEN = re.compile(r"password:[0-9a-f]{64}")
VARIABLE = "weft_vpcs"

_USABLE = re.compile(r"[A-Za-z0-9._~@%/+:=,^*()-]+", re.ASCII)
_NONE: dict[str, Any] = {"neighbors": []}
#: Most characters that a protocol's packets have room for (RFC 2385 as Linux has it, RFC 2328).
_LENGTHS = {"bgp": 80, "ospf": 16}


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
    passwords = [part["password"] for vpc in variables.get(VARIABLE) or () for _protocol, part, _place in _parts(vpc)]
    return {token(password, fabric): password for password in passwords if isinstance(password, str)}


def wanted(slice_: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The parts of a host's slice that have a password, by its token."""
    parts = [part for router in slice_["routers"] for part in (*(router["bgp"] or _NONE)["neighbors"], router["ospf"])]
    return {part["password"]: part for part in parts if part and part["password"]}


@cache
def token(password: str, fabric: str) -> str:
    """What stands for a password everywhere but on the hosts that use it."""
    digest = hashlib.scrypt(password.encode(), salt=fabric.encode(), n=2**13, r=8, p=1, dklen=32)
    return f"password:{digest.hex()}"


def _fabric(variables: Mapping[str, Any]) -> str:
    """The fabric's name: two fabrics with one password have different tokens."""
    fabric = variables.get("weft_fabric")
    return str(fabric.get("name")) if isinstance(fabric, dict) else ""


def _parts(vpc: Any) -> Iterator[tuple[str, dict[str, Any], str]]:
    """The mappings of a VPC that have a password: protocol, mapping, and its place in the VPC."""
    router = vpc.get("router") if isinstance(vpc, dict) else None
    bgp, ospf = (router.get(name) if isinstance(router, dict) else None for name in ("bgp", "ospf"))
    neighbors = bgp.get("neighbors") if isinstance(bgp, dict) else None
    found = [("ospf", ospf, "router.ospf")]
    for index, one in enumerate(neighbors if isinstance(neighbors, list) else ()):
        found.append(("bgp", one, f"router.bgp.neighbors[{index}]"))
    for protocol, part, path in found:
        if isinstance(part, dict) and part.get("password") is not None:
            yield protocol, part, path


def _sealed(vpc: Any, path: str, fabric: str, findings: list[Finding]) -> Any:
    if not any(_parts(vpc)):
        return vpc
    vpc = {**vpc, "router": deepcopy(vpc["router"])}
    for protocol, part, place in _parts(vpc):
        reason = _unusable(part["password"], _LENGTHS[protocol])
        if reason is None:
            part["password"] = token(part["password"], fabric)
        else:
            remedy = "Write letters, digits and ._~@%/+:=,^*()- only."
            findings.append(Finding(RULE, f"{path}.{place}.password", None, reason, remedy))
    return vpc


def _unusable(password: object, limit: int) -> str | None:
    """Why something cannot be a password; None if it can."""
    if not isinstance(password, str):
        return "is not a string"
    if len(password) > limit:
        return f"is longer than the {limit} characters that the protocol has room for"
    return None if _USABLE.fullmatch(password) else "is empty or has characters that FRR's configuration cannot hold"
