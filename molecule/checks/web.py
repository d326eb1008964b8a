"""HTTP towards load balancers: servers in instances, requests with curl, and a load that runs during changes."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.cloud import GUEST, SILENCE, Cloud
from checks.failure import CheckFailedError
from checks.streams import Background
from lab.shell import patient

PORT, PROXIED_PORT = 8000, 8001
#: Whose certificate tests make.
SITE = "site.example.net"


class Web(Background):
    """An HTTP server in an instance, see guest/web.py; leaving its block ends it, and so does `kill`."""

    def __init__(self, cloud: Cloud, name: str) -> None:
        command = ["python3", "-c", (GUEST / "web.py").read_text(), name, str(PORT), str(PROXIED_PORT)]
        super().__init__(cloud, name, command)


@contextmanager
def doomed(cloud: Cloud, name: str) -> Iterator[Callable[[], None]]:
    """A server of which nobody minds how it ends; what is given kills it."""
    web = Web(cloud, name)
    web.__enter__()

    def kill() -> None:
        cloud.read(cloud.guests[name].host, f"pkill -KILL -f ' {name} {PORT} {PROXIED_PORT}$' || true")

    yield kill
    kill()
    web.process.communicate()


class Load(Background):
    """Requests without a pause, see guest/load.py."""

    def __init__(self, cloud: Cloud, where: str, address: str, port: int, kept: int, fresh: int) -> None:
        numbers = [str(port), str(kept), str(fresh)]
        super().__init__(cloud, where, ["python3", "-c", (GUEST / "load.py").read_text(), address, *numbers])

    def mark(self) -> None:
        """Note the time; late answers are counted from here on."""
        assert self.process.stdin
        self.process.stdin.write("mark\n")
        self.process.stdin.flush()

    def told(self) -> dict[str, Any]:
        """`requests`, `seconds`, `marks`, `failures`, `failed` (the first), `by` backend, `late` since the mark."""
        return dict(json.loads(self.report))


@dataclass(frozen=True)
class Answer:
    """What came back: status 0 is no answer at all."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def said(self) -> dict[str, Any]:
        """What the server in an instance said of itself and of the request."""
        if not self.body.startswith("{"):
            raise CheckFailedError(f"no server of ours answered: {self.status} {self.body[:200]}")
        return dict(json.loads(self.body))

    @property
    def name(self) -> str:
        return str(self.said["name"]) if self.status == 200 else str(self.status)


def get(cloud: Cloud, where: str, url: str, *options: str, seconds: float = 4.0) -> Answer:
    """One request; curl says what came of it."""
    command = ["curl", "-s", "-k", "-i", "--noproxy", "*", "--max-time", str(seconds), *options, url]
    done = cloud.on(where, command)
    head, _empty, body = done.stdout.replace("\r", "").partition("\n\n")
    lines = head.splitlines()
    if not lines:
        return Answer(0, {}, done.stderr)
    fields = (line.partition(": ") for line in lines[1:])
    return Answer(int(lines[0].split()[1]), {key.lower(): value for key, _colon, value in fields}, body)


def names(cloud: Cloud, where: str, url: str, times: int, *options: str) -> list[str]:
    """Who answered, one request after another, each on a connection of its own; a status for who did not."""
    shown = ["-o", "/dev/null", "-w", "%{http_code} %header{x-name}\\n"]
    one = shlex.join(["curl", "-s", "-k", "--max-time", "4", *shown, *options, url])
    script = f"for i in $(seq {times}); do {one}; done"
    words = [line.split() for line in cloud.on(where, ["sh", "-c", script]).stdout.splitlines()]
    return [word[1] if len(word) == 2 else word[0] for word in words]


def silent(cloud: Cloud, where: str, urls: Sequence[str]) -> bool:
    """Whether none of these gives any answer."""
    return all(get(cloud, where, url, seconds=SILENCE).status == 0 for url in urls)


def await_backends(cloud: Cloud, url: str, wanted: set[str], seconds: float = 20.0, where: str = "wan") -> None:
    """Wait until exactly these answer: checks take a while to see that a server was started or killed."""
    deadline = time.monotonic() + patient(seconds)
    while (seen := set(names(cloud, where, url, 6))) != wanted:
        if time.monotonic() > deadline:
            raise CheckFailedError(f"{', '.join(sorted(seen))} answer at {url}, not {', '.join(sorted(wanted))}")


def make_pair(directory: Path, host: str) -> tuple[str, str]:
    """A certificate for a host, and its key, as PEM."""
    directory.mkdir(parents=True, exist_ok=True)
    key, certificate = directory / f"{host}.key", directory / f"{host}.pem"
    made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={host}"]
    files = ["-keyout", str(key), "-out", str(certificate), "-addext", f"subjectAltName=DNS:{host}"]
    subprocess.run(["openssl", "req", "-x509", *made, *files], check=True, capture_output=True)
    return certificate.read_text(), key.read_text()


def shown_certificate(cloud: Cloud, site: str, host: str) -> str:
    """The subject that a client which asks for this host is shown."""
    command = (
        f"openssl s_client -connect {site}:443 -servername {host} </dev/null 2>/dev/null | openssl x509 -noout -subject"
    )
    return cloud.read("wan", command).strip().rpartition(" ")[2].rpartition("=")[2]
