"""Names beside the points of a figure, none on another or on a point.

Each name takes the first free place on rings around its point; the most crowded points choose first. Nothing is random
or timed, so that every machine draws the same picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

MARKER_PIXELS = 18  # side of the square that a point keeps free
GAPS = (4, 9, 15, 22, 30, 40, 52, 66, 82, 100, 120, 142, 166, 192, 220)  # pixels between a point and its name
DIRECTIONS = 24
NEAR_PIXELS = 120  # points within it crowd each other
LINE_FROM = 12  # pixels; a name that is closer needs no line to its point
LINE_PROBES = 12


@dataclass(frozen=True)
class Label:
    """A name for the point at (x, y) in data coordinates."""

    text: str
    x: float
    y: float
    color: str
    bold: bool


def place_labels(axes: Axes, labels: Sequence[Label], points: Sequence[tuple[float, float]]) -> None:
    """Write `labels` into `axes`, whose limits and layout are settled, clear of all `points` (data coordinates)."""
    figure = axes.figure
    assert isinstance(figure.canvas, FigureCanvasAgg)
    renderer = figure.canvas.get_renderer()
    half = MARKER_PIXELS / 2

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        across, up = axes.transData.transform((x, y))
        return across, up

    centres = [to_pixels(x, y) for x, y in points]
    markers = [Bbox([[x - half, y - half], [x + half, y + half]]) for x, y in centres]
    taken: list[Bbox] = []
    spots = {label: to_pixels(label.x, label.y) for label in labels}

    def crowd(label: Label) -> tuple[int, str]:
        return -sum(math.dist(spots[label], other) < NEAR_PIXELS for other in centres), label.text

    for label in sorted(labels, key=crowd):
        text = axes.text(
            label.x, label.y, label.text, fontsize=9.5, color=label.color, zorder=4, ha="center", va="center",
            fontweight="bold" if label.bold else "normal",
            path_effects=[withStroke(linewidth=3, foreground="white")],  # legible where a line passes behind
        )  # fmt: skip
        size = text.get_window_extent(renderer)
        box = _free_place(spots[label], size.width, size.height, markers, taken, axes.bbox)
        taken.append(box)
        x, y = axes.transData.inverted().transform(((box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2))
        text.set_position((x, y))
        px, py = spots[label]
        nearest = min(max(px, box.x0), box.x1), min(max(py, box.y0), box.y1)
        if math.dist(nearest, (px, py)) > half + LINE_FROM:
            ends = axes.transData.inverted().transform([(px, py), nearest])
            axes.add_line(Line2D(ends[:, 0], ends[:, 1], color="#9a9a9a", linewidth=0.8, zorder=2))


def _free_place(
    point: tuple[float, float], width: float, height: float, markers: list[Bbox], taken: list[Bbox], inside: Bbox
) -> Bbox:
    """The nearest box that meets nothing; where there is none, the one that meets least."""
    places = _places(point, width, height, inside)
    assert len(places), "a figure smaller than its labels"
    boxes, others = _corners([*markers, *taken]), _corners([*(m for m in markers if not m.contains(*point)), *taken])
    left, bottom, right, top = (places[:, None, side] for side in range(4))
    met = (left <= boxes[:, 2]) & (boxes[:, 0] <= right) & (bottom <= boxes[:, 3]) & (boxes[:, 1] <= top)
    x0, y0, x1, y1 = places[int(np.argmin(10 * met.sum(axis=1) + _crossed(point, places, others)))]
    return Bbox([[x0, y0], [x1, y1]])


def _places(point: tuple[float, float], width: float, height: float, inside: Bbox) -> NDArray[np.float64]:
    """Boxes (left, bottom, right, top) on rings around the point, the nearest first, that lie `inside`."""
    places = []
    for gap in GAPS:
        for turn in range(DIRECTIONS):
            angle = 2 * math.pi * turn / DIRECTIONS
            x = point[0] + math.cos(angle) * (MARKER_PIXELS / 2 + gap + width / 2)
            y = point[1] + math.sin(angle) * (MARKER_PIXELS / 2 + gap + height / 2)
            left, bottom, right, top = x - width / 2 - 2, y - height / 2 - 1, x + width / 2 + 2, y + height / 2 + 1
            if left >= inside.x0 and right <= inside.x1 and bottom >= inside.y0 and top <= inside.y1:
                places.append((left, bottom, right, top))
    return np.array(places, dtype=np.float64).reshape(-1, 4)


def _corners(boxes: Sequence[Bbox]) -> NDArray[np.float64]:
    return np.array([box.extents for box in boxes], dtype=np.float64).reshape(-1, 4)


def _crossed(point: tuple[float, float], places: NDArray[Any], others: NDArray[Any]) -> NDArray[np.int64]:
    """How many names and other points the line from the point to each place would pass through."""
    steps = np.array([i / LINE_PROBES for i in range(1, LINE_PROBES)])
    x = point[0] + steps * (np.clip(point[0], places[:, 0], places[:, 2])[:, None] - point[0])  # (places, probes)
    y = point[1] + steps * (np.clip(point[1], places[:, 1], places[:, 3])[:, None] - point[1])
    x, y = x[:, :, None], y[:, :, None]
    hit = (others[:, 0] <= x) & (x <= others[:, 2]) & (others[:, 1] <= y) & (y <= others[:, 3])
    crossed: NDArray[np.int64] = hit.any(axis=1).sum(axis=1)
    return crossed
