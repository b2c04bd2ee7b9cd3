"""One description of a chart: points, lines, names, axes and what it shows, from which paper and page are drawn.

A chart has the size of one column of a two-column paper. The page enlarges it, so that names are placed once, for all.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from matplotlib.ticker import MaxNLocator

from bench.report.charts.placing import Name, Pixel, Placed, place, text_width

WIDTH, HEIGHT = 252.0, 200.0  # points (1/72 inch) of the whole: 3.5 inches wide
LEFT, RIGHT, TOP, BOTTOM = 40.0, 8.0, 6.0, 27.0  # points around the plot: its ticks and titles
FONT = 7.0  # points, of every text
MARGIN = 0.07  # of the plot's width and height, free on each side of the marks
MOST_TICKS = 7

SUBJECT, MEASURED, OWN, PUBLISHED, GUIDE = "subject", "measured", "own", "published", "guide"
CATEGORIES = tuple(f"c{i}" for i in range(7))  # roles of series that differ by no more than their name
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "star")


@dataclass(frozen=True)
class Axis:
    """One axis.

    Attributes:
        title: what it says, with its unit in brackets.
        ticks: value and text of each; () to choose them by the range.
    """

    title: str
    log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()


@dataclass(frozen=True)
class Mark:
    """One point.

    Attributes:
        name: written beside it where there is room; "" for none.
        rank: who is named first where there is no room for all; 0 is always named.
        facts: what the page says under the pointer, name and text.
        record: the file of the record that it is from, "" for none.
        span: the ends of its interval along the horizontal axis, None for none.
    """

    x: float
    y: float
    name: str = ""
    rank: int = 1
    facts: tuple[tuple[str, str], ...] = ()
    record: str = ""
    span: tuple[float, float] | None = None

    @property
    def whole(self) -> str:
        """Its name in full: the first of its facts, or what is written beside it."""
        return self.facts[0][1] if self.facts else self.name

    @property
    def words(self) -> str:
        """The point as a sentence's part."""
        return ", ".join(f"{name}: {text}" if name else text for name, text in self.facts)


@dataclass(frozen=True)
class Series:
    """Points of one kind.

    Attributes:
        role: its colour: one of this module's names.
        title: in the legend; "" for a series that the legend leaves out.
        shape: of the marks, one of SHAPES; "" where only its line is drawn.
        line: "solid", "dashed", "steps" or "" for none.
    """

    role: str
    title: str
    marks: tuple[Mark, ...]
    shape: str = "circle"
    filled: bool = True
    line: str = ""

    @property
    def joined(self) -> str:
        """`line`, where there is more than a point to draw it through."""
        return self.line if len(self.marks) > 1 else ""


class Window(NamedTuple):
    """The values at the edges of the plot."""

    left: float
    right: float
    bottom: float
    top: float


@dataclass(frozen=True)
class Chart:
    """A finished chart.

    Attributes:
        key: names its files.
        caption: what it shows, on which machine and with which settings.
        conclusion: the one thing that it says.
        height, left: points of the whole, and of its left margin.
    """

    key: str
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    caption: str
    conclusion: str
    height: float = HEIGHT
    left: float = LEFT

    @property
    def plot_width(self) -> float:
        """Points."""
        return WIDTH - self.left - RIGHT

    @property
    def plot_height(self) -> float:
        """Points."""
        return self.height - TOP - BOTTOM

    @cached_property
    def window(self) -> Window:
        """Around all marks, with a margin; never without width or height."""
        marks = [mark for series in self.series for mark in series.marks]
        across = [x for m in marks for x in (m.x, *(m.span or ()))]
        return Window(*_range(across, self.x.log), *_range([m.y for m in marks], self.y.log))

    @cached_property
    def names(self) -> list[Placed]:
        """The names that have a place, clear of all marks and of each other."""
        wanted = [
            Name(m.name, self.pixel(m.x, m.y), m.rank, s.role, m.whole) for s in self.series for m in s.marks if m.name
        ]
        marks = [self.pixel(m.x, m.y) for s in self.series if s.shape for m in s.marks]
        return place(
            wanted, marks, [self._path(s) for s in self.series if s.joined], self.plot_width, self.plot_height, FONT
        )

    @cached_property
    def x_ticks(self) -> list[tuple[float, str]]:
        """Those of the horizontal axis that have room beside each other."""
        found = _ticks(self.x, self.window.left, self.window.right)
        while len(found) > 2 and any(
            self.pixel(b[0], 0)[0] - self.pixel(a[0], 0)[0] < (text_width(a[1], FONT) + text_width(b[1], FONT)) / 2 + 4
            for a, b in pairwise(found)
        ):
            found = found[::2]
        return found

    @cached_property
    def y_ticks(self) -> list[tuple[float, str]]:
        """Those of the vertical axis."""
        return _ticks(self.y, self.window.bottom, self.window.top)

    def pixel(self, x: float, y: float) -> Pixel:
        """Points from the plot's left and lower edge."""
        w = self.window
        return (
            self.plot_width * _share(x, w.left, w.right, self.x.log),
            self.plot_height * _share(y, w.bottom, w.top, self.y.log),
        )

    def value(self, at: Pixel) -> tuple[float, float]:
        """What lies at a pixel: `pixel` the other way round."""
        w = self.window
        return (
            _at(at[0] / self.plot_width, w.left, w.right, self.x.log),
            _at(at[1] / self.plot_height, w.bottom, w.top, self.y.log),
        )

    def _path(self, series: Series) -> list[Pixel]:
        """The corners of a series' line."""
        corners = [self.pixel(m.x, m.y) for m in series.marks]
        if series.line != "steps":
            return corners
        return [corner for a, b in pairwise(corners) for corner in (a, (b[0], a[1]), b)]


def _range(values: Sequence[float], log: bool) -> tuple[float, float]:
    low, high = min(values), max(values)
    if log:
        low, high = math.log10(low), math.log10(high)
    room = MARGIN * (high - low) or (0.3 if log else 0.02 * abs(high) or 1.0)
    low, high = low - room, high + room
    return (10**low, 10**high) if log else (low, high)


def _share(value: float, low: float, high: float, log: bool) -> float:
    if log:
        return math.log(max(value, 1e-300) / low) / math.log(high / low)
    return (value - low) / (high - low)


def _at(share: float, low: float, high: float, log: bool) -> float:
    return low * (high / low) ** share if log else low + share * (high - low)


def _ticks(axis: Axis, low: float, high: float) -> list[tuple[float, str]]:
    if axis.ticks:
        return [(value, text) for value, text in axis.ticks if low <= value <= high]
    if not axis.log:
        values = [float(v) for v in MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]
        step = values[1] - values[0]
        decimals = next(d for d in range(16) if all(abs(v - round(v, d)) < step / 1e3 for v in values))
        return [(v, f"{v:,.{decimals}f}") for v in values if low <= v <= high]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    kept: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        kept_before, kept = kept, [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
        if len(kept) > MOST_TICKS and len(kept_before) > 1:
            kept = kept_before
            break
        if len(kept) >= 4:
            break
    return [(v, f"{v:,.10g}") for v in kept]
