"""The figure of the selective scan: time against length, a line a backend, above the floor no backend can pass."""

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.report.plots import DPI, STYLE
from bench.studies.scan.figures import Row, curves, rows
from bench.studies.scan.scan_record import BOTH, FORWARD, ScanRecord

# Okabe and Ito's palette; the markers differ as well.
LINES = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"), ("#CC79A7", "D"), ("#E69F00", "v"), ("#56B4E9", "P"))
FLOOR = "#6f6f6f"
WIDTH, HEIGHT = 9.5, 5.0  # inches


def draw_scan(record: ScanRecord, title: str) -> bytes:
    """The figure as PNG: a panel a direction, of the batch with the most lengths."""
    found = rows(record)
    by_direction = {d: _plotted([r for r in found if r.measurement.cell.direction == d]) for d in (FORWARD, BOTH)}
    panels = [(direction, cells) for direction, cells in by_direction.items() if cells]
    backends = list(dict.fromkeys(row.measurement.backend for row in found))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        count = max(1, len(panels))
        for axes, (direction, cells) in zip(figure.subplots(1, count, squeeze=False)[0], panels, strict=False):
            _draw(axes, record, cells, backends)
            axes.set_title(f"{direction}, batch {cells[0].measurement.cell.batch}", loc="left", fontsize=12)
        figure.suptitle(f"Selective scan on {title}", x=0.01, ha="left", fontsize=12)
        labels: dict[str, Artist] = {}
        for axes in figure.axes:
            labels |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        figure.legend(list(labels.values()), list(labels), loc="outside lower center", ncols=4, frameon=False)
        png = io.BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()


def _plotted(cells: Sequence[Row]) -> list[Row]:
    """The rows of the batch that has most lengths, the smallest of several."""
    lengths: dict[int, set[int]] = {}
    for row in cells:
        lengths.setdefault(row.measurement.cell.batch, set()).add(row.measurement.cell.length)
    batch = max(lengths, key=lambda b: (len(lengths[b]), -b), default=None)
    return [row for row in cells if row.measurement.cell.batch == batch]


def _draw(axes: Axes, record: ScanRecord, cells: Sequence[Row], backends: Sequence[str]) -> None:
    for name, points in curves(cells).items():
        x, y = [p[0] for p in points], [p[1] for p in points]
        if name == "floor":
            label = "floor: bytes" if record.settings.device == "cpu" else "largest floor"
            axes.plot(x, y, linestyle="--", color=FLOOR, linewidth=1.4, label=label)
            continue
        colour, marker = LINES[backends.index(name) % len(LINES)]
        axes.plot(x, y, marker=marker, color=colour, linewidth=1.6, markersize=5, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xlabel("Length L (tokens)")
    axes.set_ylabel("Median time (ms)")
    axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
