"""The section on the selective scan: its table, errors and what was left out, from scan records alone."""

from collections.abc import Callable, Sequence

from bench.identity import slug
from bench.report import markup
from bench.studies.scan.figures import BASELINES, Row, copy_rate, least_bytes, rows, timed_apart, worst_errors
from bench.studies.scan.record import ScanLeftOut, ScanRecord

MEBI = 2**20
Column = tuple[str, Callable[[Row], str]]

INTRO = """\
Each backend of `models.scan.selective_scan`, measured alone by `bench/scan.py`: all of a cell in turn, on the same
inputs, each in the memory layout it likes best. Time: median [95 % interval] of single calls. Speed-ups are ratios of
medians in the same cell. Share of the floor: least bytes (inputs once in, results once out) at the rate of a big copy
on this machine in the same run, over the time; above 100 % where a cache holds everything. Memory: peak beyond inputs
and results."""
GPU_INTRO = """\
 Largest floor: of bytes, exponentials (16 a multiprocessor and clock, twice for two passes) and multiply-adds. Times
are the device's alone, from a replayed CUDA graph; launching: what a single call from Python takes longer."""


def scan_body(records: Sequence[ScanRecord], plot_names: Sequence[str]) -> str:
    """The section without its heading. `plot_names`: the figure's file of each record."""
    gpu = any(r.settings.device == "cuda" for r in records)
    parts = [INTRO + (GPU_INTRO if gpu else "")]
    for record, plot in zip(records, plot_names, strict=True):
        title = settings_text(record)
        floor = copy_rate(record.machine) / 1e9
        table = markup.markdown_table(*time_cells(record))
        parts += [
            f"**{title}.** Copy rate {floor:,.1f} GB/s.{_rivals_text(record)}",
            f"![Time of the selective scan against its length, {title}]({plot})",
            f"<details><summary>Every cell</summary>\n\n{table}\n\n</details>",
        ]
        headers, errors = error_cells(record)
        if errors:
            intro = "Largest relative error against `reference` in float64"
            parts.append(f"{intro}:\n\n{markup.markdown_table(headers, errors)}")
        if cells := timed_apart(record):
            which = "; ".join(cell.text for cell in cells)
            parts.append(f"Not all backends timed together, in table and figure alike, in these cells: {which}.")
        if lines := left_out_lines(record):
            parts.append("Left out:\n\n" + "\n".join(f"- {markup.without_paths(line)}" for line in lines))
    return "\n\n".join(parts) + "\n"


def settings_text(record: ScanRecord) -> str:
    """What sets one record apart from others of the same device."""
    s = record.settings
    threads = f", {s.threads} thread{'s' * (s.threads > 1)}" if s.threads else ""
    return f"{s.precision}{threads}, d = {s.channels}, n = {s.state}"


def plot_name(record: ScanRecord) -> str:
    """The figure's file name."""
    s = record.settings
    threads = f"_{s.threads}t" if s.threads else ""
    return slug(f"scan_{s.precision}{threads}_d{s.channels}_n{s.state}") + ".png"


