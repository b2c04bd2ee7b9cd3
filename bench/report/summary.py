"""What the records hold, without any published number: every figure, the environment, and what was skipped."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from bench.core.record import Quality, Record
from bench.core.statistics import QualityMeans, Timing, quality_means
from bench.core.table import Column, Table, raw, words
from bench.core.wording import MEBI, milliseconds, number, option_text, time_decimals, with_options, without_paths
from bench.report import figures
from bench.report.document import Data, Part, Section
from bench.report.lookup import DeviceRecords, Measured
from bench.report.paper.reproduction import weights_text

SWITCHES = ("channels_last", "compile", "cuda_graph", "fused", "ntire_compat")

# Columns of measured.csv besides those that name the run: header with unit and convention, figure.
FIGURES = (
    ("parameters", "complexity.parameters"),
    ("FLOPs as published (fvcore, multiply-add 1)", "complexity.flops_published"),
    ("FLOPs fvcore, nothing hidden", "complexity.flops_fvcore_unfused"),
    ("MACs complete", "complexity.macs"),
    ("FLOPs complete (multiply-add 2)", "complexity.flops"),
    ("activations as published (Conv2d outputs)", "complexity.activations_published"),
    ("activations complete", "complexity.activations"),
    ("Conv2d calls", "complexity.conv2d"),
    ("thop MACs", "complexity.thop_macs"),
    ("thop parameters", "complexity.thop_parameters"),
    ("time median (ms, warm)", "runtime.median_ms"),
    ("time 95 % interval low (ms)", "runtime.low_ms"),
    ("time 95 % interval high (ms)", "runtime.high_ms"),
    ("time IQR (ms)", "runtime.iqr_ms"),
    ("time mean (ms)", "runtime.mean_ms"),
    ("time 5th percentile (ms)", "runtime.p5_ms"),
    ("time 95th percentile (ms)", "runtime.p95_ms"),
    ("time samples", "runtime.count"),
    ("first pass (ms, cold)", "runtime.cold_ms"),
    ("time mean with first pass (ms)", "runtime.mean_with_first_ms"),
    ("peak memory (bytes)", "memory.peak_allocated"),
    ("peak reserved memory (bytes)", "memory.peak_reserved"),
    ("memory before (bytes)", "memory.before"),
)
# Likewise, for each data set.
QUALITY_FIGURES = (
    ("PSNR RGB (dB, 4-pixel border removed)", "psnr_rgb"),
    ("PSNR Y (dB, 4-pixel border removed)", "psnr_y"),
    ("SSIM Y (4-pixel border removed)", "ssim_y"),
    ("PSNR rounded Y (dB)", "psnr_y_rounded"),
    ("PSNR Y without border removal (dB)", "psnr_y_no_border"),
    ("time mean an image (ms)", "time_ms"),
    ("peak memory (bytes)", "peak_memory"),
)


def network_label(record: Record) -> str:
    """A network with the options that make it another one."""
    return with_options(record.display_name, record.options)


def settings_label(record: Record) -> str:
    """Input size, precision, scan backend and switches of a run."""
    s = record.settings
    switches = [name for name in SWITCHES if getattr(s, name)]
    return ", ".join(filter(None, [f"{s.height}x{s.width}", s.precision, s.scan_backend, *switches]))


def measured_data(device: DeviceRecords) -> Table:
    """Every record in a line, with every figure as a raw number: a table for files."""
    sets = device.scored_sets
    named = [*FIGURES, *((f"{d}: {name}", f"quality.{d}.{f}") for d in sets for name, f in QUALITY_FIGURES)]
    columns: list[Column[Measured]] = [
        raw("record", lambda m: m.file),
        raw("network", lambda m: m.record.model),
        raw("options", lambda m: option_text(m.record.options)),
        raw("weights", lambda m: weights_text(m.record)),
        raw("device", lambda m: device.label),
        raw("settings", lambda m: settings_label(m.record)),
        *(raw(name, partial(_figure, figure)) for name, figure in named),
    ]
    return Table.of("Every record", columns, device.measured, "measured")


def _figure(figure: str, measured: Measured) -> float | None:
    return figures.value(measured.record, figure)


def measured_section(device: DeviceRecords) -> Section:
    """Every record with every figure, as a page of narrow tables."""
    parts: list[Part] = []
    for table in measured_tables(device):
        parts += [f"## {table.title}", table if table.rows else "Nothing was measured."]
    parts += [f"## Skipped\n\n{skipped_markdown(device)}", Data(measured_data(device))]
    return Section("measured", f"Measured on {device.label}", parts)


def measured_tables(device: DeviceRecords) -> tuple[Table, ...]:
    """Every record with every figure: counts, times, memory and quality, a row a record."""
    return _counts(device), _times(device), _memory(device), _quality(device)


NETWORK: Column[Measured] = words("Network", lambda m: network_label(m.record), source=lambda m: m.file)
SETTINGS: Column[Measured] = words("Settings", lambda m: settings_label(m.record))


def _counts(device: DeviceRecords) -> Table:
    def count(title: str, name: str, scale: float = 1, decimals: int | None = None) -> Column[Measured]:
        return Column(title, lambda m: getattr(m.record.complexity, name), "", decimals, scale)

    def input_size(m: Measured) -> str:
        c = m.record.complexity
        return f"{c.height}x{c.width}" if c else ""

    def uncovered(m: Measured) -> str:
        return (", ".join(m.record.complexity.uncovered_ops) if m.record.complexity else "") or "none"

    columns = [
        NETWORK,
        words("Input", input_size),
        count("Parameters", "parameters"),
        count("FLOPs as published (G)", "flops_published", 1e-9, 4),
        count("fvcore, nothing hidden (G)", "flops_fvcore_unfused", 1e-9, 4),
        count("MACs complete (GMAC)", "macs", 1e-9, 4),
        count("FLOPs complete (GFLOP)", "flops", 1e-9, 4),
        count("Activations as published (M)", "activations_published", 1e-6, 4),
        count("Activations complete (M)", "activations", 1e-6, 4),
        count("Conv2d", "conv2d"),
        words("Ops no rule covers", uncovered),
    ]
    return Table.of("Counts", columns, _with(device, "complexity"))


def _times(device: DeviceRecords) -> Table:
    def timing(m: Measured) -> Timing | None:
        return figures.timing(m.record)

    def time(title: str, figure: str) -> Column[Measured]:
        def write(m: Measured) -> str:
            return number(_figure(f"runtime.{figure}", m), time_decimals(_figure("runtime.median_ms", m)))

        return Column(title, partial(_figure, f"runtime.{figure}"), write=write)

    def settings(m: Measured) -> str:
        s = m.record.settings
        return settings_label(m.record) + (f", images of {s.timed_on}" if s.timed_on else "")

    columns = [
        NETWORK,
        words("Settings", settings),
        Column(
            "Median, warm [95 % interval] (ms)",
            partial(_figure, "runtime.median_ms"),
            write=lambda m: milliseconds(timing(m)),
        ),
        time("IQR (ms)", "iqr_ms"),
        time("Mean (ms)", "mean_ms"),
        time("95th percentile (ms)", "p95_ms"),
        time("First pass (ms)", "cold_ms"),
        time("Mean with first pass (ms)", "mean_with_first_ms"),
        Column("Samples", partial(_figure, "runtime.count")),
    ]
    return Table.of("Time of one pass at the fixed input size", columns, _with(device, "runtime"))


def _memory(device: DeviceRecords) -> Table:
    def size(title: str, name: str) -> Column[Measured]:
        return Column(title, lambda m: getattr(m.record.memory, name), "", 1, MEBI)

    columns = [
        NETWORK,
        SETTINGS,
        size("Peak (MiB)", "peak_allocated"),
        size("Reserved (MiB)", "peak_reserved"),
        size("Before (MiB)", "before"),
        words("Method", lambda m: m.record.memory.method if m.record.memory else ""),
    ]
    return Table.of("Memory of one pass at the fixed input size", columns, _with(device, "memory"))


class _Scored(NamedTuple):
    """One data set of one record."""

    measured: Measured
    quality: Quality
    means: QualityMeans


def _quality(device: DeviceRecords) -> Table:
    def score(title: str, name: str, decimals: int) -> Column[_Scored]:
        return Column(title, lambda s: getattr(s.means, name), decimals=decimals)

    columns: list[Column[_Scored]] = [
        words("Network", lambda s: network_label(s.measured.record), source=lambda s: s.measured.file),
        words("Data set", lambda s: s.quality.dataset),
        Column("Images", lambda s: len(s.quality.images)),
        score("PSNR RGB (dB)", "psnr_rgb", 3),
        score("PSNR Y (dB)", "psnr_y", 3),
        score("SSIM Y", "ssim_y", 4),
        score("PSNR rounded Y (dB)", "psnr_y_rounded", 3),
        score("PSNR Y, no border removed (dB)", "psnr_y_no_border", 3),
        Column(
            "Mean time an image (ms)",
            lambda s: s.means.time_ms,
            write=lambda s: number(s.means.time_ms, time_decimals(s.means.time_ms)),
        ),
        Column("Peak (MiB)", lambda s: s.quality.peak_memory, "", 1, MEBI),
        words("Precision", lambda s: s.measured.record.settings.precision),
        words("Weights", lambda s: weights_text(s.measured.record)),
        words("LR", lambda s: s.quality.lr_source),
    ]
    rows = [_Scored(m, q, quality_means(q.images)) for m in _with(device, "quality") for q in m.record.quality]
    title = "Quality (means over whole images; 4-pixel border removed unless stated)"
    return Table.of(title, columns, rows)


def _with(device: DeviceRecords, part: str) -> list[Measured]:
    return [m for m in device.measured if getattr(m.record, part)]


def skipped_markdown(device: DeviceRecords) -> str:
    """Measurements that were not made."""
    return "\n".join(skipped_lines(device)) or "Nothing was skipped."


def skipped_lines(device: DeviceRecords) -> list[str]:
    """Measurements that were not made: reason, estimate and command; each once."""
    lines = dict.fromkeys(
        f"- **{network_label(m.record)}**, {s.what}: {without_paths(s.reason)}"
        + (f" (about {s.estimate_s:,.0f} s)" if s.estimate_s is not None else "")
        + (f": `{without_paths(s.command)}`" if s.command else "")
        for m in device.measured
        for s in m.record.skipped
    )
    return list(lines)


def environment_table(measured: Sequence[Measured]) -> Table:
    """The environment of all records: one value where they agree, else a range or the values."""
    seen: dict[str, list[Any]] = {}
    for item in measured:
        for key, value in flat(item.record.environment).items():
            if value not in seen.setdefault(key, []):
                seen[key].append(value)
    columns: list[Column[tuple[str, list[Any]]]] = [
        words("Environment", lambda pair: pair[0]),
        words("Value", lambda pair: _values(pair[1])),
    ]
    return Table.of("Environment of these records", columns, seen.items())


def flat(environment: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested data as "outer.inner" -> value, without what is None."""
    found: dict[str, Any] = {}
    for key, value in environment.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[f"{prefix}{key}"] = value
    return found


def _values(values: list[Any]) -> str:
    if len(values) > 1 and all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return f"{min(values)} to {max(values)}"
    if len(values) > 3:
        return f"{len(values)} different values"
    return "; ".join(str(v) for v in values)
