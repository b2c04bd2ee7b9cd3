"""The tables at the end of a run: one row a network, each figure with its unit and convention in the header."""

from collections.abc import Sequence
from functools import partial

from rich.console import Console

from bench.core.record import Record, in_turn
from bench.core.render import print_table
from bench.core.statistics import QualityMeans, compare, quality_means, summarise
from bench.core.table import Column, Table, words
from bench.core.wording import MEBI, interval
from bench.data.pairs import SCALE
from bench.score import BASELINES


def print_summary(console: Console, records: Sequence[Record]) -> None:
    """Print the figures of `records`, which share their settings; parts that nobody has are left out."""
    for table in summary_tables(records):
        print_table(console, table)
    timed = [record for record in records if record.runtime]
    apart = [r.display_name for r in timed[1:] if not in_turn(timed[0].runtime, r.runtime)]
    if apart:
        line = f"Not timed together with {timed[0].display_name}, so their times do not compare with its: "
        console.print(line + ", ".join(apart), markup=False, highlight=False, soft_wrap=True)
    for line in verdict_lines(records):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def verdict_lines(records: Sequence[Record]) -> list[str]:
    """What each network costs and gains beside the latest challenge's baseline among them, or else beside the first."""
    timed = [record for record in records if record.runtime]
    if len(timed) < 2:
        return []
    known = [name for _, name in sorted(BASELINES.items(), reverse=True)]
    plain = {r.model: r for r in reversed(timed) if not r.options}
    base = next((plain[name] for name in known if name in plain), timed[0])
    return [_verdict(record, base) for record in timed if record is not base and in_turn(record.runtime, base.runtime)]


def _verdict(record: Record, base: Record) -> str:
    assert record.runtime
    assert base.runtime
    over = compare(record.runtime.samples_ms, base.runtime.samples_ms)
    says = "" if over.verdict != "unresolved" else ", which of them is the faster is not shown"
    times = [f"{interval(over.ratio, over.low, over.high, 2)} times as long as {base.display_name}{says}"]
    counts = record.complexity, base.complexity
    for what, name in (("complete FLOPs", "flops"), ("parameters", "parameters")):
        own, other = (getattr(c, name, 0) for c in counts)
        times += [f"{own / other:.2f} times its {what}"] if own and other else []
    for quality in record.quality:
        ours, theirs = _means(quality.dataset, record), _means(quality.dataset, base)
        if ours and theirs:
            times.append(f"{ours.psnr_y - theirs.psnr_y:+.3f} dB (Y) on {quality.dataset}")
    return f"{record.display_name} takes {', '.join(times)}"


def summary_tables(records: Sequence[Record]) -> list[Table]:
    """Counts, then runtime and memory, then quality, as far as there are any."""
    settings = records[0].settings
    height, width = settings.height, settings.width
    size = f"1x3x{height}x{width} (output {SCALE * width}x{SCALE * height})"
    where = ", ".join(
        filter(None, [settings.device_name, f"{settings.threads} threads" * bool(settings.threads), settings.precision])
    )
    counted = list({(r.model, repr(r.options)): r for r in records if r.complexity}.values())  # of no scan backend
    run = [record for record in records if record.runtime or record.memory]
    scored = [record for record in records if record.quality]
    datasets = list(dict.fromkeys(quality.dataset for record in scored for quality in record.quality))
    quality = [words("weights", lambda r: r.weights.status), *(_quality(name) for name in datasets)]
    return [
        Table.of(f"Counts for an input of {size}", [NETWORK, *COUNTS], counted),
        Table.of(f"Runtime and memory for an input of {size} on {where}", [NETWORK, *SPEED], run),
        Table.of("Quality: PSNR and SSIM of Y (classic), PSNR of RGB (challenge)", [NETWORK, *quality], scored),
    ]


def _name(record: Record) -> str:
    options = "".join(f"\n  {key}={value}" for key, value in record.options.items())
    return (record.display_name if record.source else record.model) + options


def _count(title: str, field: str, scale: float = 1, decimals: int | None = None) -> Column[Record]:
    return Column(title, lambda r: getattr(r.complexity, field, None), "", decimals, scale)


NETWORK: Column[Record] = words("network", _name)
COUNTS = (
    _count("parameters", "parameters"),
    _count("FLOPs [G]\npublished", "flops_published", 1e-9, 4),
    _count("MACs [G]\ncomplete", "macs", 1e-9, 4),
    _count("FLOPs [G]\ncomplete", "flops", 1e-9, 4),
    _count("activations\npublished [M]", "activations_published", 1e-6, 4),
    _count("activations\ncomplete [M]", "activations", 1e-6, 4),
    _count("Conv2d", "conv2d"),
)


def _time(record: Record) -> float | None:
    if not record.runtime:
        return None
    timing = summarise(record.runtime.samples_ms)
    return timing.mean_ms if record.settings.ntire_compat else timing.median_ms


def _time_words(record: Record) -> str:
    kind, time = "mean" if record.settings.ntire_compat else "median", _time(record)
    return "-" if time is None else f"{kind} {time:,.2f}"


def _interval(record: Record) -> str:
    timing = summarise(record.runtime.samples_ms) if record.runtime and not record.settings.ntire_compat else None
    return f"{timing.low_ms:,.2f} to {timing.high_ms:,.2f}" if timing and timing.low_ms is not None else "-"


SPEED: tuple[Column[Record], ...] = (
    Column("time [ms]", _time, write=_time_words),
    Column("95 % interval [ms]", _interval),
    Column("samples", lambda r: len(r.runtime.samples_ms) if r.runtime else None),
    Column("cold [ms]", lambda r: r.runtime.cold_ms if r.runtime else None, decimals=0),
    Column("peak memory [MiB]", lambda r: r.memory.peak_allocated if r.memory else None, "", 0, MEBI),
    Column("scan backend", lambda r: r.settings.scan_backend),
)


def _quality(dataset: str) -> Column[Record]:
    return Column(f"{dataset}\nY [dB] / SSIM\nRGB [dB]", partial(_psnr, dataset), write=partial(_scores, dataset))


def _means(dataset: str, record: Record) -> QualityMeans | None:
    return next((quality_means(q.images) for q in record.quality if q.dataset == dataset), None)


def _psnr(dataset: str, record: Record) -> float | None:
    means = _means(dataset, record)
    return means.psnr_y if means else None


def _scores(dataset: str, record: Record) -> str:
    means = _means(dataset, record)
    return f"{means.psnr_y:.3f} / {means.ssim_y:.4f}\n{means.psnr_rgb:.3f}" if means else "-"
