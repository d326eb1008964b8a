"""Guests on a hypervisor: each is a network namespace with real cards, a real DHCP client and line servers.

Runs on the hypervisor. A guest is `TENANT.NAME`; its wish is /etc/lab/instances/KEY.json, one systemd unit
(lab-instance@KEY) runs it, so it comes back by itself after a reboot. Standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CONFIG = Path("/etc/lab/instances")
STATE = Path("/run/lab/instances")
NETNS_ETC = Path("/etc/netns")
HERE = Path(__file__).resolve().parent


def ip(*command: str, check: bool = True) -> str:
    done = subprocess.run(["ip", *command], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise SystemExit(f"ip {' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def key_of(wanted: dict[str, Any]) -> str:
    return f"{wanted['tenant']}.{wanted['name']}"


def unit(key: str) -> str:
    return f"lab-instance@{key}.service"


def load(key: str) -> dict[str, Any]:
    return dict(json.loads((CONFIG / f"{key}.json").read_text()))


# -- one guest ---------------------------------------------------------------------------------------------------


def run(key: str) -> None:
    """Make the guest and stay until a part of it ends; systemd then starts all of it again."""
    wanted = load(key)
    clear(key)
    (STATE / key).mkdir(parents=True, exist_ok=True)
    etc = NETNS_ETC / key
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "resolv.conf").write_text("")
    (etc / "hosts").write_text(f"127.0.0.1 localhost {wanted['name']}\n")
    ip("netns", "add", key)
    inside = ["nsenter", f"--net=/run/netns/{key}", "--"]
    subprocess.run([*inside, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"], check=True)
    ip("-n", key, "link", "set", "lo", "up")
    for address in wanted.get("addresses", []):
        ip("-n", key, "address", "add", address if "/" in address else f"{address}/32", "dev", "lo")
    children = []
    if wanted.get("serve"):
        ports = [str(port) for port in wanted["serve"]]
        names = ["--name", wanted["name"], "--tenant", wanted["tenant"], "--log", str(STATE / key / "lines.log")]
        children.append(subprocess.Popen([*inside, sys.executable, str(HERE / "line_server.py"), *names, *ports]))
    for number, nic in enumerate(wanted.get("nics", [])):
        plug(key, number, nic)
        children.append(subprocess.Popen([*inside, *dhcp_client(wanted["name"], number)], env=dhcp_env(key, nic)))
    while all(child.poll() is None for child in children):
        time.sleep(0.5)
    raise SystemExit(f"a part of {key} ended")


def plug(key: str, number: int, nic: dict[str, Any]) -> None:
    """One card: a veth whose host end has the planned name and whose guest end has the planned MAC.

    The host's end gets libvirt's fe: prefix: another MAC than the guest's, and so high that a bridge never takes it
    for its own. It is brought up at once, as libvirt does; networkd enslaves it by its name.
    """
    guest = f"eth{number}"
    host_mac = "fe" + nic["mac"].lower()[2:]
    ip("link", "delete", nic["device"], check=False)
    ip("link", "add", nic["device"], "address", host_mac, "type", "veth",
       "peer", "name", guest, "address", nic["mac"], "netns", key)  # fmt: skip
    ip("link", "set", nic["device"], "up")
    ip("-n", key, "link", "set", guest, "up")


def dhcp_client(name: str, number: int) -> list[str]:
    # Tries for ever, every few seconds: the network may be built after the guest.
    return ["udhcpc", "-f", "-i", f"eth{number}", "-s", str(HERE / "dhcp_script.py"), "-t", "3", "-T", "1", "-A", "1",
            "-x", f"hostname:{name}", "-O", "mtu", "-O", "staticroutes", "-O", "search"]  # fmt: skip


def dhcp_env(key: str, nic: dict[str, Any]) -> dict[str, str]:
    return {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "LAB_KEY": key,
        "LAB_DEFAULT": "1" if nic.get("default") else "",
        "LAB_STATE": str(STATE / key),
        "LAB_RESOLV": str(NETNS_ETC / key / "resolv.conf"),
    }


def clear(key: str) -> None:
    """Remove what the guest left; its cards first, since a namespace lets go of them only after a while."""
    try:
        nics = load(key).get("nics", [])
    except (OSError, ValueError):
        nics = []
    for nic in nics:
        ip("link", "delete", nic["device"], check=False)
    ip("netns", "delete", key, check=False)
    for lease in (STATE / key).glob("eth*.json"):
        lease.unlink()


# -- all guests of this hypervisor ---------------------------------------------------------------------------------


def apply(wait: float) -> None:
    """Make the guests exactly those on stdin; print what was started, removed and kept."""
    wanted = {key_of(one): json.dumps(one, sort_keys=True, indent=1) + "\n" for one in json.load(sys.stdin)}
    CONFIG.mkdir(parents=True, exist_ok=True)
    have = {path.stem: path.read_text() for path in sorted(CONFIG.glob("*.json"))}
    removed = [key for key in have if key not in wanted]
    changed = [key for key in wanted if key in have and have[key] != wanted[key]]
    new = [key for key in wanted if key not in have]
    if removed or changed:
        # Stopped with the old wish in place: it names the cards to remove.
        systemctl("stop", *[unit(key) for key in removed + changed])
    for key in removed:
        forget(key)
    for key in changed + new:
        temporary = CONFIG / f"{key}.new"
        # On the disk before it has its name: it is part of the data centre that a power cut must leave.
        with temporary.open("w") as stream:
            stream.write(wanted[key])
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(CONFIG / f"{key}.json")
    kept = [key for key in wanted if key not in changed + new]
    if changed + new:
        systemctl("enable", "--now", *[unit(key) for key in changed + new])
    if kept:
        systemctl("start", *[unit(key) for key in kept])  # one that was stopped by hand
    await_leases(list(wanted), wait)
    print(json.dumps({"started": sorted(changed + new), "removed": removed, "kept": sorted(kept)}))


def systemctl(*command: str) -> None:
    done = subprocess.run(["systemctl", "--quiet", *command], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"systemctl {command[0]}: {done.stderr.strip()}")


def forget(key: str) -> None:
    systemctl("disable", unit(key))
    clear(key)
    (CONFIG / f"{key}.json").unlink()
    for directory in (STATE / key, NETNS_ETC / key):
        subprocess.run(["rm", "-rf", str(directory)], check=True)


def missing(keys: list[str]) -> list[str]:
    cards = [(key, number) for key in keys for number, _nic in enumerate(load(key).get("nics", []))]
    return [f"{key} eth{number}" for key, number in cards if not (STATE / key / f"eth{number}.json").exists()]


def await_leases(keys: list[str], wait: float) -> None:
    deadline = time.monotonic() + wait
    while wait and missing(keys):
        if time.monotonic() > deadline:
            raise SystemExit(f"no DHCP server answered within {wait:.0f} s for: {', '.join(missing(keys))}.")
        time.sleep(0.1)


def leases(key: str) -> dict[str, Any]:
    return {path.stem: json.loads(path.read_text()) for path in sorted((STATE / key).glob("eth*.json"))}


def addresses(key: str) -> list[str]:
    links = json.loads(ip("-n", key, "-json", "-4", "address", "show", check=False) or "[]")
    found = [(link["ifname"], address) for link in links for address in link.get("addr_info", [])]
    return [f"{name}={a['local']}/{a['prefixlen']}" for name, a in found if a["scope"] == "global"]


def listing() -> list[dict[str, Any]]:
    return [load(path.stem) | {"addresses_now": addresses(path.stem)} for path in sorted(CONFIG.glob("*.json"))]


def main(argv: list[str]) -> None:
    match argv:
        case ["run", key]:
            run(key)
        case ["clear", key]:
            clear(key)
        case ["apply", wait]:
            apply(float(wait))
        case ["list"]:
            print(json.dumps(listing()))
        case ["leases", key]:
            print(json.dumps(leases(key)))
        case _:
            raise SystemExit("usage: instance.py run|clear|leases KEY | apply WAIT | list")


if __name__ == "__main__":
    main(sys.argv[1:])
