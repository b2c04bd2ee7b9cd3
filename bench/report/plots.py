"""The figure after the paper's Figure 1: PSNR against parameters, measured points beside published ones.

`quality_points` and `pareto_front` are pure functions of records and published rows; `draw` turns them into PNG and SVG
whose bytes depend on nothing else (fixed hash salt, no date).
"""

import io
import math
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.core.record import Record
from bench.report.labels import MARKER_PIXELS, Label, place_labels
from bench.report.lookup import DeviceRecords, Query
from bench.report.published import read
from bench.report.table1 import DATASETS

# Colours of Okabe and Ito's palette, told apart with any colour vision; the markers differ as well.
MEASURED, PUBLISHED, OWN, FRONT = "#0072B2", "#D55E00", "#007A5A", "#6f6f6f"
MARKS = (
    ("published", "o", PUBLISHED, "published (paper's Table 1)"),
    ("measured", "D", MEASURED, "measured here"),
    ("own", "^", OWN, "measured here, networks of your own"),
)
STYLE: dict[Any, Any] = {  # matplotlib types the keys as one Literal of all its settings
    "svg.hashsalt": "esr-bench",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
PREFERRED = next(iter(DATASETS))  # as in the paper's Figure 1
WIDTH, HEIGHT, LEGEND = 9.5, 5.6, 0.6  # inches, of one panel and of the legend
DPI = 150
MARGIN = 0.15  # of the points' range, on each side
CLOSE_UP_FROM = 0.5  # share of the full height below which crowded measured points are drawn again


@dataclass(frozen=True)
class Point:
    """One network in a figure: its cost (parameters in thousands, or what the axis says), PSNR in dB."""

    label: str
    cost: float
    psnr_db: float
    source: Literal["measured", "own", "published"]
    apart: bool = False  # its time was taken in another run than the front's, and compares with none on it
    useless: bool = False  # not above bicubic, which costs nothing

    @property
    def here(self) -> bool:
        """Whether it was measured, be it a network of this project or the user's own."""
        return self.source != "published"

    @property
    def colour(self) -> str:
        """Of its marker and its name."""
        return {"measured": MEASURED, "own": OWN, "published": PUBLISHED}[self.source]


@dataclass(frozen=True)
class Box:
    """Limits of a panel: thousands of parameters from left to right, dB from bottom to top."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def height(self) -> float:
        """In dB."""
        return self.top - self.bottom

    def holds(self, point: Point) -> bool:
        """Whether the point lies inside."""
        return self.left < point.cost < self.right and self.bottom < point.psnr_db < self.top


def plotted_dataset(device: DeviceRecords) -> str:
    """The data set to plot: the first of Table 1's with a measured point, else any other, else PREFERRED."""
    scored = sorted({q.dataset for m in device.measured for q in m.record.quality})
    for dataset in [*DATASETS, *scored]:
        if any(p.here for p in quality_points(device, dataset)):
            return dataset
    return PREFERRED


def quality_points(device: DeviceRecords, dataset: str) -> list[Point]:
    """Measured and published points on `dataset`, by growing size.

    Left out: networks without parameters (bicubic) and variants by option, which would only stretch the axes, and
    infinite PSNR.
    """
    points: list[Point] = []
    floor = bicubic_psnr(device, dataset)
    for model, label, options in device.networks():
        parameters = device.find(Query(model, "complexity.parameters", options))
        psnr = device.find(Query(model, f"quality.{dataset}.psnr_y", options))
        if parameters and psnr and parameters.value and math.isfinite(psnr.value):
            useless = psnr.value <= floor
            points.append(Point(label, parameters.value / 1000, psnr.value, kind(psnr.record), useless=useless))
    for row in read("table1") if dataset in DATASETS else ():
        parameters_k, psnr_db = row.number("params_k"), row.number(f"{DATASETS[dataset]}_psnr")
        if parameters_k and psnr_db:
            points.append(Point(row.label, parameters_k, psnr_db, "published"))
    return sorted(points, key=lambda p: (p.cost, p.psnr_db, p.label, p.source))


def bicubic_psnr(device: DeviceRecords, dataset: str) -> float:
    """Of luma in dB, measured or as the paper prints it; -inf where nobody knows."""
    if found := device.find(Query("bicubic", f"quality.{dataset}.psnr_y")):
        return found.value
    rows = {row.label: row for row in read("table1")} if dataset in DATASETS else {}
    printed = rows["Bicubic"].number(f"{DATASETS[dataset]}_psnr") if "Bicubic" in rows else None
    return -math.inf if printed is None else printed


def kind(record: Record) -> Literal["measured", "own"]:
    """How a record's point is marked."""
    return "own" if record.source else "measured"


def commonest_run(records: Iterable[Record]) -> str:
    """The run in which most of these were timed, the latest of several; "" where none says."""
    runs = Counter(r.runtime.run for r in records if r.runtime and r.runtime.run)
    return max(runs, key=lambda run: (runs[run], run), default="")


def is_apart(record: Record, figure: str, run: str) -> bool:
    """Whether the figure is a time that was not taken in `run`."""
    return figure.startswith("runtime.") and not (run and record.runtime and record.runtime.run == run)


def pareto_front(points: Sequence[Point]) -> list[Point]:
    """The points that no other matches with fewer parameters, by growing size: each is better than all before it.

    None is a network that is not above bicubic, or whose time compares with no other.
    """
    front: list[Point] = []
    for point in sorted((p for p in points if not (p.apart or p.useless)), key=lambda p: (p.cost, -p.psnr_db)):
        if not front or point.psnr_db > front[-1].psnr_db:
            front.append(point)
    return front


def close_up(points: Sequence[Point]) -> Box | None:
    """The box around the measured points, where drawing it larger helps: small, with at least five points in it."""
    measured = [p for p in points if p.here]
    if not measured:
        return None
    box = _around(measured)
    crowded = sum(box.holds(p) for p in points) >= 5
    return box if crowded and box.height < CLOSE_UP_FROM * _around(points).height else None


def draw(points: Sequence[Point], dataset: str, device_label: str) -> dict[str, bytes]:
    """The figure as {"png": ..., "svg": ...}."""
    with mpl.rc_context(STYLE):
        figure = compose(points, dataset, device_label)
        png, svg = io.BytesIO(), io.BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def compose(points: Sequence[Point], dataset: str, device_label: str) -> Figure:
    """The figure with its labels in place; crowded measured points get a panel of their own below."""
    box = close_up(points)
    figure = Figure(figsize=(WIDTH, HEIGHT * (2 if box else 1) + LEGEND), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(2 if box else 1, squeeze=False)[:, 0])
    for axes in panels:
        _draw_front(axes, points)
        draw_points(axes, points)
        _describe(axes, dataset)
    _fit(panels[0], _around(points))
    instead = "" if dataset == PREFERRED else f" ({PREFERRED} was not measured)"
    measured = any(p.here for p in points)
    source = (
        f"measured on {device_label}" if measured else f"published points only: none was measured on {device_label}"
    )
    title = f"Quality against size on {dataset}{instead}\n{source}"
    panels[0].set_title(title, loc="left", fontsize=12)
    if box:
        _fit(panels[1], box)
        _frame(panels[0], box)
        panels[1].set_title("Close-up of the frame above", loc="left", fontsize=12)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    figure.align_ylabels(panels)
    figure.canvas.draw()  # settles the layout, which the labels are placed in
    figure.set_layout_engine("none")
    label_points(panels[0], [p for p in points if not (box and box.holds(p))])
    if box:
        label_points(panels[1], [p for p in points if box.holds(p)])
    return figure


def _around(points: Sequence[Point]) -> Box:
    """The box of `points` with a margin for their labels; never without height or width."""
    x, y = [p.cost for p in points], [p.psnr_db for p in points]
    margin_x, margin_y = MARGIN * (max(x) - min(x)) or 10.0, MARGIN * (max(y) - min(y)) or 0.05
    return Box(min(x) - margin_x, max(x) + margin_x, min(y) - margin_y, max(y) + margin_y)


def _fit(axes: Axes, box: Box) -> None:
    axes.set_xlim(box.left, box.right)
    axes.set_ylim(box.bottom, box.top)


def _frame(axes: Axes, box: Box) -> None:
    width = box.right - box.left
    axes.add_patch(
        Rectangle((box.left, box.bottom), width, box.height, fill=False, edgecolor=FRONT, linewidth=0.8, zorder=2)
    )


def _draw_front(axes: Axes, points: Sequence[Point]) -> None:
    front = pareto_front(points)
    kinds = " and ".join(sorted({"measured" if p.here else "published" for p in points}))
    axes.step(
        [p.cost for p in front],
        [p.psnr_db for p in front],
        where="post",
        color=FRONT,
        linestyle="--",
        linewidth=1.2,
        zorder=1,
        label=f"Pareto front of the {kinds} points",
    )


def draw_points(axes: Axes, points: Sequence[Point]) -> None:
    """Every point with the marker of its source."""
    for source, marker, colour, name in MARKS:
        chosen = [p for p in points if p.source == source]
        if chosen:
            axes.scatter(
                [p.cost for p in chosen],
                [p.psnr_db for p in chosen],
                s=50,
                marker=marker,
                facecolors="none" if source == "published" else colour,
                edgecolors=colour,
                linewidths=1.6,
                zorder=3,
                label=name,
            )


def _describe(axes: Axes, dataset: str) -> None:
    axes.set_xlabel("Parameters (thousands)")
    axes.set_ylabel(f"PSNR of Y on {dataset}, x4 (dB)")
    axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)


