# Copyright: weft.vpc contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What on a host would break us, told before anything is changed: quickly, and without changing anything."""

from __future__ import annotations

import configparser
import glob
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Optional

from ansible_collections.weft.vpc.plugins.module_utils.deploy.commands import attempt
from ansible_collections.weft.vpc.plugins.module_utils.deploy.packages import SEARCH

CACHE = "/run/weft"
UNITS = ("systemd-networkd", "nftables", "NetworkManager", "docker", "libvirtd", "firewalld")
OLDEST_SYSTEMD = 252
OLDEST_DEBIAN = 12
CROWDED = 0.8
"""Share of the connection table beyond which new connections are in danger."""

# Everything happens in namespaces that end with the shell; only kernel modules that it needs stay loaded.
PROBE = """
t() { name=$1; shift; if "$@" >/dev/null 2>&1; then echo "$name yes"; else echo "$name no"; fi; }
t bridge ip link add weftp0 type bridge
t vxlan ip link add weftp1 type vxlan id 1 local 127.0.0.1 dstport 4789
t veth ip link add weftp2 type veth peer name weftp3
t vlan ip link add link weftp2 name weftp4 type vlan id 2
t nft_nat nft add table ip weftp '{ map m { type ipv4_addr : ipv4_addr; }
  chain c { type nat hook prerouting priority dstnat; dnat ip to ip daddr map @m; }; }'
t htb tc qdisc add dev weftp2 root handle 1: htb default 0
t nft_bridge nft add table bridge weftp '{ chain c { type filter hook forward priority filter; }; }'
t nft_bridge_ct nft add table bridge weftq '{ map m { typeof meta ibrname : ct zone; }
  set s { type ifname; flags dynamic; }
  chain t { type filter hook prerouting priority dstnat; ct zone set meta ibrname map @m; notrack; }
  chain c { type filter hook forward priority filter; ct mark 1 drop; ct state established accept;
    add @s { iifname ct count over 1 } drop; }; }'
t esp ip xfrm state add src 127.0.0.1 dst 127.0.0.1 proto esp spi 256 mode tunnel \
  aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 128
t user_namespaces unshare --user true
mount -t tmpfs weftp /mnt && mkdir /mnt/l /mnt/u /mnt/w /mnt/m
t overlay mount -t overlay weftp -o lowerdir=/mnt/l,upperdir=/mnt/u,workdir=/mnt/w /mnt/m
"""


@dataclass(frozen=True)
class Found:
    """One thing in the way, whatever is planned: rule id, value, reason, remedy."""

    rule: str
    value: object
    reason: str
    remedy: str
    severity: str = "error"


@dataclass
class Facts:
    """What the checks look at, read once."""

    units: dict[str, dict[str, str]]
    features: dict[str, bool]
    chains: str
    sysctl: dict[str, Optional[int]]
    os: dict[str, str]
    systemd: int
    managers: dict[str, str] = field(default_factory=dict)

    def active(self, unit: str) -> bool:
        """True if the unit runs."""
        return self.units.get(unit, {}).get("ActiveState") == "active"

    def enabled(self, unit: str) -> bool:
        """True if the unit runs or will after a reboot."""
        return self.active(unit) or self.units.get(unit, {}).get("UnitFileState") == "enabled"


SYSCTLS = (
    "net/bridge/bridge-nf-call-iptables",
    "net/ipv4/ip_forward",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_count",
    "fs/inotify/max_user_instances",
    "fs/inotify/max_user_watches",
    "user/max_user_namespaces",
    "kernel/pid_max",
)


def survey_preflight() -> dict[str, Any]:
    """``{"findings": [...], "features": {...}, "sysctl": {...}, "units": {...}, "managers": {...}, ...}``."""
    facts = read_facts()
    return {
        "findings": [asdict(each) for each in findings(facts)],
        "features": facts.features,
        "sysctl": facts.sysctl,
        "active": sorted(unit for unit in UNITS if facts.active(unit)),
        "managers": facts.managers,
        "os": facts.os,
        "systemd": facts.systemd,
    }


def read_facts() -> Facts:
    """Read everything the checks need."""
    return Facts(
        units=_units(),
        features=_features(),
        chains=attempt(["nft", "list", "chains"]).out if shutil.which("nft", path=SEARCH) else "",
        sysctl={name.replace("/", "."): _number(f"/proc/sys/{name}") for name in SYSCTLS},
        os=_os_release(),
        systemd=_systemd_version(),
        managers=_managers(),
    )


