"""The roofline itself: operations a second against operations a byte, under the machine's two rates."""

import io
from collections.abc import Sequence
from statistics import median

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.report.plots import DPI, STYLE
from bench.studies.roofline.costs import cost, costs_by_kind
from bench.studies.roofline.roofline_record import RooflineRecord

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = ("o", "s", "^", "v", "P", "X", "<", ">", "h")
LABELLED = 0.1  # of a network's time; smaller kinds of layer are drawn without a name
SIDES = 4.0  # of the intensities drawn, beyond the points at either end


def draw_roofline(records: Sequence[RooflineRecord], names: Sequence[str]) -> bytes:
    """A large mark a network, a small one a layer type of it; PNG. The same records always give the same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(10, 5.6), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        drawn: list[float] = []
        for index, (name, record) in enumerate(zip(names, records, strict=True)):
            drawn += _points(axes, record, name, COLOURS[index % len(COLOURS)])
        if drawn:
            _roofs(axes, records, min(drawn) / SIDES, max(drawn) * SIDES)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("FLOP per byte moved")
        axes.set_ylabel("GFLOP/s")
        axes.grid(alpha=0.3)
        figure.legend(loc="outside right upper", frameon=False, fontsize=9)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()


def _points(axes: Axes, record: RooflineRecord, name: str, colour: str) -> list[float]:
    """Returns the intensities that were drawn; what only moves data has none."""
    intensities = []
    total = cost(record.layers, record.rates)
    for (kind, one), mark in zip(costs_by_kind(record).items(), MARKS, strict=False):
        if not one.flops or not one.ms:
            continue
        x, y = one.flops / one.bytes, one.flops / one.ms / 1e6
        axes.plot([x], [y], mark, color=colour, markersize=5, alpha=0.7)
        if one.ms / total.ms >= LABELLED:
            axes.annotate(kind, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8, color=colour)
        intensities.append(x)
    if total.flops and total.bytes:
        x, y = total.flops / total.bytes, total.flops / median(record.passes_ms) / 1e6
        axes.plot([x], [y], "D", color=colour, markersize=10, markeredgecolor="white", label=name)
        intensities.append(x)
    return intensities


def _roofs(axes: Axes, records: Sequence[RooflineRecord], low: float, high: float) -> None:
    # One roof for all: the highest rates that any of the networks' processes measured.
    flops = max(r.rates.flops_per_s for r in records)
    moved = max(r.rates.bytes_per_s for r in records)
    x = np.geomspace(min(low, flops / moved / SIDES), max(high, flops / moved * SIDES), 200)
    label = f"roof: {flops / 1e9:,.0f} GFLOP/s, {moved / 1e9:,.1f} GB/s"
    axes.plot(x, np.minimum(x * moved, flops) / 1e9, color="#444444", linewidth=1.5, label=label)
