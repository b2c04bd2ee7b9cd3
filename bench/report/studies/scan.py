"""The section on the selective scan: its table, errors and what was left out, from scan records alone."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from bench.core.identity import slug
from bench.core.table import Column, Table, Value, raw, words
from bench.core.wording import MEBI, NONE, milliseconds, threads_text, without_paths
from bench.report.document import Data, Fold, Part, Section
from bench.report.studies.scan_chart import scan_charts
from bench.studies.scan.figures import BASELINES, Row, copy_rate, least_bytes, rows, timed_apart, worst_errors
from bench.studies.scan.scan_record import ScanCell, ScanLeftOut, ScanRecord

INTRO = """\
Each backend of `models.scan.selective_scan`, measured alone by `bench/scan.py`: all of a cell in turn, on the same
inputs, each in the memory layout it likes best. Time: median [95 % interval] of single calls. Speed-ups are ratios of
medians in the same cell. Share of the floor: least bytes (inputs once in, results once out) at the rate of a big copy
on this machine in the same run, over the time; above 100 % where a cache holds everything. Memory: peak beyond inputs
and results."""
GPU_INTRO = """\
 Largest floor: of bytes, exponentials (16 a multiprocessor and clock, twice for two passes) and multiply-adds. Times
are the device's alone, from a replayed CUDA graph; launching: what a single call from Python takes longer."""


def scan_section(records: Sequence[ScanRecord]) -> Section:
    """The report's section."""
    gpu = any(r.settings.device == "cuda" for r in records)
    parts: list[Part] = [INTRO + (GPU_INTRO if gpu else "")]
    for record in records:
        title = settings_text(record)
        floor = copy_rate(record.machine) / 1e9
        parts += [
            f"**{title}.** Copy rate {floor:,.1f} GB/s.{_rivals_text(record)}",
            *scan_charts(record, _key(record), title),
            Fold("Every cell", [time_table(record)]),
        ]
        if errors := error_table(record):
            parts += ["Largest relative error against `reference` in float64:", errors]
        if cells := timed_apart(record):
            which = "; ".join(cell.text for cell in cells)
            parts.append(f"Not all backends timed together, in table and figure alike, in these cells: {which}.")
        if lines := left_out_lines(record):
            parts.append("Left out:\n\n" + "\n".join(f"- {without_paths(line)}" for line in lines))
    return Section("scan", "Selective scan", [*parts, Data(scan_data(records))])


def settings_text(record: ScanRecord) -> str:
    """What sets one record apart from others of the same device."""
    s = record.settings
    threads = threads_text(s.threads, ", ")
    return f"{s.precision}{threads}, d = {s.channels}, n = {s.state}"


def _key(record: ScanRecord) -> str:
    s = record.settings
    threads = f"_{s.threads}t" if s.threads else ""
    return slug(f"scan_{s.precision}{threads}_d{s.channels}_n{s.state}")


def _speedup(name: str, row: Row) -> float | None:
    return row.speedups[name].ratio if name in row.speedups else None


TIMES: tuple[Column[Row], ...] = (
    words("direction", lambda row: row.measurement.cell.direction),
    Column("batch", lambda row: row.measurement.cell.batch),
    Column("L", lambda row: row.measurement.cell.length),
    words("backend", lambda row: row.measurement.backend),
    Column("time [ms]", lambda row: row.timing.median_ms, write=lambda row: milliseconds(row.timing)),
    Column("IQR [ms]", lambda row: row.timing.iqr_ms, decimals=3),
    *(Column[Row](f"x {name}", partial(_speedup, name), decimals=2) for name in BASELINES),
    Column("share of floor [%]", lambda row: 100 * row.share_of_bytes, decimals=1),
)
GPU_TIMES: tuple[Column[Row], ...] = (
    Column("of largest floor [%]", lambda row: 100 * row.share_of_largest, decimals=1),
    Column("launching [ms]", lambda row: row.extra_ms, decimals=3),
)
MEMORY: Column[Row] = Column("memory [MiB]", lambda row: row.extra_bytes, decimals=1, scale=MEBI)


def time_table(record: ScanRecord) -> Table:
    """A row a measurement."""
    s = record.settings
    columns = [*TIMES, *(GPU_TIMES if s.device == "cuda" else ()), MEMORY]
    return Table.of(f"Selective scan on {s.device_name}, {settings_text(record)}", columns, rows(record))


