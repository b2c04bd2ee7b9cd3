"""The charts of input sizes: time and memory against pixels, a line a network, and the exponents of both."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from bench.core.statistics import summarise
from bench.core.wording import MEBI, number, threads_text, with_options
from bench.report.charts.chart import CATEGORIES, SHAPES, Axis, Chart, Mark, Series
from bench.studies.scaling.scaling_record import Point, ScalingRecord

FROM = 128  # pixels a side; below, what every pass costs whatever its size bends the line
FAILED, TILED = "cross", "circle"
WHOLE = [shape for shape in SHAPES if shape not in (FAILED, TILED)]
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


def scaling_title(record: ScalingRecord) -> str:
    """What sets one record apart from others of the same device."""
    threads = threads_text(record.threads, ", ")
    scan = f", scan {record.scan_backend}" if record.scan_backend else ""
    return f"{_name(record)}, {record.precision}{threads}{scan}"


def how(tile: int | None) -> str:
    """Whether the input ran as a whole."""
    return f"tiles of {tile}" if tile else "whole"


def scaling_charts(records: Sequence[ScalingRecord]) -> list[Chart]:
    """Time and memory; none of a figure that no record has."""
    figures: list[tuple[str, str, str, Value]] = [
        ("scaling_time", "time", "Median time (ms)", median_ms),
        ("scaling_memory", "memory", "Peak memory (MiB)", _peak_mib),
    ]
    made = [_chart(records, *figure) for figure in figures]
    return [chart for chart in made if chart]


def _chart(records: Sequence[ScalingRecord], key: str, noun: str, axis: str, value: Value) -> Chart | None:
    series = [one for i, record in enumerate(records) for one in _series(record, value, i)]
    if not series:
        return None
    sizes = sorted({p.size for r in records for p in r.points})
    first = records[0]
    where = f"{first.device_name}{threads_text(first.threads, ', ')}"
    marks = "Circles and dashes: in tiles. " * any(s.shape == TILED for s in series)
    marks += "Cross: that size did not run, drawn level with the largest that did. " * any(
        s.shape == FAILED for s in series
    )
    return Chart(
        key,
        f"{noun.capitalize()} against the input's size",
        Axis("Pixels of the input", log=True, ticks=tuple((float(size**2), f"{size}²") for size in sizes)),
        Axis(axis, log=True),
        tuple(series),
        f"Single passes of square inputs, each size in a fresh process. {marks}Measured on {where}.",
        _conclusion(records, noun, value),
    )


def _series(record: ScalingRecord, value: Value, i: int) -> list[Series]:
    role, made = CATEGORIES[i % len(CATEGORIES)], []
    for tile in dict.fromkeys(p.tile for p in record.points):
        points = [(p, v) for p in record.points if p.tile == tile and (v := value(p)) and not math.isinf(v)]
        if not points:
            continue
        title = _name(record) + (f", tiles of {tile}" if tile else "")
        marks = tuple(_mark(title, p, v) for p, v in points)
        shape, line = (TILED, "dashed") if tile else (WHOLE[i % len(WHOLE)], "solid")
        made.append(Series(role, title, marks, shape, line=line))
        failed = tuple(
            _mark(f"{title}: did not run", p, points[-1][1]) for p in record.points if p.tile == tile and p.problem
        )
        made += [Series(role, "", failed, FAILED)] if failed else []
    return made


def _mark(title: str, point: Point, value: float) -> Mark:
    return Mark(
        point.size**2, value, facts=(("", title), ("Input", f"{point.size}x{point.size}"), ("", number(value, 1)))
    )


def _conclusion(records: Sequence[ScalingRecord], noun: str, value: Value) -> str:
    found = []
    for record in records:
        power = exponent([p for p in record.points if not p.tile], value)
        found += [f"{_name(record)} {power:.2f}"] if power is not None else []
    if not found:
        return "Too few sizes to say how it grows."
    return f"{noun.capitalize()} grows with pixels to the power of: {', '.join(found)} (1 is a cost per pixel)."


def _name(record: ScalingRecord) -> str:
    return with_options(record.display_name, record.options)


def _peak_mib(point: Point) -> float | None:
    peak = peak_bytes(point)
    return peak * MEBI if peak is not None else None
