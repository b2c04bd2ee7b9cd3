"""The charts of the selective scan: time against length, a line a backend, above the floor no backend can pass."""

from collections.abc import Sequence

from bench.core.wording import number, time_decimals
from bench.report.charts.chart import CATEGORIES, GUIDE, SHAPES, Axis, Chart, Mark, Series
from bench.studies.scan.figures import Row, curves, rows
from bench.studies.scan.scan_record import BOTH, FORWARD, ScanRecord


def scan_charts(record: ScanRecord, key: str, settings: str) -> list[Chart]:
    """A chart a direction, of the batch with the most lengths."""
    found = rows(record)
    by_direction = {d: _plotted([r for r in found if r.measurement.cell.direction == d]) for d in (FORWARD, BOTH)}
    backends = list(dict.fromkeys(row.measurement.backend for row in found))
    return [
        _chart(record, cells, backends, f"{key}_{slug}", settings)
        for (_, cells), slug in zip(by_direction.items(), ("forward", "both"), strict=True)
        if cells
    ]


def _plotted(cells: Sequence[Row]) -> list[Row]:
    """The rows of the batch that has most lengths, the smallest of several."""
    lengths: dict[int, set[int]] = {}
    for row in cells:
        lengths.setdefault(row.measurement.cell.batch, set()).add(row.measurement.cell.length)
    batch = max(lengths, key=lambda b: (len(lengths[b]), -b), default=None)
    return [row for row in cells if row.measurement.cell.batch == batch]


def _chart(record: ScanRecord, cells: Sequence[Row], backends: Sequence[str], key: str, settings: str) -> Chart:
    direction, batch = cells[0].measurement.cell.direction, cells[0].measurement.cell.batch
    series = []
    for name, points in curves(cells).items():
        marks = tuple(_mark(name, length, ms) for length, ms in points)
        if name == "floor":
            title = "floor: bytes" if record.settings.device == "cpu" else "largest floor"
            alone = "triangle-down" if len(marks) == 1 else ""  # one length has no line to be seen by
            series.append(Series(GUIDE, title, marks, alone, line="dashed"))
        else:
            place = backends.index(name)
            look = SHAPES[place % len(SHAPES)]
            series.append(Series(CATEGORIES[place % len(CATEGORIES)], name, marks, look, line="solid"))
    lengths = sorted({row.measurement.cell.length for row in cells})
    return Chart(
        key,
        f"Selective scan, {direction}",
        Axis("Length L (tokens)", log=True, ticks=tuple((float(n), f"{n:,}") for n in lengths)),
        Axis("Median time (ms)", log=True),
        tuple(series),
        f"Median of single calls, batch {batch}, {settings}, on {record.settings.device_name}. Dashed: what the least "
        "bytes take at the rate of a big copy; a cache can beat it.",
        _conclusion(cells),
    )


def _mark(name: str, length: int, ms: float) -> Mark:
    facts = (("", name), ("Length", f"{length:,}"), ("Median (ms)", number(ms, time_decimals(ms))))
    return Mark(float(length), ms, facts=facts)


def _conclusion(cells: Sequence[Row]) -> str:
    """The fastest at the greatest length, and how far ahead it is of those that ran beside it."""
    longest = max(row.measurement.cell.length for row in cells)
    at_end = [row for row in cells if row.measurement.cell.length == longest]
    best = min(at_end, key=lambda row: row.timing.median_ms)
    times = [f"{s.ratio:.1f} times as fast as {name}" for name, s in best.speedups.items()]
    who, ms = best.measurement.backend, best.timing.median_ms
    ahead = f": {', '.join(times)}" if times else ""
    return f"At L = {longest:,} {who} is the fastest, {number(ms, time_decimals(ms))} ms{ahead}."
