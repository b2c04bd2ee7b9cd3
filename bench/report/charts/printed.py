"""Charts and galleries on paper: PNG and PDF by matplotlib, whose bytes depend on nothing but the description."""

import io
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from bench.report.charts.chart import (
    BOTTOM,
    CATEGORIES,
    FONT,
    GUIDE,
    MEASURED,
    OWN,
    PUBLISHED,
    SUBJECT,
    WIDTH,
    Chart,
    Series,
)
from bench.report.charts.placing import text_width

DPI = 300
STYLE: dict[Any, Any] = {  # matplotlib types the keys as one Literal of all its settings
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same
    "font.size": FONT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "pdf.fonttype": 42,  # journals refuse type 3
}
# Okabe and Ito's palette, told apart with any colour vision; the shapes differ as well.
CATEGORY_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#B07A00", "#3E9BD0", "#333333")
COLOURS = {
    SUBJECT: "#C1272D",
    MEASURED: "#0072B2",
    OWN: "#007A5A",
    PUBLISHED: "#B84D00",
    GUIDE: "#6f6f6f",
    **dict(zip(CATEGORIES, CATEGORY_COLOURS, strict=True)),
}
MARKERS = {  # of each shape: matplotlib's name, and its size in points
    "circle": ("o", 4.2),
    "square": ("s", 4.0),
    "triangle-up": ("^", 4.8),
    "triangle-down": ("v", 4.8),
    "diamond": ("D", 4.2),
    "cross": ("x", 4.5),
    "star": ("*", 8.5),
}
LINES: dict[str, Literal["-", "--", ""]] = {"solid": "-", "dashed": "--", "steps": "--", "": ""}
HEAD, ROW = 12.0, 10.0  # points above the plot: the title, and each row of the legend


def draw(chart: Chart) -> dict[str, bytes]:
    """The chart as {"png": ..., "pdf": ...}."""
    with mpl.rc_context(STYLE):
        return saved(compose(chart))


def saved(figure: Figure) -> dict[str, bytes]:
    """A finished figure in both forms."""
    png, pdf = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
    figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return {"png": png.getvalue(), "pdf": pdf.getvalue()}


def compose(chart: Chart) -> Figure:
    """The chart as a figure, its title and legend above the plot."""
    legend = _legend(chart)
    head = HEAD + ROW * len(legend)
    whole = chart.height + head
    figure = Figure(figsize=(WIDTH / 72, whole / 72))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((chart.left / WIDTH, BOTTOM / whole, chart.plot_width / WIDTH, chart.plot_height / whole))
    for series in chart.series:
        _draw(axes, series)
    w = chart.window
    for set_scale, axis in ((axes.set_xscale, chart.x), (axes.set_yscale, chart.y)):
        set_scale("log" if axis.log else "linear")
    axes.minorticks_off()
    axes.set_xticks(*map(list, zip(*chart.x_ticks, strict=True)) if chart.x_ticks else ([], []))
    axes.set_yticks(*map(list, zip(*chart.y_ticks, strict=True)) if chart.y_ticks else ([], []))
    axes.set_xlim(w.left, w.right)
    axes.set_ylim(w.bottom, w.top)
    axes.set_xlabel(chart.x.title, labelpad=2)
    axes.set_ylabel(chart.y.title, labelpad=2)
    axes.grid(visible=True, axis="y", color="#e4e4e4", linewidth=0.5)
    axes.set_axisbelow(True)
    _write_names(axes, chart)
    figure.text(2 / WIDTH, 1 - 8 / whole, chart.title, fontsize=FONT + 0.5, fontweight="bold", va="baseline")
    for row, entries in enumerate(legend):
        top = 1 - (HEAD + ROW * row - 2) / whole
        figure.legend(
            handles=entries, loc="upper left", bbox_to_anchor=(0.0, top), ncols=len(entries), frameon=False,
            borderaxespad=0.0, borderpad=0.1, handletextpad=0.3, columnspacing=1.0, handlelength=1.6,
        )  # fmt: skip
    return figure


def _draw(axes: Axes, series: Series) -> None:
    colour = COLOURS[series.role]
    x, y = [m.x for m in series.marks], [m.y for m in series.marks]
    if series.joined:
        drawstyle = "steps-post" if series.line == "steps" else "default"
        axes.plot(x, y, linestyle=LINES[series.joined], color=colour, linewidth=0.9, drawstyle=drawstyle, zorder=2)
    for m in series.marks:
        if m.span:
            axes.plot(m.span, (m.y, m.y), color=colour, linewidth=2.2, alpha=0.4, solid_capstyle="butt", zorder=2)
    if series.shape:
        axes.plot(x, y, linestyle="", zorder=4 if series.role == SUBJECT else 3, clip_on=False, **_marker(series))


def _marker(series: Series) -> dict[str, Any]:
    colour = COLOURS[series.role]
    marker, size = MARKERS[series.shape]
    return {
        "marker": marker,
        "markersize": size,
        "markerfacecolor": colour if series.filled else "none",
        "markeredgecolor": "white" if series.filled and series.shape != "cross" else colour,
        "markeredgewidth": 0.4 if series.filled and series.shape != "cross" else 0.8,
    }


def _legend(chart: Chart) -> list[list[Line2D]]:
    """Rows of entries that fit beside each other."""
    rows: list[list[Line2D]] = []
    used = WIDTH
    for series in chart.series:
        if not series.title or not (series.shape or series.joined):
            continue
        marker = _marker(series) if series.shape else {}
        line = LINES[series.joined]
        entry = Line2D([], [], color=COLOURS[series.role], linestyle=line, linewidth=0.9, label=series.title, **marker)
        wide = text_width(series.title, FONT) + 24
        if used + wide > WIDTH:
            rows.append([])
            used = 0.0
        rows[-1].append(entry)
        used += wide
    return rows


def _write_names(axes: Axes, chart: Chart) -> None:
    for name in chart.names:
        if name.line:
            ends = [chart.value(end) for end in name.line]
            axes.plot(*zip(*ends, strict=True), color="#9a9a9a", linewidth=0.5, zorder=1)
        axes.text(
            *chart.value(name.middle),
            name.text.replace("$", r"\$"),
            color=COLOURS[name.role],
            zorder=5,
            ha="center",
            va="center_baseline",
            fontweight="bold" if name.strong else "normal",
            path_effects=[withStroke(linewidth=1.5, foreground="white")],  # legible where a line passes behind
        )