def label_points(axes: Axes, points: Sequence[Point], known: Collection[str] = ()) -> None:
    """Name every point; "(paper)" marks the published one of a network that was also measured.

    A published point that lies under the measured one of its network needs no name.

    Args:
        known: further networks, which a shortened name must not be taken for.
    """
    measured = {p.label: p for p in points if p.here}
    names = short_names([p.label for p in points], known)
    labels = []
    for p in points:
        own = measured.get(p.label) if p.source == "published" else None
        if own and _pixels_apart(axes, p, own) < MARKER_PIXELS:
            continue
        labels.append(
            Label(
                f"{names[p.label]} (paper)" if own else names[p.label],
                p.cost,
                p.psnr_db,
                p.colour,
                p.here,
            )
        )
    place_labels(axes, labels, [(p.cost, p.psnr_db) for p in points])


def short_names(labels: Sequence[str], known: Collection[str]) -> dict[str, str]:
    """Each label without what is in its brackets, where no other known network is the same without its own."""
    count = Counter(label.split(" (")[0] for label in {*known, *labels})
    return {label: short if count[short := label.split(" (")[0]] == 1 else label for label in labels}


def _pixels_apart(axes: Axes, a: Point, b: Point) -> float:
    return math.dist(*axes.transData.transform([(a.cost, a.psnr_db), (b.cost, b.psnr_db)]))
