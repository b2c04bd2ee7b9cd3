"""The section on input sizes: tables, fitted exponents, plot and CSV, from scaling records alone."""

import io
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.core.statistics import mean, mean_psnr, summarise
from bench.core.table import Column, Table, raw, times, words
from bench.core.wording import MEBI, difference, threads_text, with_options, without_paths
from bench.report.document import Data, Drawing, Part, Section
from bench.report.plots import DPI, STYLE
from bench.studies.scaling.scaling_record import Point, ScalingRecord, TiledImage

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


def peak_bytes(point: Point) -> int | None:
    """Of one pass."""
    return point.memory.peak_allocated if point.memory else None


def exponent(points: Sequence[Point], value: Value) -> float | None:
    """Slope of log value over log pixels; None below two sizes."""
    found = [(p.size**2, v) for p in points if p.size >= FROM and (v := value(p))]
    if len({pixels for pixels, _ in found}) < 2:
        return None
    pixels, values = zip(*found, strict=True)
    return float(np.polyfit(np.log(pixels), np.log(values), 1)[0])


class _Row(NamedTuple):
    """A point, and the record that it is in."""

    record: ScalingRecord
    point: Point


POINTS: tuple[Column[_Row], ...] = (
    raw("model", lambda r: r.record.model),
    raw("device", lambda r: r.record.device_name),
    raw("threads", lambda r: r.record.threads),
    raw("precision", lambda r: r.record.precision),
    raw("scan", lambda r: r.record.scan_backend),
    Column("input", lambda r: r.point.size, "size", write=lambda r: f"{r.point.size}x{r.point.size}", text=True),
    Column("run", lambda r: r.point.tile, "tile", write=lambda r: _how(r.point.tile), text=True),
    raw("overlap", lambda r: r.record.overlap if r.point.tile else None),
    *times("time [ms]", lambda r: summarise(r.point.samples_ms) if r.point.samples_ms else None),
    Column("cold start [ms]", lambda r: r.point.cold_ms, "cold_ms", decimals=0),
    Column("memory [MiB]", lambda r: peak_bytes(r.point), "peak_bytes", 0, MEBI),
    words("remark", lambda r: without_paths(r.point.problem), "problem"),
    raw("record", lambda r: r.record.file_name),
)  # fmt: skip


def scaling_section(records: Sequence[ScalingRecord]) -> Section:
    """The report's section."""
    figure = Drawing("scaling.png", "Runtime and memory over the input's size", scaling_plot(records))
    parts: list[Part] = [INTRO, figure]
    for record in records:
        parts += [f"**{scaling_title(record)}**", point_table([record]), _exponents(record)]
        if record.images:
            parts.append(f"Tiles of {record.tile} pixels a side, {record.overlap} of them context on each side:")
            parts.append(image_table(record))
    return Section("scaling", "Input sizes", [*parts, Data(point_table(records, "scaling"))])


def scaling_title(record: ScalingRecord) -> str:
    """What sets one record apart from others of the same device."""
    threads = threads_text(record.threads, ", ")
    scan = f", scan {record.scan_backend}" if record.scan_backend else ""
    return f"{with_options(record.display_name, record.options)}, {record.precision}{threads}{scan}"


def point_table(records: Sequence[ScalingRecord], key: str = "") -> Table:
    """A row a size."""
    rows = [_Row(record, point) for record in records for point in record.points]
    return Table.of(", ".join(map(scaling_title, records)), POINTS, rows, key)


def image_table(record: ScalingRecord) -> Table:
    """What tiling costs, a row a data set."""

    def psnr(images: Sequence[TiledImage], which: str) -> float:
        return mean_psnr([getattr(image, which) for image in images])

    columns: list[Column[list[TiledImage]]] = [
        words("data set", lambda images: images[0].dataset),
        Column("images", len),
        Column("PSNR whole [dB]", lambda images: psnr(images, "psnr_whole"), decimals=3),
        Column("tiled [dB]", lambda images: psnr(images, "psnr_tiled"), decimals=3),
        Column(
            "difference",
            lambda images: psnr(images, "psnr_tiled") - psnr(images, "psnr_whole"),
            write=lambda images: difference(psnr(images, "psnr_tiled"), psnr(images, "psnr_whole"), 4),
        ),
        Column("values changed [%]", lambda images: 100 * mean([i.changed for i in images]), decimals=2),
        Column("largest", lambda images: max(i.largest for i in images)),
    ]
    names = dict.fromkeys(image.dataset for image in record.images)
    groups = [[image for image in record.images if image.dataset == name] for name in names]
    return Table.of(f"Tiles of {record.tile}, context {record.overlap}", columns, groups)


def _how(tile: int | None) -> str:
    return f"tiles of {tile}" if tile else "whole"


def _exponents(record: ScalingRecord) -> str:
    parts = []
    for tile in dict.fromkeys(p.tile for p in record.points):
        points = [p for p in record.points if p.tile == tile]
        time, memory = exponent(points, median_ms), exponent(points, peak_bytes)
        if time is not None and memory is not None:
            parts.append(f"{_how(tile)}: time grows with pixels to the power {time:.2f}, memory {memory:.2f}")
    return "; ".join(parts).capitalize() + "." if parts else "Too few sizes for an exponent."


def _peak_mib(point: Point) -> float | None:
    peak = peak_bytes(point)
    return peak * MEBI if peak is not None else None


def scaling_plot(records: Sequence[ScalingRecord]) -> bytes:
    """Time and memory over pixels, both on log scales; a cross where an input did not run. Same records, same bytes."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11, 4.6), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        for axes, value, name in ((left, median_ms, "median time (ms)"), (right, _peak_mib, "memory (MiB)")):
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
