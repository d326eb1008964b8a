# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Secrets of certificates: none of them passes the seal, whatever is wrong with them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.weft.vpc.plugins.plugin_utils.certificates import bundles, seal, sha256
from ansible_collections.weft.vpc.plugins.plugin_utils.errors import IntentError

SECRET = "the-secret"


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files with a certificate and with its key."""
    folder = tmp_path_factory.mktemp("pair")
    certificate, key = folder / "one.pem", folder / "one.key"
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=example.net"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", *made, *files], check=True, capture_output=True)
    return certificate, key


def read(path: str) -> str:
    return Path(path).read_text()


def intent(**keys: Any) -> dict[str, Any]:
    return {"weft_certificates": [{"name": "site", "tenant": "blue", **keys}]}


def test_variables_and_files_give_one_digest(pair: tuple[Path, Path]) -> None:
    certificate, key = pair
    by_value = intent(certificate=certificate.read_text(), key=f"\n{key.read_text()}")
    by_file = intent(certificate_file=str(certificate), key_file=str(key))
    sealed, digests = seal(by_value, read)
    assert seal(by_file, read)[1] == digests
    contents = bundles(by_file, read)
    assert contents.keys() == set(digests.values())
    content = contents[digests["blue/site"]]
    assert digests.keys() == {"blue/site", "blue/site:certificate", "blue/site:key"} and sha256(content) in contents
    assert "PRIVATE" in content and "PRIVATE" not in str(sealed)
    # A saved plan is refused once the certificate has changed: the intent that is compared has the digest.
    assert sealed["weft_certificates"][0]["key"] == f"sha256:{digests['blue/site']}"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"certificate": SECRET, "key": SECRET}, "weft_certificates[0]: cannot be used for TLS: "),
        ({"certificate": SECRET}, "weft_certificates[0].key: is missing"),
        ({"certificate": SECRET, "key": SECRET, "key_file": "/a"}, "key: is given, and key_file as well"),
        ({"certificate": SECRET, "key": [SECRET]}, "key: is not a string"),
        ({"certificate_file": "/nowhere", "key": SECRET}, "cannot be read: No such file"),
    ],
)
def test_errors_do_not_show_what_is_wrong(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(IntentError) as caught:
        seal(intent(**keys), read)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)


def test_misspelt_keys_are_hidden(pair: tuple[Path, Path]) -> None:
    given = intent(certificate_file=str(pair[0]), key_file=str(pair[1]), kee=SECRET)
    assert SECRET not in str(seal(given, read)[0])
    for odd in (SECRET, [SECRET]):
        assert SECRET not in str(seal({"weft_certificates": odd}, read)[0])


def test_a_passphrase_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    locked = tmp_path / "locked.key"
    lock = ["openssl", "pkey", "-in", str(pair[1]), "-aes256", "-passout", f"pass:{SECRET}", "-out", str(locked)]
    subprocess.run(lock, check=True)
    with pytest.raises(IntentError, match="the key has a passphrase"):
        seal(intent(certificate_file=str(pair[0]), key_file=str(locked)), read)


def test_another_key_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    make = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(other)]
    subprocess.run(make, check=True, capture_output=True)
    with pytest.raises(IntentError, match="key values mismatch"):
        seal(intent(certificate_file=str(pair[0]), key_file=str(other)), read)


def test_controllers_without_files_in_memory(pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create")
    assert seal(intent(certificate_file=str(pair[0]), key_file=str(pair[1])), read)[1]
    with pytest.raises(IntentError, match="cannot be used for TLS"):
        seal(intent(certificate=SECRET, key=SECRET), read)
