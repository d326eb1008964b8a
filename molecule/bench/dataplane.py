"""What a router's rules cost packets: ours, one rule per translation, and none, in the same run."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

from bench import fabrics, paths
from bench.traffic import SINK

PLAIN = "plain"
Series = dict[str, dict[str, list[tuple[float, float]]]]


def targets(name: str, count: int) -> list[tuple[str, int]]:
    """What the client connects to, in an order that follows no rule's place: half elastic IPs, half forwards."""
    found: list[tuple[str, int]] = []
    for one in fabrics.translations(count):
        if name == PLAIN:
            found.append((one.target, fabrics.TARGET_PORT))
        else:
            found += [(one.elastic_ip, fabrics.TARGET_PORT), (fabrics.VIRTUAL_IP, one.port)]
    random.Random(count).shuffle(found)
    return found


def one_flow(name: str, count: int) -> list[tuple[str, int]]:
    """The address in the middle of a router's rules, on the port of the sink."""
    middle = fabrics.translations(count)[count // 2]
    return [(middle.target if name == PLAIN else middle.elastic_ip, SINK)]


def run(sizes: list[int], repetitions: int, seconds: float, say: Callable[[str], None]) -> Series:
    """All paths, measured in turn in random order, repetition by repetition: path -> what -> the rates of each.

    An interrupt ends it with the repetitions that are complete, if one is.
    """
    ways: dict[str, tuple[paths.Route, int]] = {}
    series: Series = {}
    try:
        ways[PLAIN] = (paths.plain(), max(sizes))
        for count in sizes:
            say(f"making routers with {count:,} elastic IPs and as many forwards")
            ways[f"ours-{count}"] = (paths.ours(count), count)
            ways[f"linear-{count}"] = (paths.linear(count), count)
        series = {name: {"connections": [], "bits": [], "packets": []} for name in ways}
        for number in range(repetitions):
            say(f"repetition {number + 1} of {repetitions}")
            order = random.Random(number).sample(list(ways), len(ways))
            found = {name: _measured(name, *ways[name], seconds) for name in order}
            for name, rates in found.items():
                for what, value in rates.items():
                    series[name][what].append(value)
    except KeyboardInterrupt:
        if not any(values["connections"] for values in series.values()):
            raise
    finally:
        for path, _count in ways.values():
            path.remove()
        paths.sweep()
    return series


def _measured(name: str, path: paths.Route, count: int, seconds: float) -> dict[str, tuple[float, float]]:
    many = json.dumps({"seconds": seconds, "targets": targets(name, count)})
    one = json.dumps({"seconds": seconds, "targets": one_flow(name, count)})
    return {
        "connections": path.measure("connect", many),
        "bits": path.measure("stream", one),
        "packets": path.measure("flood", one),
    }
