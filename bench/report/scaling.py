"""The section on input sizes: tables, fitted exponents, plot and CSV, from scaling records alone."""

import io
import math
from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.report import markup
from bench.report.plots import DPI, STYLE
from bench.statistics import mean, mean_psnr, summarise
from bench.studies.scaling.record import Point, ScalingRecord

PLOT = "scaling.png"
FROM = 128  # pixels a side; below, what every pass costs whatever its size bends the line
INTRO = """\
Single passes of square inputs by `bench/scaling.py`, each size in a fresh process, until an input no longer fits or a
pass takes too long. Time: median [95 % interval]. Memory: peak of one pass, on a CPU the growth of a fresh process.
Every size of every network is a run of its own: times of two networks, or of this and another section, were not taken
in turn, and differ by what the machine did besides. The exponent is the slope of log time (or memory) over log pixels
from 128x128 on: 1 is a cost per pixel."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
Value = Callable[[Point], float | None]


def median_ms(point: Point) -> float | None:
    """Of its samples; None where there are none."""
    return summarise(point.samples_ms).median_ms if point.samples_ms else None


def peak_mib(point: Point) -> float | None:
    """Of one pass."""
    return point.memory.peak_allocated / 2**20 if point.memory else None


def exponent(points: Sequence[Point], value: Value) -> float | None:
    """Slope of log value over log pixels; None below two sizes."""
    found = [(p.size**2, v) for p in points if p.size >= FROM and (v := value(p))]
    if len({pixels for pixels, _ in found}) < 2:
        return None
    pixels, values = zip(*found, strict=True)
    return float(np.polyfit(np.log(pixels), np.log(values), 1)[0])


def scaling_body(records: Sequence[ScalingRecord]) -> str:
    """The section without its heading."""
    parts = [INTRO, f"![Runtime and memory over the input's size]({PLOT})"]
    for record in records:
        parts.append(f"**{scaling_title(record)}**\n\n{markup.markdown_table(*point_cells(record), left=2)}")
        parts.append(_exponents(record))
        if record.images:
            parts.append(f"Tiles of {record.tile} pixels a side, {record.overlap} of them context on each side:")
            parts.append(markup.markdown_table(*image_cells(record)))
    return "\n\n".join(parts) + "\n"


def scaling_title(record: ScalingRecord) -> str:
    """What sets one record apart from others of the same device."""
    threads = f", {record.threads} thread{'s' * (record.threads > 1)}" if record.threads else ""
    options = f" ({markup.option_text(record.options)})" if record.options else ""
    scan = f", scan {record.scan_backend}" if record.scan_backend else ""
    return f"{record.display_name}{options}, {record.precision}{threads}{scan}"


def point_cells(record: ScalingRecord) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a size."""
    headers = ["input", "run", "time [ms]", "samples", "cold start [ms]", "memory [MiB]", "remark"]
    rows = []
    for p in record.points:
        timing = summarise(p.samples_ms) if p.samples_ms else None
        row = [f"{p.size}x{p.size}", f"tiles of {p.tile}" if p.tile else "whole", markup.milliseconds(timing)]
        row += [str(len(p.samples_ms)), markup.number(p.cold_ms, 0), markup.number(peak_mib(p), 0)]
        rows.append([*row, markup.without_paths(p.problem)])
    return headers, rows


def image_cells(record: ScalingRecord) -> tuple[list[str], list[list[str]]]:
    """What tiling costs, a row a data set."""
    headers = ["data set", "images", "PSNR whole [dB]", "tiled [dB]", "difference", "values changed", "largest"]
    rows = []
    for dataset in dict.fromkeys(image.dataset for image in record.images):
        images = [image for image in record.images if image.dataset == dataset]
        whole, tiled = mean_psnr([i.psnr_whole for i in images]), mean_psnr([i.psnr_tiled for i in images])
        row = [dataset, str(len(images)), markup.number(whole, 3), markup.number(tiled, 3)]
        row += [markup.difference(tiled, whole, 4), f"{mean([i.changed for i in images]):.2%}"]
        rows.append([*row, str(max(i.largest for i in images))])
    return headers, rows


def scaling_csv(records: Sequence[ScalingRecord]) -> str:
    """Every point as raw numbers."""
    headers = ["model", "device", "threads", "precision", "scan", "size", "tile", "overlap", "samples", "median_ms"]
    headers += ["low_95_ms", "high_95_ms", "cold_ms", "peak_bytes", "problem", "record"]
    lines: list[list[markup.Value]] = []
    for r in records:
        for p in r.points:
            t = summarise(p.samples_ms) if p.samples_ms else None
            key: list[markup.Value] = [r.model, r.device_name, r.threads, r.precision, r.scan_backend, p.size, p.tile]
            figures = [t.count, t.median_ms, t.low_ms, t.high_ms] if t else [None] * 4
            peak = p.memory.peak_allocated if p.memory else None
            overlap = r.overlap if p.tile else None
            problem = markup.without_paths(p.problem)
            lines.append([*key, overlap, *figures, p.cold_ms, peak, problem, r.file_name])
    return markup.csv_text(headers, lines)


def _exponents(record: ScalingRecord) -> str:
    parts = []
    for tile in dict.fromkeys(p.tile for p in record.points):
        points = [p for p in record.points if p.tile == tile]
        time, memory = exponent(points, median_ms), exponent(points, peak_mib)
        if time is not None and memory is not None:
            how = f"in tiles of {tile}" if tile else "whole"
            parts.append(f"{how}: time grows with pixels to the power {time:.2f}, memory {memory:.2f}")
    return "; ".join(parts).capitalize() + "." if parts else "Too few sizes for an exponent."


def scaling_plot(records: Sequence[ScalingRecord]) -> bytes:
    """Time and memory over pixels, both on log scales; a cross where an input did not run. Same records, same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        for axes, value, name in ((left, median_ms, "median time (ms)"), (right, peak_mib, "memory (MiB)")):
            for index, record in enumerate(records):
                _lines(axes, record, value, COLOURS[index % len(COLOURS)])
            axes.set_xscale("log", base=2)
            axes.set_yscale("log")
            sizes = sorted({p.size for r in records for p in r.points})
            axes.set_xticks([size**2 for size in sizes], [f"{size}²" for size in sizes])
            axes.minorticks_off()
            axes.set_xlabel("pixels of the input")
            axes.set_ylabel(name)
            axes.grid(alpha=0.3)
        left.legend(frameon=False, fontsize=9)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()


def _lines(axes: Axes, record: ScalingRecord, value: Value, colour: str) -> None:
    for tile in dict.fromkeys(p.tile for p in record.points):
        points = [(p.size**2, v) for p in record.points if p.tile == tile and (v := value(p)) and not math.isinf(v)]
        if not points:
            continue
        label = scaling_title(record).split(",")[0] + (f", tiles of {tile}" if tile else "")
        axes.plot(*zip(*points, strict=True), "--o" if tile else "-D", color=colour, markersize=5, label=label)
        failed = [p.size**2 for p in record.points if p.tile == tile and p.problem]
        axes.plot(failed, [points[-1][1]] * len(failed), "x", color=colour, markersize=8)