def time_cells(record: ScanRecord) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a measurement; columns that would be empty are left out."""
    found = rows(record)
    baselines = [name for name in BASELINES if any(name in row.speedups for row in found)]
    columns: list[Column] = [
        ("direction", lambda row: row.measurement.cell.direction),
        ("batch", lambda row: str(row.measurement.cell.batch)),
        ("L", lambda row: f"{row.measurement.cell.length:,}"),
        ("backend", lambda row: row.measurement.backend),
        ("time [ms]", lambda row: markup.milliseconds(row.timing)),
        ("IQR [ms]", lambda row: markup.number(row.timing.iqr_ms, 3)),
        *((f"x {name}", _speedup(name)) for name in baselines),
        ("share of floor [%]", lambda row: markup.number(100 * row.share_of_bytes, 1)),
    ]
    if record.settings.device == "cuda":
        columns += [
            ("of largest floor [%]", lambda row: markup.number(100 * row.share_of_largest, 1)),
            ("launching [ms]", lambda row: markup.number(row.extra_ms, 3)),
        ]
    columns.append(("memory [MiB]", lambda row: _mebibytes(row.extra_bytes)))
    return [header for header, _ in columns], [[cell(row) for _, cell in columns] for row in found]


def _speedup(name: str) -> Callable[[Row], str]:
    return lambda row: markup.number(row.speedups[name].ratio, 2) if name in row.speedups else markup.NONE


def _mebibytes(count: int | None) -> str:
    return markup.number(None if count is None else count / MEBI, 1)


def error_cells(record: ScanRecord) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a backend."""
    worst = worst_errors(record)
    kinds = list(dict.fromkeys(kind for _, kind in worst))
    backends = list(dict.fromkeys(backend for backend, _ in worst))
    return ["backend", *kinds], [[b, *(_error_text(worst, (b, kind)) for kind in kinds)] for b in backends]


def _error_text(worst: dict[tuple[str, str], float | None], key: tuple[str, str]) -> str:
    if key not in worst:
        return markup.NONE
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


def scan_csv(records: Sequence[ScanRecord]) -> str:
    """Every measurement, and every cell left out with its estimate, as raw numbers."""
    headers = ["device", "threads", "precision", "channels", "state", "direction", "batch", "length", "backend"]
    headers += ["samples", "median_ms", "low_95_ms", "high_95_ms", "iqr_ms", "min_ms", "cold_ms", "how", "launch_ms"]
    headers += ["least_bytes", "copy_bytes_per_s", "floor_bytes_ms", "floor_exponentials_ms"]
    headers += ["floor_exponentials_twice_ms", "floor_multiply_adds_ms", "share_of_bytes_floor"]
    headers += ["share_of_largest_floor", "extra_bytes", "result_bytes", *(f"speedup_{name}" for name in BASELINES)]
    headers += ["left_out", "estimate_s", "record"]
    lines: list[list[markup.Value]] = []
    for record in records:
        lines += [_measured_line(record, row) for row in rows(record)]
        lines += [_left_out_csv(record, entry, len(headers)) for entry in record.left_out if entry.cell]
    return markup.csv_text(headers, lines)


def _measured_line(record: ScanRecord, row: Row) -> list[markup.Value]:
    s, m, t, f = record.settings, row.measurement, row.timing, row.floors
    speedups = [row.speedups[name].ratio if name in row.speedups else None for name in BASELINES]
    key: list[markup.Value] = [s.device_name, s.threads, s.precision, s.channels, s.state]
    cell: list[markup.Value] = [m.cell.direction, m.cell.batch, m.cell.length, m.backend]
    time: list[markup.Value] = [t.count, t.median_ms, t.low_ms, t.high_ms, t.iqr_ms, t.min_ms, m.runtime.cold_ms, m.how]
    floor: list[markup.Value] = [least_bytes(m.cell, s.channels, s.state, s.precision), copy_rate(record.machine)]
    floor += [f.bytes_ms, f.exponentials_ms, f.exponentials_twice_ms, f.multiply_adds_ms]
    floor += [row.share_of_bytes, row.share_of_largest]
    rest = [row.extra_bytes, m.result_bytes, *speedups, "", None, record.file_name]
    return [*key, *cell, *time, row.extra_ms, *floor, *rest]


def _left_out_csv(record: ScanRecord, entry: ScanLeftOut, columns: int) -> list[markup.Value]:
    s, cell = record.settings, entry.cell
    key: list[markup.Value] = [s.device_name, s.threads, s.precision, s.channels, s.state]
    key += [cell.direction, cell.batch, cell.length, entry.backend] if cell else []
    end: list[markup.Value] = [entry.reason, entry.estimate_s, record.file_name]
    return [*key, *[None] * (columns - len(key) - len(end)), *end]
