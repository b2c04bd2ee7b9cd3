"""The section on input sizes: tables, fitted exponents, plot and CSV, from scaling records alone."""

from collections.abc import Sequence
from typing import NamedTuple

from bench.core.statistics import mean, mean_psnr, summarise
from bench.core.table import Column, Table, raw, times, words
from bench.core.wording import MEBI, difference, without_paths
from bench.report.document import Data, Part, Section
from bench.report.studies.scaling_chart import exponent, how, median_ms, peak_bytes, scaling_charts, scaling_title
from bench.studies.scaling.scaling_record import Point, ScalingRecord, TiledImage

INTRO = """\
Single passes of square inputs by `bench/scaling.py`, each size in a fresh process, until an input no longer fits or a
pass takes too long. Time: median [95 % interval]. Memory: peak of one pass, on a CPU the growth of a fresh process.
Every size of every network is a run of its own: times of two networks, or of this and another section, were not taken
in turn, and differ by what the machine did besides. The exponent is the slope of log time (or memory) over log pixels
from 128x128 on: 1 is a cost per pixel."""


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
    Column("run", lambda r: r.point.tile, "tile", write=lambda r: how(r.point.tile), text=True),
    raw("overlap", lambda r: r.record.overlap if r.point.tile else None),
    *times("time [ms]", lambda r: summarise(r.point.samples_ms) if r.point.samples_ms else None),
    Column("cold start [ms]", lambda r: r.point.cold_ms, "cold_ms", decimals=0),
    Column("memory [MiB]", lambda r: peak_bytes(r.point), "peak_bytes", 0, MEBI),
    words("remark", lambda r: without_paths(r.point.problem), "problem"),
    raw("record", lambda r: r.record.file_name),
)  # fmt: skip


def scaling_section(records: Sequence[ScalingRecord]) -> Section:
    """The report's section."""
    parts: list[Part] = [INTRO, *scaling_charts(records)]
    for record in records:
        parts += [f"**{scaling_title(record)}**", point_table([record]), _exponents(record)]
        if record.images:
            parts.append(f"Tiles of {record.tile} pixels a side, {record.overlap} of them context on each side:")
            parts.append(image_table(record))
    return Section("scaling", "Input sizes", [*parts, Data(point_table(records, "scaling"))])


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


def _exponents(record: ScalingRecord) -> str:
    parts = []
    for tile in dict.fromkeys(p.tile for p in record.points):
        points = [p for p in record.points if p.tile == tile]
        time, memory = exponent(points, median_ms), exponent(points, peak_bytes)
        if time is not None and memory is not None:
            parts.append(f"{how(tile)}: time grows with pixels to the power {time:.2f}, memory {memory:.2f}")
    return "; ".join(parts).capitalize() + "." if parts else "Too few sizes for an exponent."
