"""The tables at the end of a run: one row a network, each figure with its unit and convention in the header."""

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.record import Record, in_turn
from bench.statistics import quality_means, summarise

Column = tuple[str, Callable[[Record], str]]


def print_summary(console: Console, records: Sequence[Record]) -> None:
    """Print the figures of `records`, which share their settings; parts that nobody has are left out."""
    settings = records[0].settings
    threads = f", {settings.threads} threads" if settings.threads else ""
    size = f"1x3x{settings.height}x{settings.width}"
    distinct = list({(r.model, repr(r.options)): r for r in records}.values())  # counts are of no scan backend
    console.print(_table(f"Counts for an input of {size}", COUNTS, distinct))
    if any(r.runtime or r.memory for r in records):
        where = f"{settings.device_name}{threads}, {settings.precision}"
        console.print(_table(f"Runtime and memory for an input of {size} on {where}", SPEED, records))
        timed = [record for record in records if record.runtime]
        apart = [r.display_name for r in timed[1:] if not in_turn(timed[0].runtime, r.runtime)]
        if apart:
            line = f"Not timed together with {timed[0].display_name}, so their times do not compare with its: "
            console.print(line + ", ".join(apart), markup=False, highlight=False, soft_wrap=True)
    datasets = list(dict.fromkeys(quality.dataset for record in records for quality in record.quality))
    if datasets:
        scored = [record for record in records if record.quality]
        columns = [("weights", _weights), *((f"{name}\nY [dB] / SSIM\nRGB [dB]", _quality(name)) for name in datasets)]
        console.print(_table("Quality: PSNR and SSIM of Y (classic), PSNR of RGB (challenge)", columns, scored))


def _table(title: str, columns: Sequence[Column], records: Sequence[Record]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("network")
    for header, _ in columns:
        table.add_column(escape(header), justify="right")
    for record in records:
        options = "".join(f"\n  {key}={value}" for key, value in record.options.items())
        name = record.display_name if record.source else record.model
        table.add_row(escape(name + options), *(escape(cell(record) or "-") for _, cell in columns))
    return table


def print_cells(
    console: Console, title: str, headers: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1
) -> None:
    """Print finished cells; the first `left` columns hold text, the others numbers. Nothing where there is no row."""
    if not rows:
        return
    table = Table(title=title, title_justify="left")
    for i, header in enumerate(headers):
        table.add_column(escape(header), justify="left" if i < left else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _complexity(field: str, scale: float, digits: int) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        value = getattr(record.complexity, field, None)
        return "" if value is None else f"{value / scale:,.{digits}f}"

    return cell


COUNTS: list[Column] = [
    ("parameters", _complexity("parameters", 1, 0)),
    ("FLOPs [G]\npublished", _complexity("flops_published", 1e9, 4)),
    ("MACs [G]\ncomplete", _complexity("macs", 1e9, 4)),
    ("FLOPs [G]\ncomplete", _complexity("flops", 1e9, 4)),
    ("activations\npublished [M]", _complexity("activations_published", 1e6, 4)),
    ("activations\ncomplete [M]", _complexity("activations", 1e6, 4)),
    ("Conv2d", _complexity("conv2d", 1, 0)),
]


def _time(record: Record) -> str:
    if not record.runtime:
        return ""
    timing = summarise(record.runtime.samples_ms)
    if record.settings.ntire_compat:
        return f"mean {timing.mean_ms:,.2f}"
    return f"median {timing.median_ms:,.2f}"


def _interval(record: Record) -> str:
    timing = summarise(record.runtime.samples_ms) if record.runtime and not record.settings.ntire_compat else None
    return f"{timing.low_ms:,.2f} to {timing.high_ms:,.2f}" if timing and timing.low_ms is not None else ""


SPEED: list[Column] = [
    ("time [ms]", _time),
    ("95 % interval [ms]", _interval),
    ("samples", lambda r: str(len(r.runtime.samples_ms)) if r.runtime else ""),
    ("cold [ms]", lambda r: f"{r.runtime.cold_ms:,.0f}" if r.runtime else ""),
    ("peak memory [MiB]", lambda r: f"{r.memory.peak_allocated / 2**20:,.0f}" if r.memory else ""),
    ("scan backend", lambda r: r.settings.scan_backend or ""),
]


def _weights(record: Record) -> str:
    return record.weights.status


def _quality(dataset: str) -> Callable[[Record], str]:
    def cell(record: Record) -> str:
        found = [quality for quality in record.quality if quality.dataset == dataset]
        if not found:
            return ""
        means = quality_means(found[0].images)
        return f"{means.psnr_y:.3f} / {means.ssim_y:.4f}\n{means.psnr_rgb:.3f}"

    return cell
