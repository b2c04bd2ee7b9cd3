"""Names beside the points of a figure, none on another or on a point.

Each name takes the first free place on rings around its point; the most crowded points choose first. Nothing is random
or timed, so that every machine draws the same picture.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

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
    best, least = None, math.inf
    for gap in GAPS:
        for turn in range(DIRECTIONS):
            angle = 2 * math.pi * turn / DIRECTIONS
            dx, dy = math.cos(angle), math.sin(angle)
            x = point[0] + dx * (MARKER_PIXELS / 2 + gap + width / 2)
            y = point[1] + dy * (MARKER_PIXELS / 2 + gap + height / 2)
            box = Bbox([[x - width / 2 - 2, y - height / 2 - 1], [x + width / 2 + 2, y + height / 2 + 1]])
            if box.x0 < inside.x0 or box.x1 > inside.x1 or box.y0 < inside.y0 or box.y1 > inside.y1:
                continue
            hits = 10 * sum(box.overlaps(other) for other in (*markers, *taken)) + _crossed(point, box, markers, taken)
            if hits < least:
                best, least = box, hits
            if not hits:
                return box
    assert best is not None, "a figure smaller than its labels"
    return best


def _crossed(point: tuple[float, float], box: Bbox, markers: list[Bbox], taken: list[Bbox]) -> int:
    """How many names and other points the line from the point to its name would pass through."""
    nearest = min(max(point[0], box.x0), box.x1), min(max(point[1], box.y0), box.y1)
    steps = [i / LINE_PROBES for i in range(1, LINE_PROBES)]
    line = [(point[0] + t * (nearest[0] - point[0]), point[1] + t * (nearest[1] - point[1])) for t in steps]
    others = [m for m in markers if not m.contains(*point)]
    return sum(any(other.contains(*probe) for probe in line) for other in (*others, *taken))