def error_table(record: ScanRecord) -> Table:
    """A row a backend."""
    worst = worst_errors(record)

    def of(kind: str) -> Column[str]:
        return Column(kind, lambda backend: worst.get((backend, kind)), write=lambda b: _error_text(worst, (b, kind)))

    columns: list[Column[str]] = [words("backend", str), *map(of, dict.fromkeys(kind for _, kind in worst))]
    backends = list(dict.fromkeys(backend for backend, _ in worst))
    return Table.of("Largest relative error against reference in float64", columns, backends)


def _error_text(worst: dict[tuple[str, str], float | None], key: tuple[str, str]) -> str:
    if key not in worst:
        return NONE
    value = worst[key]
    return "not finite" if value is None else f"{value:.1e}"


def left_out_lines(record: ScanRecord) -> list[str]:
    """What was not measured, and why."""
    return [_left_out_line(entry) for entry in record.left_out]


def _left_out_line(entry: ScanLeftOut) -> str:
    where = f", {entry.cell.text}" if entry.cell else ""
    return f"{entry.backend}{where}: {entry.reason}"


def _rivals_text(record: ScanRecord) -> str:
    if record.settings.device != "cuda":
        return ""
    return "".join(f" `{name}` {'imports' if there else 'does not import'}." for name, there in record.rivals.items())


class _Line(NamedTuple):
    """A measurement, or a cell that was left out."""

    record: ScanRecord
    cell: ScanCell
    backend: str
    row: Row | None = None
    left_out: ScanLeftOut | None = None


def _figure(key: str, read: Callable[[Row], Value]) -> Column[_Line]:
    return raw(key, lambda line: read(line.row) if line.row else None)


def _least_bytes(line: _Line) -> int | None:
    s = line.record.settings
    return least_bytes(line.cell, s.channels, s.state, s.precision) if line.row else None


LINES: tuple[Column[_Line], ...] = (
    raw("device", lambda line: line.record.settings.device_name),
    raw("threads", lambda line: line.record.settings.threads),
    raw("precision", lambda line: line.record.settings.precision),
    raw("channels", lambda line: line.record.settings.channels),
    raw("state", lambda line: line.record.settings.state),
    raw("direction", lambda line: line.cell.direction),
    raw("batch", lambda line: line.cell.batch),
    raw("length", lambda line: line.cell.length),
    raw("backend", lambda line: line.backend),
    _figure("samples", lambda row: row.timing.count),
    _figure("median_ms", lambda row: row.timing.median_ms),
    _figure("low_95_ms", lambda row: row.timing.low_ms),
    _figure("high_95_ms", lambda row: row.timing.high_ms),
    _figure("iqr_ms", lambda row: row.timing.iqr_ms),
    _figure("min_ms", lambda row: row.timing.min_ms),
    _figure("cold_ms", lambda row: row.measurement.runtime.cold_ms),
    _figure("how", lambda row: row.measurement.how),
    _figure("launch_ms", lambda row: row.extra_ms),
    raw("least_bytes", _least_bytes),
    raw("copy_bytes_per_s", lambda line: copy_rate(line.record.machine) if line.row else None),
    _figure("floor_bytes_ms", lambda row: row.floors.bytes_ms),
    _figure("floor_exponentials_ms", lambda row: row.floors.exponentials_ms),
    _figure("floor_exponentials_twice_ms", lambda row: row.floors.exponentials_twice_ms),
    _figure("floor_multiply_adds_ms", lambda row: row.floors.multiply_adds_ms),
    _figure("share_of_bytes_floor", lambda row: row.share_of_bytes),
    _figure("share_of_largest_floor", lambda row: row.share_of_largest),
    _figure("extra_bytes", lambda row: row.extra_bytes),
    _figure("result_bytes", lambda row: row.measurement.result_bytes),
    *(_figure(f"speedup_{name}", partial(_speedup, name)) for name in BASELINES),
    raw("left_out", lambda line: line.left_out.reason if line.left_out else None),
    raw("estimate_s", lambda line: line.left_out.estimate_s if line.left_out else None),
    raw("record", lambda line: line.record.file_name),
)


def scan_data(records: Sequence[ScanRecord]) -> Table:
    """Every measurement, and every cell left out with its estimate: a table for files."""
    lines = []
    for record in records:
        lines += [_Line(record, row.measurement.cell, row.measurement.backend, row) for row in rows(record)]
        lines += [_Line(record, e.cell, e.backend, left_out=e) for e in record.left_out if e.cell]
    return Table.of("Selective scan", LINES, lines, "scan")