def findings(facts: Facts) -> Iterator[Found]:
    """Everything in the way."""
    yield from _system(facts)
    yield from _bridge_filter(facts)
    yield from _firewalls(facts)
    yield from _network_managers(facts)
    yield from _connections(facts)


def _system(facts: Facts) -> Iterator[Found]:
    version = facts.os.get("VERSION_ID", "0").partition(".")[0]
    if facts.os.get("ID") != "debian" or int(version or 0) < OLDEST_DEBIAN:
        name = facts.os.get("PRETTY_NAME", "unknown")
        yield Found(
            "WEFT-P11-system", name, "is not a system that weft.vpc is made for", "Use Debian 12 or later.", "warning"
        )
    if facts.systemd < OLDEST_SYSTEMD:
        yield Found(
            "WEFT-P11-systemd",
            facts.systemd,
            f"is the version of systemd, whose networkd knows too little before {OLDEST_SYSTEMD}",
            "Use Debian 12 or later.",
        )


def _bridge_filter(facts: Facts) -> Iterator[Found]:
    """Bridged frames that pass the host's own IP rules meet connection tracking and policies never meant for them."""
    others = re.sub(r"table \S+ weft \{.*?\n\}", "", facts.chains, flags=re.DOTALL)
    if not facts.sysctl["net.bridge.bridge-nf-call-iptables"] or " hook " not in others:
        return
    dropping = dropping_tables(facts.chains, "forward")
    reason = "is on, so that frames between instances pass this host's own IP rules"
    if dropping:
        reason += f", and the chain of {dropping[0]} drops what it does not know"
    yield Found(
        "WEFT-P11-br-netfilter",
        "net.bridge.bridge-nf-call-iptables=1",
        reason,
        "Set net.bridge.bridge-nf-call-iptables=0 (and -ip6tables, -arptables) in /etc/sysctl.d and load it; Docker "
        "needs it only for rules between containers on one bridge.",
        "error" if dropping else "warning",
    )


def dropping_tables(chains: str, hook: str) -> list[str]:
    """Tables other than ours that have a base chain with policy drop at the hook, from ``nft list chains``."""
    found, table = [], ""
    for line in chains.splitlines():
        match = re.match(r"table (\S+ \S+) \{", line)
        if match:
            table = match[1]
        elif f"hook {hook} " in line and "policy drop" in line and not table.endswith(" weft"):
            found.append(table)
    return found


def _firewalls(facts: Facts) -> Iterator[Found]:
    if facts.enabled("nftables") and _flushes("/etc/nftables.conf"):
        yield Found(
            "WEFT-P11-nftables-flush",
            "/etc/nftables.conf",
            "flushes the ruleset, and nftables.service is in use: its restart deletes all tables, ours for a moment",
            "Replace `flush ruleset` there by `table X; delete table X` for your own tables.",
            "warning",
        )
    for table in dropping_tables(facts.chains, "input"):
        yield Found(
            "WEFT-P11-input",
            f"table {table}",
            "drops what comes to this host unless a rule accepts it",
            "Make sure that it accepts VXLAN (UDP port 4789, or the pool's udp_port) from the other hosts' VTEPs.",
            "warning",
        )


