"""docs/performance.md and its figure, from what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any

from bench.stages import STEPS
from bench.svg import Chart, figure

Results = dict[str, Any]
WHATS = {"connections": "new TCP connections", "bits": "TCP throughput", "packets": "packets of one flow"}
MISSING = {
    "dataplane": "what a router's rules cost packets",
    "groups": "what security groups cost packets",
    "large": "one elastic IP among many",
    "controller": "the controller",
    "small": "runs of `site` on the walkthrough",
}
INTRODUCTION = """\
# Performance

Written by `make bench`: do not edit. What is quoted are medians; in brackets the smallest and the largest of all
repetitions. Absolute numbers are of the computer and the hour that each part names; ratios are within one run.

![Figure: what was measured, as it grows](performance.svg)
"""


def document(results: Results) -> str:
    """The page, with the parts that were measured."""
    lines = [INTRODUCTION]
    for part, section in SECTIONS.items():
        if part in results:
            heading, *rest = section(results[part])
            lines += [heading, "", _when(results["about"][part]), *rest, ""]
        else:
            lines += [f"*Not measured in this run: {MISSING[part]}.*", ""]
    return "\n".join(lines).rstrip() + "\n"


def picture(results: Results) -> str:
    """The figure, with a chart for each part that has one and was measured."""
    charts: dict[str, Callable[[Any], Chart]] = {"dataplane": _connections, "controller": _growth}
    return figure([chart(results[part]) for part, chart in charts.items() if part in results])


def _when(about: dict[str, Any]) -> str:
    before, after, cores = about["load"][0], about["load"][1], about["cores"]
    words = f"{about['date']}. {about['computer']}. Load average at the start {before:.1f}, at the end {after:.1f}."
    if before > cores / 2:
        return (
            f"{words} **The computer was busy with other things**: times and rates by the clock are worse than they "
            "would be on a quiet one and vary widely; trust the ratios by CPU time, and measure again when it is quiet."
        )
    return f"{words} Nothing else of weight was running at the start; the load since is the bench's own."


def _spread(values: Sequence[float], form: str = ",.0f") -> str:
    return f"{median(values):{form}} ({min(values):{form}}–{max(values):{form}})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _ratios(series: Results, name: str, what: str, which: int, base: str = "plain") -> list[float]:
    """Of each repetition, how a path did against another one in the same repetition."""
    pairs = zip(series[name][what], series[base][what], strict=True)
    return [one[which] / other[which] for one, other in pairs]


def _sizes(series: Results) -> list[int]:
    return sorted(int(name.removeprefix("ours-")) for name in series if name.startswith("ours-"))


def _dataplane(series: Results) -> Iterator[str]:
    sizes, repetitions = _sizes(series), len(series["plain"]["connections"])
    largest = sizes[-1]
    yield "## What a router's rules cost packets"
    yield ""
    yield (
        f"A router with so many elastic IPs and as many port forwards, by {repetitions} repetitions of all paths in "
        "random order. *Plain* forwards with connection tracking and translates nothing; *ours* has exactly the rules, "
        "local routes and settings that `site` gives such a router; *linear* has one iptables-nft rule for each "
        "translation and direction, as the routers of ZStack and CloudStack do. Connections go to all addresses and "
        "ports in turn; throughput and packets are of one connection, by the elastic IP in the middle of the rules."
    )
    yield ""
    yield (
        "By the clock: what was achieved per second. By CPU: what was achieved per second of CPU time of the sending "
        "process, in whose name the kernel forwards on this path; as a share of plain."
    )
    yield ""
    rows = []
    for name in ["plain", *(f"{kind}-{size}" for size in sizes for kind in ("ours", "linear"))]:
        kind, _dash, size = name.partition("-")
        row = [kind, f"{int(size):,}" if size else ""]
        for what in WHATS:
            scale = 1e9 if what == "bits" else 1
            form = ".1f" if what == "bits" else ",.0f"
            row.append(_spread([one[0] / scale for one in series[name][what]], form))
            row.append("1" if name == "plain" else _spread(_ratios(series, name, what, 1), ".2f"))
        rows.append(row)
    heads = ["rules", "EIPs, forwards", "connections/s", "by CPU", "Gbit/s", "by CPU", "packets/s", "by CPU"]
    yield from _table(heads, rows)
    yield ""
    ours, linear = f"ours-{largest}", f"linear-{largest}"
    for which, words in ((0, "the clock"), (1, "CPU time")):
        connections, bits = (median(_ratios(series, ours, what, which)) for what in ("connections", "bits"))
        against = median(_ratios(series, ours, "connections", which, linear))
        yield (
            f"With {largest:,} of each, by {words}: {connections:.2f} of plain's connection rate (goal: 0.90) and "
            f"{bits:.2f} of its throughput (goal: 0.95); {against:.1f} times the connections of the linear rules "
            "(goal: 4)."
        )
    yield ""
    yield (
        "The path is client – router – bridge – VXLAN – server, in network namespaces joined by veth links; the router "
        "is such a namespace too, with the files of a plan loaded by `nft`."
    )


def _groups(found: Results) -> Iterator[str]:
    series = found["series"]
    none, one, many = series
    yield "## What security groups cost packets"
    yield ""
    yield (
        "Two instances on one host, with exactly the rules that `site` gives the host, by "
        f"{len(series[none]['packets'])} repetitions in random order, on {found['kernel']} in the lab's guest. One "
        "sends datagrams that are never answered, so that each of them meets all rules. Connections are tracked unless "
        "there are no groups at all."
    )
    yield ""
    rows = [
        [
            name,
            _spread([rates[0] for rates in series[name]["packets"]]),
            *(_spread(_ratios(series, name, "packets", 1, base), ".2f") for base in (none, one)),
        ]
        for name in series
    ]
    yield from _table(["groups", "packets/s", f"by CPU, of {none}", f"by CPU, of {one}"], rows)
    yield ""
    for which, words in ((0, "the clock"), (1, "CPU time")):
        of_one, of_none = (median(_ratios(series, many, "packets", which, base)) for base in (one, none))
        yield f"By {words}: {of_one:.2f} of {one} (goal: 0.95), {of_none:.2f} of {none} (goal: 0.85)."


def _large(found: Results) -> Iterator[str]:
    count = found["count"]
    yield f"## One elastic IP among {count:,}"
    yield ""
    yield (
        "In the lab, through `site` from inventory to a working address. Meanwhile an echo request goes every 2 ms "
        "from outside through another elastic IP of the same router to an instance. Runs that change nothing show what "
        "the load of a run alone does to that flow."
    )
    yield ""
    rows = [["`ansible -m ping` of the router's node", _spread(found["ping"], ".1f"), "", ""]]
    for name, words in (("nothing", "nothing to change"), ("add", "one added"), ("remove", "one removed")):
        runs = found[name]
        lost, sent = (sum(int(one[key]) for one in runs) for key in ("lost", "sent"))
        gaps = _spread([one["gap"] * 1000 for one in runs])
        seconds = _spread([one["seconds"] for one in runs], ".1f")
        rows.append([f"`site`, {words} (n = {len(runs)})", seconds, f"{lost:,} of {sent:,}", gaps])
    yield from _table(["", "seconds", "packets lost", "longest gap, ms"], rows)
    yield ""
    ratio = median(one["seconds"] for one in found["add"]) / median(found["ping"])
    yield (
        f"Adding one takes {ratio:.1f} times the ping of its node (goal: 2); the first run, which brought all "
        f"{count:,}, took {found['first']:.0f} s. Goal for the flow: nothing lost, no gap over 20 ms."
    )


def _controller(runs: list[Results]) -> Iterator[str]:
    yield "## The controller"
    yield ""
    yield (
        "A generated fabric (`tests/tools/scale.py`: two networks, a forward, a load balancer, an elastic IP, a route "
        "and ten instances in each VPC, a host for each VPC) through all steps, in a process of its own: seconds of "
        "CPU time."
    )
    yield ""
    rows = []
    for one in runs:
        seconds = [_spread([each[step] for each in one["runs"]], ".2f") for step in (*STEPS, "total")]
        memory = _spread([each["mebibytes"] for each in one["runs"]])
        rows.append([f"{one['vpcs']:,}", f"{one['vpcs'] * 10:,}", *seconds, memory])
    yield from _table(["VPCs", "instances", *STEPS, "total", "MiB, peak"], rows)
    first, last = runs[0], runs[-1]
    if first is not last:
        factors = [
            median(each[key] for each in last["runs"]) / median(each[key] for each in first["runs"])
            for key in ("total", "mebibytes")
        ]
        yield ""
        yield (
            f"{last['vpcs'] / first['vpcs']:.0f} times the fabric takes {factors[0]:.1f} times the seconds and "
            f"{factors[1]:.1f} times the memory."
        )


def _small(times: Results) -> Iterator[str]:
    yield "## Runs of `site` on the walkthrough"
    yield ""
    yield "Four hosts of the lab, two routers, eight instances; by the lab's own connection, which costs less than SSH."
    yield ""
    base = median(times["ping"])
    names = {"ping": "`ansible -m ping`", "nothing": "`site`, nothing to change", "one": "`site`, one elastic IP added"}
    rows = [
        [words, _spread(times[name], ".1f"), f"{median(times[name]) / base:.1f}", str(len(times[name]))]
        for name, words in names.items()
    ]
    yield from _table(["", "seconds", "of a ping", "n"], rows)
    yield ""
    yield "Goals: three times a ping for nothing to change."


def _connections(series: Results) -> Chart:
    sizes = _sizes(series)
    lines = {
        kind: [(size, 100 * median(_ratios(series, f"{kind}-{size}", "connections", 1))) for size in sizes]
        for kind in ("ours", "linear")
    }
    title = "New connections, % of plain forwarding"
    return Chart(title, "elastic IPs and as many forwards", "% by CPU time", {"plain": _flat(sizes), **lines})


def _flat(sizes: Sequence[int]) -> list[tuple[float, float]]:
    return [(sizes[0], 100.0), (sizes[-1], 100.0)]


def _growth(runs: list[Results]) -> Chart:
    lines = {
        step: [(one["vpcs"], median(each[step] for each in one["runs"])) for one in runs] for step in (*STEPS, "total")
    }
    return Chart("The controller, by step", "VPCs of ten instances", "seconds of CPU time", lines)


#: The parts of a run, in the order of the page.
SECTIONS: dict[str, Callable[[Any], Iterator[str]]] = {
    "dataplane": _dataplane,
    "groups": _groups,
    "large": _large,
    "controller": _controller,
    "small": _small,
}
