"""Names beside the points of a chart, none on another, on a point or over the edge.

Each name takes the first free place on rings around its point, those that matter most first. Nothing is random or
timed, so that every machine places the same. Lengths are points of the drawing, from its lower left corner.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

Pixel = tuple[float, float]

MARKER = 7.5  # side of the square that a point keeps free
GAPS = (1, 3, 6, 10, 15, 21, 28)  # between a point and its name
DIRECTIONS = 24
LINE_FROM = 5  # a name that is closer needs no line to its point
LINE_PROBES = 10
BEAD = 2.0  # between the boxes that stand for a line
ALWAYS = 0  # the rank of a name that is written wherever it lies


class Name(NamedTuple):
    """What is to be written beside a point, in short; those of the lowest `rank` choose first."""

    text: str
    at: Pixel
    rank: int
    role: str
    whole: str


@dataclass(frozen=True)
class Placed:
    """A name in its place: its middle, and the ends of the line to its point, None where it is near."""

    text: str
    whole: str
    middle: Pixel
    role: str
    line: tuple[Pixel, Pixel] | None
    strong: bool


def place(
    names: Sequence[Name],
    marks: Sequence[Pixel],
    paths: Sequence[Sequence[Pixel]],
    width: float,
    height: float,
    size: float,
) -> list[Placed]:
    """The names that find room in a plot of `width` x `height`, written `size` points high.

    All are clear of `marks` and of each other; of the lines through `paths`, where there is a place that is.
    """
    half = MARKER / 2
    on_lines = [box for path in paths for a, b in pairwise(path) for box in _beads(a, b)]
    markers = [(x - half, y - half, x + half, y + half) for x, y in marks]
    taken: list[tuple[float, float, float, float]] = []
    placed = []
    crowd = {n: sum(math.dist(n.at, other) < 4 * size for other in marks) for n in names}
    for name in sorted(names, key=lambda n: (n.rank, -crowd[n], n.text)):
        strong = name.rank == ALWAYS
        places = _places(name.at, text_width(name.text, size) * (1.12 if strong else 1), size * 1.15, width, height)
        if not len(places):
            continue
        others = [m for m in markers if not (m[0] <= name.at[0] <= m[2] and m[1] <= name.at[1] <= m[3])]
        cost = 10 * _met(places, [*markers, *taken]) + _crossed(name.at, places, [*others, *taken])
        best = int(np.argmin(cost + 0.5 * (_met(places, on_lines) > 0)))
        if cost[best] and not strong:
            continue
        box = (float(places[best][0]), float(places[best][1]), float(places[best][2]), float(places[best][3]))
        taken.append(box)
        near = min(max(name.at[0], box[0]), box[2]), min(max(name.at[1], box[1]), box[3])
        line = (name.at, near) if math.dist(near, name.at) > half + LINE_FROM else None
        middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        placed.append(Placed(name.text, name.whole, middle, name.role, line, strong))
    return placed


def _beads(a: Pixel, b: Pixel) -> list[tuple[float, float, float, float]]:
    """Small boxes along a line."""
    count = max(1, math.ceil(math.dist(a, b) / BEAD))
    along = [(a[0] + i / count * (b[0] - a[0]), a[1] + i / count * (b[1] - a[1])) for i in range(count + 1)]
    return [(x - 0.5, y - 0.5, x + 0.5, y + 0.5) for x, y in along]


@cache
def text_width(text: str, size: float) -> float:
    """Of a line in DejaVu Sans, which is wider than what browsers take where it is absent."""
    if not text.strip():
        return 0.0
    path = TextPath((0, 0), text.replace("$", r"\$"), size=10, prop=FontProperties(family="DejaVu Sans"))
    return float(path.get_extents().width) * size / 10


def _places(at: Pixel, wide: float, high: float, width: float, height: float) -> NDArray[np.float64]:
    """Boxes (left, bottom, right, top) on rings around the point, the nearest first, that lie inside the plot."""
    gaps = np.repeat(np.array(GAPS, dtype=np.float64), DIRECTIONS)
    angles = np.tile(2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS, len(GAPS))
    x = at[0] + np.cos(angles) * (MARKER / 2 + gaps + wide / 2)
    y = at[1] + np.sin(angles) * (MARKER / 2 + gaps + high / 2)
    boxes = np.stack([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2], 1)
    inside = (boxes[:, 0] >= 0) & (boxes[:, 1] >= 0) & (boxes[:, 2] <= width) & (boxes[:, 3] <= height)
    kept: NDArray[np.float64] = boxes[inside]
    return kept


def _met(places: NDArray[np.float64], boxes: Sequence[tuple[float, ...]]) -> NDArray[np.int64]:
    """How many of `boxes` each place overlaps."""
    others = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    left, bottom, right, top = (places[:, None, side] for side in range(4))
    met = (left < others[:, 2]) & (others[:, 0] < right) & (bottom < others[:, 3]) & (others[:, 1] < top)
    count: NDArray[np.int64] = met.sum(axis=1)
    return count


def _crossed(at: Pixel, places: NDArray[np.float64], boxes: Sequence[tuple[float, ...]]) -> NDArray[np.int64]:
    """How many of `boxes` the line from the point to each place would pass through."""
    others = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    steps = np.arange(1, LINE_PROBES) / LINE_PROBES
    x = at[0] + steps * (np.clip(at[0], places[:, 0], places[:, 2])[:, None] - at[0])  # (places, probes)
    y = at[1] + steps * (np.clip(at[1], places[:, 1], places[:, 3])[:, None] - at[1])
    x, y = x[:, :, None], y[:, :, None]
    hit = (others[:, 0] <= x) & (x <= others[:, 2]) & (others[:, 1] <= y) & (y <= others[:, 3])
    crossed: NDArray[np.int64] = hit.any(axis=1).sum(axis=1)
    return crossed
