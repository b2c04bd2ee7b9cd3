"""What the records hold, without any published number: every figure, the environment, and what was skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.record import Record
from bench.report import figures, markup
from bench.report.entries import weights_text
from bench.report.lookup import DeviceRecords, Measured
from bench.statistics import quality_means

MEBI = 2**-20
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
    options = markup.option_text(record.options)
    return f"{record.display_name} ({options})" if options else record.display_name


def settings_label(record: Record) -> str:
    """Input size, precision, scan backend and switches of a run."""
    s = record.settings
    switches = [name for name in SWITCHES if getattr(s, name)]
    return ", ".join(filter(None, [f"{s.height}x{s.width}", s.precision, s.scan_backend, *switches]))


def measured_csv(device: DeviceRecords) -> str:
    """Every record in a line, with every figure as a raw number."""
    datasets = sorted({q.dataset for m in device.measured for q in m.record.quality})
    columns = [
        *FIGURES,
        *((f"{d}: {name}", f"quality.{d}.{figure}") for d in datasets for name, figure in QUALITY_FIGURES),
    ]
    headers = ["record", "network", "options", "weights", "device", "settings", *(name for name, _ in columns)]
    rows = []
    for item in device.measured:
        r = item.record
        naming = [item.file, r.model, markup.option_text(r.options), weights_text(r), device.label, settings_label(r)]
        rows.append([*naming, *(figures.value(r, figure) for _, figure in columns)])
    return markup.csv_text(headers, rows)


def measured_markdown(device: DeviceRecords) -> str:
    """Every record with every figure, as a page of narrow tables."""
    parts = [f"# Measured on {device.label}"]
    for section in measured_sections(device):
        rows = [row for _, row in section.rows]
        table = markup.markdown_table(section.headers, rows, left=2) if rows else "Nothing was measured."
        parts.append(f"## {section.title}\n\n{table}")
    return "\n\n".join([*parts, f"## Skipped\n\n{skipped_markdown(device)}"]) + "\n"


@dataclass(frozen=True)
class Section:
    """A table of one kind of figures: its rows are text cells, each row with the record it is from."""

    title: str
    headers: list[str]
    rows: list[tuple[str, list[str]]]


def measured_sections(device: DeviceRecords) -> tuple[Section, ...]:
    """Every record with every figure; the first two columns are text."""
    return _counts(device), _times(device), _memory(device), _quality(device)


def _counts(device: DeviceRecords) -> Section:
    headers = ["Network", "Input", "Parameters", "FLOPs as published (G)", "fvcore, nothing hidden (G)"]
    headers += ["MACs complete (GMAC)", "FLOPs complete (GFLOP)", "Activations as published (M)"]
    headers += ["Activations complete (M)", "Conv2d", "Ops no rule covers"]
    rows = []
    for file, r in _with(device, "complexity"):
        c = r.complexity
        if c:
            scaled = [(c.flops_published, 1e-9), (c.flops_fvcore_unfused, 1e-9), (c.macs, 1e-9), (c.flops, 1e-9)]
            scaled += [(c.activations_published, 1e-6), (c.activations, 1e-6)]
            cells = ["none" if value is None else markup.number(value * scale, 4) for value, scale in scaled]
            uncovered = ", ".join(c.uncovered_ops) or "none"
            size = f"{c.height}x{c.width}"
            rows.append((file, [network_label(r), size, f"{c.parameters:,}", *cells, str(c.conv2d), uncovered]))
    return Section("Counts", headers, rows)


def _times(device: DeviceRecords) -> Section:
    headers = ["Network", "Settings", "Median, warm [95 % interval] (ms)", "IQR (ms)", "Mean (ms)"]
    headers += ["95th percentile (ms)", "First pass (ms)", "Mean with first pass (ms)", "Samples"]
    rows = []
    for file, r in _with(device, "runtime"):
        timing = figures.timing(r)
        if timing and r.runtime:
            decimals = markup.time_decimals(timing.median_ms)
            with_first = figures.value(r, "runtime.mean_with_first_ms")
            times = [timing.iqr_ms, timing.mean_ms, timing.p95_ms, r.runtime.cold_ms, with_first]
            cells = [markup.number(t, decimals) for t in times]
            timed = f", images of {r.quality[0].dataset}" if r.settings.ntire_compat and r.quality else ""
            median = markup.milliseconds(timing)
            rows.append((file, [network_label(r), settings_label(r) + timed, median, *cells, str(timing.count)]))
    return Section("Time of one pass at the fixed input size", headers, rows)


def _memory(device: DeviceRecords) -> Section:
    headers = ["Network", "Settings", "Peak (MiB)", "Reserved (MiB)", "Before (MiB)", "Method"]
    rows = []
    for file, r in _with(device, "memory"):
        if m := r.memory:
            sizes = [m.peak_allocated, m.peak_reserved, m.before]
            cells = [markup.number(None if size is None else size * MEBI, 1) for size in sizes]
            rows.append((file, [network_label(r), settings_label(r), *cells, m.method]))
    return Section("Memory of one pass at the fixed input size", headers, rows)


def _quality(device: DeviceRecords) -> Section:
    headers = ["Network", "Data set", "Images", "PSNR RGB (dB)", "PSNR Y (dB)", "SSIM Y", "PSNR rounded Y (dB)"]
    headers += ["PSNR Y, no border removed (dB)", "Mean time an image (ms)", "Peak (MiB)", "Precision", "Weights", "LR"]
    rows = []
    for file, r in _with(device, "quality"):
        for q in r.quality:
            means = quality_means(q.images)
            scores = [(means.psnr_rgb, 3), (means.psnr_y, 3), (means.ssim_y, 4), (means.psnr_y_rounded, 3)]
            scores += [(means.psnr_y_no_border, 3), (means.time_ms, markup.time_decimals(means.time_ms))]
            cells = [markup.number(value, decimals) for value, decimals in scores]
            peak = markup.number(None if q.peak_memory is None else q.peak_memory * MEBI, 1)
            ends = [peak, r.settings.precision, weights_text(r), q.lr_source]
            rows.append((file, [network_label(r), q.dataset, str(len(q.images)), *cells, *ends]))
    return Section("Quality (means over whole images; 4-pixel border removed unless stated)", headers, rows)


def _with(device: DeviceRecords, part: str) -> list[tuple[str, Record]]:
    return [(m.file, m.record) for m in device.measured if getattr(m.record, part)]


def skipped_markdown(device: DeviceRecords) -> str:
    """Measurements that were not made: reason, estimate and command; each once."""
    lines = dict.fromkeys(
        f"- **{network_label(m.record)}**, {s.what}: {markup.without_paths(s.reason)}"
        + (f" (about {s.estimate_s:,.0f} s)" if s.estimate_s is not None else "")
        + (f": `{markup.without_paths(s.command)}`" if s.command else "")
        for m in device.measured
        for s in m.record.skipped
    )
    return "\n".join(lines) or "Nothing was skipped."


def environment_markdown(measured: Sequence[Measured]) -> str:
    """The environment of all records: one value where they agree, else a range or the values."""
    seen: dict[str, list[Any]] = {}
    for item in measured:
        for key, value in flat(item.record.environment).items():
            if value not in seen.setdefault(key, []):
                seen[key].append(value)
    rows = [[key, _values(values)] for key, values in seen.items()]
    return markup.markdown_table(["Environment", "Value"], rows, left=2)


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
