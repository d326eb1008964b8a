"""Line charts with logarithmic axes as SVG: a figure of a few lines is not worth the packages of a plotting library."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 460, 320, 64, 40, 96, 48
FONT = 'font-family="sans-serif" font-size="11"'
COLOURS = ("#0b6e99", "#c2410c", "#4d7c0f", "#7c3aed", "#a16207", "#be185d")
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Chart:
    """Lines by name, over axes that are logarithmic in both directions."""

    title: str
    across: str
    up: str
    lines: Mapping[str, Points]


def figure(charts: Sequence[Chart]) -> str:
    """The charts side by side, as one SVG document."""
    width = WIDTH * len(charts)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" {FONT}>',
        f'<rect width="{width}" height="{HEIGHT}" fill="white"/>',
    ]
    for number, chart in enumerate(charts):
        parts += [f'<g transform="translate({number * WIDTH} 0)">', *_chart(chart), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> Iterator[float]:
        yield from (10.0**power for power in range(math.ceil(self.low), math.floor(self.high) + 1))


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    """Whole powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return _Axis(low, max(high, low + 1), start, end)


def _chart(chart: Chart) -> Iterator[str]:
    points = [point for line in chart.lines.values() for point in line]
    across = _axis([x for x, _y in points], LEFT, WIDTH - RIGHT)
    up = _axis([y for _x, y in points], HEIGHT - BOTTOM, TOP)
    yield _text(LEFT, 20, chart.title, "start", 'font-weight="bold" font-size="13"')
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, chart.across, "middle")
    yield _text(12, (TOP + HEIGHT - BOTTOM) / 2, chart.up, "middle", f'transform="rotate(-90 12 {HEIGHT / 2:.0f})"')
    for value in across.ticks():
        x = across.place(value)
        yield _line(x, TOP, x, HEIGHT - BOTTOM)
        yield _text(x, HEIGHT - BOTTOM + 16, f"{value:,g}", "middle")
    for value in up.ticks():
        y = up.place(value)
        yield _line(LEFT, y, WIDTH - RIGHT, y)
        yield _text(LEFT - 6, y + 4, f"{value:,g}", "end")
    for (name, line), colour in zip(chart.lines.items(), COLOURS, strict=False):
        places = [(across.place(x), up.place(y)) for x, y in line]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        yield _text(places[-1][0] + 8, places[-1][1] + 4, name, "start", f'fill="{colour}"')


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'
