"""What kernel and daemons of a lab's hosts and routers have now, without what changes by itself: to be compared."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

from checks.failure import CheckFailedError
from checks.parallel import each
from lab.api import Lab
from lab.shell import patient

#: One thing that somebody has: who, the view, and the thing.
Live = set[tuple[str, str, str]]
View = tuple[str, Callable[[str], Iterator[Any]]]

ROUTERS = "systemctl list-units --plain --no-legend 'weft-router@*' | sed 's/^weft-router@//; s/[.]service .*//'"
DEVICES = "$(ls /sys/class/net)"
#: Timers, counters and what the kernel numbers.
BY_ITSELF = {
    "backlog", "bridge_id", "bytes", "designated_bridge", "designated_port", "designated_root", "dev_port",
    "direct_packets_stat", "drops", "expires", "flags", "forward_delay_timer", "gc_timer", "handle", "hello_timer",
    "hold_timer", "id", "ifindex", "inet6_addr_gen_mode", "link_index", "link_netnsid", "message_age_timer", "no",
    "num_rx_queues", "num_tx_queues", "operstate", "packets", "parentbus", "parentdev", "preferred_life_time", "qlen",
    "refcnt", "requeues", "root_id", "tcn_timer", "topology_change", "topology_change_detected",
    "topology_change_timer", "txqlen", "used", "valid_life_time",
}  # fmt: skip
#: Settings of the kernel that something of ours has an opinion on.
SETTINGS = (
    "ip_forward", "arp_[a-z]+", "rp_filter", "proxy_arp", "forwarding", "disable_ipv6", "accept_[a-z]+",
    "send_redirects", "promote_secondaries", "ip_nonlocal_bind", "nf_conntrack_max",
)  # fmt: skip
#: Services that are ours, and what has failed.
UNIT = re.compile(r"(weft-|haproxy|dnsmasq|frr|strongswan|nftables|systemd-networkd[.]service)|.* failed ")


def state(lab: Lab) -> Live:
    """Of all hosts, and the routers on them."""
    hosts = [node.name for node in lab.topology.nodes.values() if node.role != "wan"]
    return set().union(*each(hosts, lambda host: _of_host(lab, host)).values())


def difference(before: Live, after: Live) -> list[str]:
    """What went and what came, a line each."""
    lines = [(who, view, f"- {thing}") for who, view, thing in before - after]
    lines += [(who, view, f"+ {thing}") for who, view, thing in after - before]
    return [f"{who}, {view}: {thing}"[:400] for who, view, thing in sorted(lines)]


def steady(lab: Lab, seconds: float = 20.0) -> Live:
    """The state once it no longer changes: guests and daemons need a moment after a run."""
    deadline, before = time.monotonic() + patient(seconds), state(lab)
    while time.monotonic() < deadline:
        time.sleep(1.0)
        if (now := state(lab)) == before:
            return now
        before = now
    return before


def await_state(lab: Lab, wanted: Live, seconds: float = 20.0) -> list[str]:
    """Wait until all is as it was; returns what is not."""
    deadline = time.monotonic() + patient(seconds)
    while found := difference(wanted, state(lab)):
        if time.monotonic() > deadline:
            return found
        time.sleep(0.5)
    return []


def _of_host(lab: Lab, host: str) -> Live:
    found = set(_of(lab, host, host, []))
    for router in lab.exec(host, ["sh", "-c", ROUTERS]).stdout.split():
        node, prefix = lab.router(router)
        found |= set(_of(lab, node, router, prefix))
    return found


def _of(lab: Lab, host: str, who: str, prefix: list[str]) -> Iterator[tuple[str, str, str]]:
    # One call for all: each view ends with a byte that no text has.
    script = "\n".join(f"{command}; printf '\\001'" for command, _read in VIEWS.values())
    done = lab.exec(host, [*prefix, "sh", "-c", script], timeout=patient(60))
    texts = done.stdout.split("\x01")
    if len(texts) != len(VIEWS) + 1:
        raise CheckFailedError(f"the state of {who} could not be read: {done.stderr[-300:]}")
    for (view, (_command, read)), text in zip(VIEWS.items(), texts, strict=False):
        for thing in read(text):
            yield who, view, thing if isinstance(thing, str) else json.dumps(thing, sort_keys=True)


def _bare(value: Any) -> Any:
    """A value of a program's JSON without what changes by itself."""
    if isinstance(value, dict):
        return {key: _bare(one) for key, one in value.items() if key not in BY_ITSELF and one not in ({}, [])}
    return [_bare(one) for one in value] if isinstance(value, list) else value


