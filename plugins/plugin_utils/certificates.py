# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the secrets of `weft_certificates` end.

`seal` takes them out of the intent before anything reads, checks, plans or records it, and leaves a digest, by which
a changed certificate is seen. `bundles` reads them again for the one call that brings them to a host.
"""

from __future__ import annotations

import hashlib
import os
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import NamedTemporaryFile
from typing import Any

from ansible_collections.weft.vpc.plugins.plugin_utils.errors import Finding, IntentError

VARIABLE = "weft_certificates"
RULE = "WEFT-B1-pem"
Read = Callable[[str], str]
"""Reads a file of the controller, by the path that the inventory gives; OSError or ValueError says why it cannot."""

_PLAIN = ("name", "tenant", "certificate_file", "key_file")
_SECRET = ("certificate", "key")


def sha256(content: str) -> str:
    """The digest that names a content in the plan and in a host's manifest."""
    return hashlib.sha256(content.encode()).hexdigest()


def seal(variables: Mapping[str, Any], read: Read) -> tuple[dict[str, Any], dict[str, str]]:
    """The intent without a secret, and the digest of each certificate that can be used, by `tenant/name`.

    Raises IntentError with every certificate that cannot: never with a word of its content.
    """
    items = variables.get(VARIABLE)
    if items is None:
        return dict(variables), {}
    if not isinstance(items, list):
        return {**variables, VARIABLE: "(not shown)"}, {}
    findings: list[Finding] = []
    digests: dict[str, str] = {}
    sealed = []
    for index, item in enumerate(items):
        content: tuple[str, str] | None = None
        if isinstance(item, Mapping):
            content = _checked(item, f"{VARIABLE}[{index}]", read, findings)
        if content is not None:
            digests[f"{item.get('tenant')}/{item.get('name')}"] = sha256("".join(content))
            for what, part in zip(_SECRET, content, strict=True):
                digests[f"{item.get('tenant')}/{item.get('name')}:{what}"] = sha256(part)
        sealed.append(_sealed(item, content and "".join(content)))
    if findings:
        raise IntentError(findings)
    return {**variables, VARIABLE: sealed}, digests


def bundles(variables: Mapping[str, Any], read: Read) -> dict[str, str]:
    """Certificates and then key, in one for HAProxy and each alone for strongSwan, by their digests."""
    found: dict[str, str] = {}
    items = variables.get(VARIABLE)
    for item in items if isinstance(items, list) else ():
        content = _content(item, read) if isinstance(item, Mapping) else None
        for one in () if content is None else ("".join(content), *content):
            found[sha256(one)] = one
    return found


def _sealed(item: object, content: str | None) -> object:
    """What the model may see: of a key that nobody knows not even the value, for it may be a misspelt `key`."""
    if not isinstance(item, Mapping):
        return "(not shown)"
    shown: dict[str, Any] = {}
    for key, value in item.items():
        if key in _PLAIN or (key in _SECRET and value is None):
            shown[key] = value
        else:
            shown[key] = f"sha256:{sha256(content)}" if content and isinstance(value, str) else "(not shown)"
    return shown


def _part(item: Mapping[str, Any], name: str, read: Read) -> str | None:
    """The certificate or the key, from where the item has it; None if it does not say so, once."""
    given, path = item.get(name), item.get(f"{name}_file")
    if (given is None) == (path is None):
        return None
    if path is not None:
        return read(path) if isinstance(path, str) else None
    return given if isinstance(given, str) else None


def _content(item: Mapping[str, Any], read: Read) -> tuple[str, str] | None:
    """The certificate and the key."""
    certificate, key = (_part(item, name, read) for name in _SECRET)
    return None if certificate is None or key is None else (f"{certificate.strip()}\n", f"{key.strip()}\n")


def _checked(item: Mapping[str, Any], path: str, read: Read, findings: list[Finding]) -> tuple[str, str] | None:
    try:
        content = _content(item, read)
    except (OSError, ValueError) as error:
        reason = f"has a file that cannot be read: {getattr(error, 'strerror', None) or error}"
        findings.append(Finding(RULE, path, None, reason, "Name a file that the controller can read."))
        return None
    if content is None:
        findings.extend(_unsaid(item, path))
    elif (unusable := _unusable("".join(content))) is not None:
        remedy = "Give a certificate in PEM with those of its issuers, and its own key without a passphrase."
        findings.append(Finding(RULE, path, None, unusable, remedy))
    return content


def _unsaid(item: Mapping[str, Any], path: str) -> Iterator[Finding]:
    for name in _SECRET:
        values = [item.get(name), item.get(f"{name}_file")]
        if values.count(None) != 1:
            reason = "is missing" if values.count(None) == 2 else f"is given, and {name}_file as well"
            remedy = f"Give either {name} or {name}_file."
        elif not isinstance(values[0] if values[1] is None else values[1], str):
            reason, remedy = "is not a string", "Write text, like that of a PEM file."
        else:
            continue
        yield Finding(RULE, f"{path}.{name}", None, reason, remedy)


def _unusable(content: str) -> str | None:
    """Why a TLS server could not use it; None if it can."""
    try:
        with _private_file(content) as path:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, password=_no_passphrase)
    except ssl.SSLError as error:
        return f"cannot be used for TLS: {(error.reason or 'unknown reason').replace('_', ' ').lower()}"
    except (OSError, ValueError) as error:
        return f"cannot be used for TLS: {error}"
    return None


@contextmanager
def _private_file(content: str) -> Iterator[str]:
    """The path of a file that nobody else can read, and that is on no disk where the system (Linux) allows it."""
    memory = hasattr(os, "memfd_create")
    with os.fdopen(os.memfd_create("certificate"), "w") if memory else NamedTemporaryFile("w") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{file.fileno()}" if memory else file.name


def _no_passphrase() -> str:
    raise ValueError("the key has a passphrase")
