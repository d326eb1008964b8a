"""Start the fabric's instances, as whoever owns them would: by the device names and MACs that a run recorded."""

from __future__ import annotations

import ipaddress
import json
import time
from typing import Any

from checks.cloud import LINE_PORT, Cloud
from lab.errors import LabError
from lab.shell import patient

TELNET = 23
#: A few more in a row, for what is forwarded as a range.
ROW = (6000, 6001, 6002)


def wanted(cloud: Cloud) -> list[dict[str, Any]]:
    """The lab's instances, from the records of what was applied to each host."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for path in sorted((cloud.state / ".weft" / "applied").glob("*.json")):
        for port in json.loads(path.read_text())["ports"]:
            key = (port["tenant"], port["instance"])
            one = found.setdefault(key, _instance(cloud, path.stem, *key))
            one["nics"].append({"device": port["device"], "mac": port["mac"], "default": port["default"]})
            one["addresses"] += [f"{address}/32" for address in port["secondary_ips"]]
    return list(found.values())


def _instance(cloud: Cloud, host: str, tenant: str, name: str) -> dict[str, Any]:
    (intent,) = (one for one in cloud.intent["weft_instances"] if (one["tenant"], one["name"]) == (tenant, name))
    # An instance that may send from a network is a router to it: here its first address stands for what is behind.
    behind = [cidr for nic in intent["nics"] for cidr in nic.get("allowed_addresses", ())]
    addresses = [f"{ipaddress.ip_network(cidr)[1]}/32" for cidr in behind]
    ports = [TELNET, LINE_PORT, *ROW]
    return {"name": name, "tenant": tenant, "host": host, "nics": [], "addresses": addresses, "serve": ports}


def start(cloud: Cloud, seconds: float = patient(60.0)) -> dict[str, list[str]]:
    """Make the lab's instances those of the fabric and wait for their leases; what was started, removed and kept."""
    return cloud.lab.apply_instances(wanted(cloud), wait=seconds)


def await_leases(cloud: Cloud, seconds: float = patient(60.0)) -> None:
    """Wait until every instance has a lease, as after a reboot of its host: it starts by itself."""
    deadline = time.monotonic() + seconds
    waiting = set(cloud.wanted_instances)
    while waiting := {name for name in waiting if not cloud.lab.instance(name).leases()}:
        if time.monotonic() > deadline:
            raise LabError(f"No DHCP server answered within {seconds:.0f} s for {', '.join(sorted(waiting))}.")
        time.sleep(1.0)