def _flushes(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace") as source:
            return any(line.strip().rstrip(";") == "flush ruleset" for line in source)
    except OSError:
        return False


def _network_managers(facts: Facts) -> Iterator[Found]:
    if not facts.active("systemd-networkd"):
        yield Found(
            "WEFT-P11-networkd",
            "systemd-networkd.service",
            "does not run, and it is what makes the devices of the segments",
            "Run `systemctl enable --now systemd-networkd`; it leaves alone what no .network file of yours names.",
        )
    if facts.active("NetworkManager"):
        yield Found(
            "WEFT-P11-networkmanager",
            "NetworkManager.service",
            "takes care of every device that appears, ours too",
            "Put `[keyfile]` and `unmanaged-devices=interface-name:w*` into /etc/NetworkManager/conf.d/weft.conf.",
            "warning",
        )
    if facts.active("systemd-networkd") and not _keeps_foreign_routes():
        routes = [line for line in attempt(["ip", "route", "show", "table", "all"]).out.splitlines() if _foreign(line)]
        if routes:
            yield Found(
                "WEFT-P11-foreign-routes",
                routes[0].strip(),
                "is the route of another program, which systemd-networkd removes when it restarts",
                "Set ManageForeignRoutes=no and ManageForeignRoutingPolicyRules=no in /etc/systemd/networkd.conf.d/.",
                "warning",
            )


def _foreign(route: str) -> bool:
    match = re.search(r" proto (\S+)", route)
    return match is not None and match[1] in ("bgp", "ospf", "isis", "rip", "babel", "zebra", "bird", "xorp", "eigrp")


def _keeps_foreign_routes() -> bool:
    """The last setting wins: drop-ins in the order of their names, whatever directory they are in."""
    names: dict[str, str] = {}
    for directory in ("/usr/lib/systemd", "/lib/systemd", "/run/systemd", "/etc/systemd"):
        for path in glob.glob(f"{directory}/networkd.conf.d/*.conf"):
            names[os.path.basename(path)] = path
    config = configparser.ConfigParser(strict=False, allow_no_value=True, interpolation=None)
    try:
        config.read(["/etc/systemd/networkd.conf", *(names[name] for name in sorted(names))])
    except configparser.Error:
        return False
    value = config.get("Network", "ManageForeignRoutes", fallback="yes") or "yes"
    return value.lower() in ("no", "false", "0", "off")


def _connections(facts: Facts) -> Iterator[Found]:
    most, now = facts.sysctl["net.netfilter.nf_conntrack_max"], facts.sysctl["net.netfilter.nf_conntrack_count"]
    if most and now is not None and now > most * CROWDED:
        yield Found(
            "WEFT-P11-conntrack",
            f"{now} of {most}",
            "connections are tracked on this host, and the next ones will be dropped",
            "Raise net.netfilter.nf_conntrack_max.",
            "warning",
        )


# Reading


def _number(path: str) -> Optional[int]:
    try:
        with open(path, encoding="ascii") as source:
            return int(source.read())
    except (OSError, ValueError):
        return None


def _units() -> dict[str, dict[str, str]]:
    shown = attempt(["systemctl", "show", "--property=ActiveState,UnitFileState", *UNITS]).out
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in shown.split("\n\n")]
    return dict(zip(UNITS, blocks))


def _os_release() -> dict[str, str]:
    try:
        with open("/etc/os-release", encoding="utf-8") as source:
            pairs = (line.strip().split("=", 1) for line in source if "=" in line)
            return {key: value.strip('"') for key, value in pairs if key in ("ID", "VERSION_ID", "PRETTY_NAME")}
    except OSError:
        return {}


def _systemd_version() -> int:
    match = re.match(r"systemd (\d+)", attempt(["systemctl", "--version"]).out)
    return int(match[1]) if match else 0


def _managers() -> dict[str, str]:
    """Interfaces that ifupdown brings up."""
    found = {}
    for path in ["/etc/network/interfaces", *sorted(glob.glob("/etc/network/interfaces.d/*"))]:
        try:
            with open(path, encoding="utf-8", errors="replace") as source:
                names = [line.split()[1] for line in source if re.match(r"\s*iface\s+\S", line)]
        except OSError:
            continue
        found.update(dict.fromkeys((name for name in names if name != "lo"), "ifupdown"))
    return found


def _features() -> dict[str, bool]:
    """Kernel features, probed once per boot."""
    # A later release may look for more.
    asked = hashlib.sha256(PROBE.encode()).hexdigest()[:8]
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
        path = f"{CACHE}/kernel-{source.read().strip()}-{asked}.json"
    try:
        with open(path, encoding="ascii") as source:
            cached: dict[str, bool] = json.load(source)
            return cached
    except (OSError, ValueError):
        pass
    found = probe()
    # Without nft nothing could be said about it yet; it may be installed before the next survey.
    if shutil.which("nft", path=SEARCH):
        os.makedirs(CACHE, exist_ok=True)
        with open(f"{path}.new", "w", encoding="ascii") as target:
            json.dump(found, target)
        os.rename(f"{path}.new", path)
    return found


def probe() -> dict[str, bool]:
    """Try each kernel feature in namespaces of our own."""
    shown = attempt(["unshare", "--net", "--mount", "--", "/bin/sh", "-c", PROBE]).out
    found = {name: answer == "yes" for name, answer in (line.split() for line in shown.splitlines())}
    if shutil.which("nft", path=SEARCH) is None:
        found = {name: there for name, there in found.items() if not name.startswith("nft_")}
    return found
