#!/usr/bin/python3
"""What udhcpc calls at every event: does what the server said, and keeps all it said for the tests to read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ENV = os.environ
DEVICE = ENV.get("interface", "")
LEASE = Path(ENV.get("LAB_STATE", "/tmp")) / f"{DEVICE}.json"


def ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=False)


def deconfigure() -> None:
    LEASE.unlink(missing_ok=True)
    ip("address", "flush", "dev", DEVICE, "scope", "global")
    ip("link", "set", DEVICE, "up")


def routes() -> list[tuple[str, str]]:
    """(destination, gateway); classless routes replace the router option (RFC 3442)."""
    words = ENV.get("staticroutes", "").split()
    if words:
        return list(zip(words[::2], words[1::2], strict=False))
    return [("0.0.0.0/0", router) for router in ENV.get("router", "").split()[:1]]


def configure() -> None:
    if ENV.get("mtu"):
        ip("link", "set", DEVICE, "mtu", ENV["mtu"])
    ip("address", "replace", f"{ENV['ip']}/{ENV.get('mask', '24')}", "dev", DEVICE)
    for destination, gateway in routes():
        if destination != "0.0.0.0/0" or ENV.get("LAB_DEFAULT"):
            # onlink: a gateway need not be inside the subnet, and 0.0.0.0 means directly connected.
            via = [] if gateway == "0.0.0.0" else ["via", gateway, "onlink"]
            ip("route", "replace", destination, *via, "dev", DEVICE)
    if ENV.get("LAB_DEFAULT") and ENV.get("LAB_RESOLV"):
        lines = [f"nameserver {server}" for server in ENV.get("dns", "").split()]
        search = ENV.get("search") or ENV.get("domain")
        # In place, not by a rename: `ip netns exec` bind-mounts this very file.
        Path(ENV["LAB_RESOLV"]).write_text("\n".join(([f"search {search}"] if search else []) + lines) + "\n")


def remember(event: str) -> None:
    told = {name: value for name, value in ENV.items() if name.islower()} | {"event": event}
    temporary = LEASE.with_suffix(".new")
    temporary.write_text(json.dumps(told, sort_keys=True, indent=1))
    temporary.replace(LEASE)


def main(event: str) -> None:
    if event == "deconfig":
        deconfigure()
    elif event in ("bound", "renew"):
        configure()
        remember(event)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
