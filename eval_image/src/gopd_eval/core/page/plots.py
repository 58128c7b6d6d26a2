"""Plots as SVG: intervals in rows, bars of shares, boxes of lengths, curves over k. They draw numbers and compute none.

Colours are classes of the page's style, so that they follow dark, light and paper; no plot says anything by colour
alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gopd_eval.core.page.axes import Axis, axis, doubling_axis, tick_label
from gopd_eval.core.page.markup import Markup, element, joined

WIDTH = 860.0
ROW = 30.0
LETTER = 7.4
"""Width of a letter at the plots' size of type; names are at most 40 letters."""


@dataclass(frozen=True)
class Row:
    """An interval with its name."""

    label: str
    value: float
    low: float | None
    high: float | None
    text: str
    """What stands at its right: the number in words."""
    tone: str = "plain"
    inner: float | None = None
    """Half width of the thick part: the error of a rerun."""
    reach: float | None = None
    """Half width of the band about 0: the least difference that would have been seen."""


def intervals(title: str, rows: Sequence[Row], zero: bool = False, share: bool = False) -> Markup:
    """Points with intervals, one a row; with `zero` about a line at 0, with `share` on an axis from 0 to 1."""
    left, right = _margins(rows)
    values = [v for row in rows for v in (row.value, row.low, row.high) if v is not None]
    values += [sign * row.reach for row in rows if row.reach is not None for sign in (-1, 1)]
    along = axis(values, left, WIDTH - right, zero=zero, share=share)
    height = ROW * len(rows)
    parts = [_grid(along, height), *(_reach(row, along, ROW * (place + 0.5)) for place, row in enumerate(rows))]
    if zero:
        place = along.place(0)
        parts.append(element("line", class_="zero", x1=place, x2=place, y1=0.0, y2=height))
    parts += [_interval(row, along, ROW * (place + 0.5)) for place, row in enumerate(rows)]
    return _figure(title, height + 26, parts)


def _reach(row: Row, along: Axis, y: float) -> Markup:
    """The band in which differences would often be missed."""
    if row.reach is None:
        return Markup()
    start, end = along.place(-row.reach), along.place(row.reach)
    return element("rect", class_="reach", x=start, y=y - 11, width=end - start, height=22.0)


def _interval(row: Row, along: Axis, y: float) -> Markup:
    parts = []
    if row.low is not None and row.high is not None:
        start, end = along.place(row.low), along.place(row.high)
        parts.append(element("line", class_=f"whisker {row.tone}", x1=start, x2=end, y1=y, y2=y))
        parts += [element("line", class_=f"whisker {row.tone}", x1=x, x2=x, y1=y - 5, y2=y + 5) for x in (start, end)]
    if row.inner is not None:
        start, end = along.place(row.value - row.inner), along.place(row.value + row.inner)
        parts.append(element("line", class_=f"inner {row.tone}", x1=start, x2=end, y1=y, y2=y))
    parts.append(element("circle", class_=f"point {row.tone}", cx=along.place(row.value), cy=y, r=4.0))
    parts.append(element("text", row.label, class_="label", x=along.start - 14, y=y + 4.5, text_anchor="end"))
    parts.append(element("text", row.text, class_="number", x=along.end + 14, y=y + 4.5))
    return joined(*parts)


@dataclass(frozen=True)
class Bar:
    """Shares of a whole with their names."""

    label: str
    parts: Sequence[tuple[str, float, str]]
    """Name, share of 1, and the class of its colour."""
    text: str = ""


def bars(title: str, rows: Sequence[Bar]) -> Markup:
    """A bar a row from 0 to 1, its parts named where there is room."""
    left = 18 + LETTER * max(len(row.label) for row in rows)
    right = 18 + LETTER * max(len(row.text) for row in rows)
    along = axis([], left, WIDTH - right, share=True)
    drawn = []
    for place, row in enumerate(rows):
        y, done = ROW * (place + 0.5), 0.0
        for name, part, tone in row.parts:
            start, end = along.place(done), along.place(done + part)
            done += part
            drawn.append(_part(f"{row.label}, {name}: {100 * part:.1f} %", tone, start, y, end - start))
            if end - start > LETTER * (len(name) + 5):
                words = f"{name} {100 * part:.0f} %"
                middle = (start + end) / 2
                drawn.append(element("text", words, class_=f"in-{tone}", x=middle, y=y + 4, text_anchor="middle"))
        drawn.append(element("text", row.label, class_="label", x=left - 14, y=y + 4.5, text_anchor="end"))
        drawn.append(element("text", row.text, class_="number", x=along.end + 14, y=y + 4.5))
    return _figure(title, ROW * len(rows) + 4, drawn)


def _part(words: str, tone: str, x: float, y: float, width: float) -> Markup:
    shape = element("rect", class_=tone, x=x, y=y - 11, width=max(width, 0.0), height=22.0)
    return element("g", element("title", words), shape)


