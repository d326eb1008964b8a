"""What a removal must not leave: traces of the removed on any host; of a whole fabric, anything of ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from checks.cloud import Cloud
from checks.failure import CheckFailedError
from checks.parallel import each
from lab.api import Lab

#: Where hosts keep configuration and state. A router image is a cache that other labs share; it is left out.
PLACES = "/etc /run/systemd /usr/local/lib/weft /var/lib/weft /var/lib/machines /var/spool /run/weft"
IMAGES = "/var/lib/weft/images"
#: Live state as text. What the kernel only learned by listening ages by itself and is left out.
LIVE = {
    "links": "ip -details -oneline link",
    "addresses": "ip -oneline address",
    "routes": "ip route show table all; ip rule",
    "neighbours": "ip neighbour show nud permanent",
    "fdb": "bridge fdb show | grep -e permanent -e static -e ' self' || true",
    "nft": "nft --stateless list ruleset",
    "units": "systemctl list-units --all --plain --no-legend; systemctl list-unit-files --no-legend",
    "mounts": "cat /proc/mounts",
    "processes": "ps -eo args --no-headers",
    "connections": "conntrack -L 2>/dev/null || true",
    "failed links": "grep --files-with-matches =failed /run/systemd/netif/links/* || true",
}
# What a router changed in its root is in `upper`; the root itself is that over the image.
_FIND = f"find {PLACES} -path {IMAGES} -prune -o -path '/var/lib/weft/routers/*/root/*' -prune -o"
FILES = f"{_FIND} -print 2>/dev/null || true"
# Logs are history: they may name what was.
CONTENTS = (
    f"cat >/tmp/words; {_FIND} -path '*/var/log/*' -prune -o -type f -print0 2>/dev/null | "
    "xargs -0 -r grep -IHwF -f /tmp/words -- || true"
)
#: How things of ours look in each view.
OURS = {
    "links": r"^\d+: w(?:br|vx|pn|vl|p|q[bio])\d+[:@]",
    "nft": r"^table .* weft.*",
    "units": r"^weft-.*",
    "processes": r".*weft.*",
    "mounts": r".*/var/lib/weft/routers.*",
    "failed links": r".+",
}
#: Directories, what images and manifest are in, and what a survey remembers of the kernel until the next boot.
KEPT = re.compile(
    r"/var/lib/weft(/images|/routers|/manifest[.]json|/rollback)?|/usr/local/lib/weft|/run/weft(/kernel-.*|/roots|/layers)?"
)
ROUTERS = "systemctl list-units --plain --no-legend 'weft-router@*' | sed 's/^weft-router@//; s/[.]service .*//'"


def tokens(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What the removed was known by, from the ledger before and after: paths, addresses, MACs, device names, VNIs."""
    gone = {key: entry["value"] for key, entry in before["entries"].items() if key not in after["entries"]}
    kept = {str(entry["value"]) for entry in after["entries"].values() if isinstance(entry["value"], str)}
    paths = {re.sub(r"/\d+$", "", key.rpartition(":")[0]) for key in gone}
    found = paths | {".".join(reversed(path.split("/"))) for path in paths if path.count("/") == 1}
    for key, value in gone.items():
        kind = key.rpartition(":")[2]
        if kind == "vni":
            found |= {f"wbr{value}", f"wvx{value}", f"VNI={value}", f"vxlan_pool/{value}"}
        elif kind.endswith("port"):
            found |= {f"wp{value}", f"lan{value}", f"pub{value}", f"wqb{value}", f"wqi{value}", f"wqo{value}"}
        elif isinstance(value, str):
            found.add(value)
    return sorted(found - kept)


def ledger(cloud: Cloud) -> dict[str, Any]:
    return dict(json.loads((cloud.state / "weft-ledger.json").read_text()))


def traces(cloud: Cloud, wanted: Iterable[str]) -> list[str]:
    """Every line of live state and files, on hosts and in routers, that holds one of these words."""
    words = sorted(wanted)
    if not words:
        raise CheckFailedError("nothing was removed, so there is nothing to look for")
    pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(word)}(?![\w-])(?![.]\d)" for word in words))
    hosts = [node.name for node in cloud.lab.topology.nodes.values() if node.role != "wan"]
    # A flow between two instances names no public address; it ages out, and its segment is gone.
    public = re.compile(rf"\b({'|'.join(re.escape(word) for word in words if word.startswith('10.')) or '(?!)'})\b")
    found: list[str] = []
    for host, dumps in each(hosts, lambda host: dump(cloud.lab, host, words)).items():
        for what, text in dumps.items():
            here = public if what.endswith("connections") else pattern
            found += [f"{host}, {what}: {line.strip()[:160]}" for line in text.splitlines() if here.search(line)]
    return found


def dump(lab: Lab, host: str, words: list[str]) -> dict[str, str]:
    """All that a host and its routers show: name of the view -> text."""

    def sh(command: str, prefix: Iterable[str] = (), input: str | None = None) -> str:
        done = lab.exec(host, [*prefix, "sh", "-c", command], input=input, timeout=60)
        if done.returncode:
            raise CheckFailedError(f"'{command}' failed on {host}: {done.stderr.strip()[-200:]}")
        return done.stdout

    found = {what: sh(command) for what, command in LIVE.items()}
    found |= {"files": sh(FILES), "contents": sh(CONTENTS, input="\n".join(words) + "\n")}
    for router in sh(ROUTERS).split():
        _node, prefix = lab.router(router)
        for what in ("links", "addresses", "routes", "nft", "units", "processes", "connections"):
            found[f"router {router}, {what}"] = sh(LIVE[what], prefix)
    return found


def left_of_fabric(lab: Lab) -> list[str]:
    """Whatever of ours is on a host; a destroyed fabric leaves packages, images and an empty manifest."""
    hosts = [node.name for node in lab.topology.nodes.values() if node.role != "wan"]
    return [left for host in hosts for left in left_on(lab, host)]


def left_on(lab: Lab, host: str) -> list[str]:
    """The same for one host."""
    dumps = dump(lab, host, ["weft"])
    paths = [path for path in dumps["files"].splitlines() if "weft" in path and not KEPT.fullmatch(path)]
    found = [f"{host}: file {path}" for path in paths]
    for what, pattern in OURS.items():
        found += [f"{host}, {what}: {line}" for line in re.findall(pattern, dumps[what], re.MULTILINE)]
    manifest = lab.exec(host, ["cat", "/var/lib/weft/manifest.json"]).stdout
    items = json.loads(manifest)["items"] if manifest else {}
    return found + [f"{host}: manifest item {item}" for item in items]