def _list(text: str) -> Iterator[Any]:
    yield from map(_bare, json.loads(text or "[]"))


def _lines(text: str) -> Iterator[str]:
    return (" ".join(line.split()) for line in text.splitlines())


def _links(text: str) -> Iterator[Any]:
    for link in json.loads(text or "[]"):
        name = link.pop("ifname")
        # What is in a bridge has the MAC that the kernel drew for it; what it leads to has the plan's.
        if link.get("linkinfo", {}).get("info_slave_kind") == "bridge":
            del link["address"]
        yield from (f"{name} {key}" for key in _flat({**_bare(link), "up": "UP" in link["flags"]}))


def _flat(value: Any, path: str = "") -> Iterator[str]:
    """Every value of a mapping with the way to it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    else:
        yield f"{path}={value}"


def _addresses(text: str) -> Iterator[Any]:
    for link in json.loads(text or "[]"):
        yield from ([link["ifname"], _bare(one)] for one in link.get("addr_info", ()) if one.get("scope") != "link")


def _fdb(text: str) -> Iterator[Any]:
    """What was written there: not what was learned, nor a port's own MAC, nor groups that the kernel joins."""
    for entry in json.loads(text or "[]"):
        if entry.get("state") == "static" or (entry.get("state") == "permanent" and "dst" in entry):
            yield entry


def _rules(text: str) -> Iterator[Any]:
    """A chain is a list, as its order matters; of sets and maps each element, but for those that come and go."""
    chains: dict[str, list[Any]] = {}
    for statement in json.loads(text or '{"nftables": []}')["nftables"]:
        ((kind, body),) = statement.items()
        if kind == "rule":
            chains.setdefault(f"{body['family']} {body['table']} {body['chain']}", []).append(_bare(body["expr"]))
        elif kind in ("set", "map"):
            elements = body.pop("elem", [])
            yield {kind: body | {"handle": 0}}
            if not {"timeout", "dynamic"} & set(body.get("flags", ())):
                yield from ([body["table"], body["name"], _bare(one)] for one in elements)
        elif kind != "metainfo":
            yield {kind: _bare(body)}
    yield from ([chain, number, rule] for chain, rules in chains.items() for number, rule in enumerate(rules))


def _units(text: str) -> Iterator[str]:
    return (line for line in _lines(text) if UNIT.match(line))


def _sockets(text: str) -> Iterator[str]:
    """Protocol, place and program; any port that nobody chose is one (bfdd sends from such).

    dnsmasq binds its DHCP socket to a link if it finds just one when it starts.
    """
    for line in text.splitlines():
        words = line.split()
        address, _colon, port = words[4].rpartition(":")
        place = address.partition("%")[0] if port == "67" else address
        program = re.search(r'\(\("([^"]+)"', line)
        yield f"{words[0]} {place}:{'any' if int(port) >= 49152 else port} {program[1] if program else '?'}"


#: A command of a host or router, and what its output is made of.
VIEWS: dict[str, View] = {
    "link": ("ip -json -details link", _links),
    "address": ("ip -json address", _addresses),
    "route": ("ip -json route show table all", _list),
    "policy": ("ip -json rule", _list),
    "neighbour": ("ip -json neighbour show nud permanent", _list),
    "fdb": ("bridge -json fdb show", _fdb),
    "nft": ("nft --json list ruleset", _rules),
    "qdisc": ("tc -json qdisc show", _list),
    "class": (f'for i in {DEVICES}; do tc class show dev "$i" | sed "s/^/$i /"; done', _lines),
    "filter": (f'for i in {DEVICES}; do tc filter show dev "$i" | sed "s/^/$i /"; done', _lines),
    "unit": ("systemctl list-units --all --plain --no-legend --full | awk '{print $1, $2, $3, $4}'", _units),
    "enabled": ("systemctl list-unit-files --plain --no-legend --full | awk '{print $1, $2}'", _units),
    "socket": ("ss --no-header --listening --numeric --tcp --udp --processes", _sockets),
    "setting": (f"sysctl --all 2>/dev/null | grep -E '^net[.].*[.]({'|'.join(SETTINGS)}) '", _lines),
}
