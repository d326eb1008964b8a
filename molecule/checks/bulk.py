"""Bulk transfers through the fabric, and datagrams that are too long for a part of their path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from checks.cloud import GUEST, Cloud
from checks.streams import Background

BULK = (GUEST / "bulk.py").read_text()
PROBE = (GUEST / "probe.py").read_text()
BULK_PORT = 9000
#: What goes with the payload of a segment: Ethernet, IP and TCP headers with time stamps; limits count whole frames.
HEADERS = 14 + 20 + 32


def publish_bulk(
    vpc: dict[str, Any], forward: dict[str, Any] | None = None, listener: dict[str, Any] | None = None
) -> None:
    """Let BULK_PORT of the walkthrough's vip-pf and vip-lb lead to receivers; further keys may be given for each."""
    target = {"virtual_ip": "vip-pf", "protocol": "tcp", "port": BULK_PORT, "target": "vpc-port-test-1"}
    vpc["port_forwards"].append({"name": "bulk", **target, **(forward or {})})
    backends = {"port": BULK_PORT, "backends": ["vpc-port-test-2"], "backend_port": BULK_PORT}
    check = {"health_check": {"interval": 1, "rise": 1}}
    vpc["load_balancers"][0]["listeners"].append({"name": "bulk", **backends, **check, **(listener or {})})


class Receiver(Background):
    """A server for bulk transfers; `namespace` is one of a node's own, beside its instances."""

    def __init__(self, cloud: Cloud, where: str, port: int = BULK_PORT, namespace: str = "") -> None:
        super().__init__(cloud, where, [*_inside(namespace), "python3", "-c", BULK, "server", str(port)])


def transfer(
    cloud: Cloud,
    where: str,
    address: str,
    direction: str,
    amount: str,
    *,
    port: int = BULK_PORT,
    source: str = "",
    namespace: str = "",
) -> list[dict[str, Any]]:
    """Transfer in bulk to or from a receiver; see guest/bulk.py. A stall ends in an error."""
    arguments = [address, str(port), direction, amount, *([source] if source else [])]
    return list(_run(cloud, where, namespace, [BULK, "client", *arguments]))


def on_the_wire(told: dict[str, Any]) -> float:
    """Bits per second of whole frames."""
    return float(told["bits"] * (told["segment"] + HEADERS) / told["segment"])


def probe(
    cloud: Cloud, where: str, address: str, port: int, size: int, token: str, namespace: str = ""
) -> dict[str, Any]:
    """Send one datagram of `size` bytes of IP; see guest/probe.py."""
    return dict(_run(cloud, where, namespace, [PROBE, address, str(port), str(size), token]))


def _inside(namespace: str) -> list[str]:
    return ["ip", "netns", "exec", namespace] if namespace else []


def _run(cloud: Cloud, where: str, namespace: str, program: Sequence[str]) -> Any:
    done = cloud.on(where, [*_inside(namespace), "python3", "-c", *program])
    assert done.returncode == 0, f"from {where} to {program[-4:]}: {done.stderr[-500:]}"
    return json.loads(done.stdout)