@dataclass(frozen=True)
class Box:
    """Quantiles at 5, 25, 50, 75 and 95 % with a name."""

    label: str
    quantiles: Sequence[float]
    mean: float
    text: str


def boxes(title: str, rows: Sequence[Box], limit: float | None) -> Markup:
    """A box a row: middle half, median, mean as a point, lines to 5 and 95 %; `limit` is marked where in sight."""
    left = 18 + LETTER * max(len(row.label) for row in rows)
    right = 18 + LETTER * max(len(row.text) for row in rows)
    highest = max(max(*row.quantiles, row.mean) for row in rows)
    seen = limit is not None and limit <= 1.3 * highest
    along = axis([highest, *([limit] if seen and limit is not None else [])], left, WIDTH - right, zero=True)
    height = ROW * len(rows)
    parts = [_grid(along, height)]
    for place, row in enumerate(rows):
        y = ROW * (place + 0.5)
        ends = [along.place(value) for value in row.quantiles]
        parts += [
            element("line", class_="whisker plain", x1=ends[0], x2=ends[4], y1=y, y2=y),
            element("rect", class_="middle", x=ends[1], y=y - 8, width=ends[3] - ends[1], height=16.0),
            element("line", class_="median", x1=ends[2], x2=ends[2], y1=y - 8, y2=y + 8),
            element("circle", class_="point plain", cx=along.place(row.mean), cy=y, r=4.0),
            element("text", row.label, class_="label", x=left - 14, y=y + 4.5, text_anchor="end"),
            element("text", row.text, class_="number", x=along.end + 14, y=y + 4.5),
        ]
    if seen and limit is not None:
        x = along.place(limit)
        parts.append(element("line", class_="limit", x1=x, x2=x, y1=0.0, y2=height))
        parts.append(element("text", "limit", class_="tick", x=x - 5, y=height - 4, text_anchor="end"))
    return _figure(title, height + 26, parts)


@dataclass(frozen=True)
class Curve:
    """Values over k with a name."""

    label: str
    points: Sequence[tuple[int, float]]
    tone: str
    dashed: bool = False


def curves(title: str, lines: Sequence[Curve]) -> Markup:
    """Lines over a doubling axis, each named at its end; names are moved apart where they would overlap."""
    height, right = 240.0, 24 + LETTER * max(len(line.label) for line in lines)
    along = doubling_axis([k for line in lines for k, _ in line.points], 52.0, WIDTH - right)
    up = axis([], height, 8.0, share=True)
    parts = []
    for tick in up.ticks:
        y = up.place(tick)
        parts.append(element("line", class_="grid", x1=along.start, x2=along.end, y1=y, y2=y))
        parts.append(element("text", tick_label(tick), class_="tick", x=along.start - 8, y=y + 4, text_anchor="end"))
    for tick in along.ticks:
        x = along.place(tick)
        parts.append(element("text", tick_label(tick), class_="tick", x=x, y=height + 18, text_anchor="middle"))
    parts.append(element("text", "k", class_="tick", x=along.end + 14, y=height + 18))
    ends = spread([up.place(line.points[-1][1]) for line in lines], 15.0)
    for line, end in zip(lines, ends, strict=True):
        points = " ".join(f"{along.place(k):.1f},{up.place(value):.1f}" for k, value in line.points)
        style = f"curve {line.tone}" + (" dashed" if line.dashed else "")
        parts.append(element("polyline", class_=style, points=points))
        parts += [
            element("circle", class_=f"point {line.tone}", cx=along.place(k), cy=up.place(value), r=2.6)
            for k, value in line.points
        ]
        parts.append(element("text", line.label, class_=f"label {line.tone}", x=along.end + 10, y=end + 4))
    return _figure(title, height + 26, parts)


def spread(places: Sequence[float], gap: float) -> list[float]:
    """The places moved as little downwards as keeps them `gap` apart, in the same order."""
    moved = list(places)
    order = sorted(range(len(places)), key=lambda index: places[index])
    for before, after in pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    return moved


def _margins(rows: Sequence[Row]) -> tuple[float, float]:
    return 22 + LETTER * max(len(row.label) for row in rows), 22 + LETTER * max(len(row.text) for row in rows)


def _grid(along: Axis, height: float) -> Markup:
    parts = []
    for tick in along.ticks:
        x = along.place(tick)
        parts.append(element("line", class_="grid", x1=x, x2=x, y1=0.0, y2=height))
        parts.append(element("text", tick_label(tick), class_="tick", x=x, y=height + 18, text_anchor="middle"))
    return joined(*parts)


def _figure(title: str, height: float, parts: Sequence[str]) -> Markup:
    """The drawing with its name for those who do not see it; the numbers are in the table behind it."""
    return element(
        "svg", element("title", title), *parts, viewBox=f"0 0 {WIDTH:.0f} {height:.0f}", role="img", aria_label=title
    )
