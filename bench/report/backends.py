"""Whole networks by scan backend: the same weights on the same input, each against the plain PyTorch backend."""

from collections import defaultdict
from collections.abc import Sequence

from bench.record import Record, in_turn
from bench.report import markup
from bench.report.lookup import DeviceRecords, Measured, canonical
from bench.statistics import compare, summarise

BASELINES = ("chunked", "mamba_ssm")
MEBI = 2**20
HEADERS = ["network", "input", "scan", "time [ms]", *(f"x {name}" for name in BASELINES), "memory [MiB]", "record"]
INTRO = """\
The same network on each scan backend it was measured with; "fused" runs every LayerNorm and mixer as one operator.
Time: median [95 % interval]. Speed-ups are ratios of medians of one run."""


def backends_body(device: DeviceRecords) -> str:
    """The section without its heading; "" where no network was measured with two backends."""
    rows = backend_rows(device)
    return f"{INTRO}\n\n{markup.markdown_table(HEADERS, rows, left=3)}\n" if rows else ""


def backend_rows(device: DeviceRecords) -> list[list[str]]:
    """A row a record, slowest first within a network."""
    groups: dict[tuple[str, ...], list[Measured]] = defaultdict(list)
    for item in device.measured:
        r, s = item.record, item.record.settings
        if s.scan_backend and r.runtime and not s.ntire_compat:
            options = {k: v for k, v in canonical(r.model, r.options).items() if k != "fused"}
            switches = [name for name in ("channels_last", "compile", "cuda_graph") if getattr(s, name)]
            label = f"{r.display_name} ({markup.option_text(options)})" if options else r.display_name
            groups[r.model, label, ", ".join([f"{s.height}x{s.width}", s.precision, *switches])].append(item)
    rows = []
    for (_, label, setting), items in sorted(groups.items()):
        if len(items) > 1:
            ordered = sorted(items, key=lambda item: -_median(item.record))
            rows += [_row(item, label, setting, ordered) for item in ordered]
    return rows


def _row(item: Measured, label: str, setting: str, group: Sequence[Measured]) -> list[str]:
    r, s = item.record, item.record.settings
    timing = summarise(r.runtime.samples_ms) if r.runtime else None
    scan = f"{s.scan_backend}, fused" if s.fused else f"{s.scan_backend}"
    memory = markup.number(r.memory.peak_allocated / MEBI if r.memory else None, 0)
    ratios = [_speedup(r, name, group) for name in BASELINES]
    return [label, setting, scan, markup.milliseconds(timing), *ratios, memory, f"`{item.file}`"]


def _speedup(record: Record, baseline: str, group: Sequence[Measured]) -> str:
    for other in (item.record for item in group):
        if other.settings.scan_backend == baseline and other is not record and other.runtime and record.runtime:
            if not in_turn(record.runtime, other.runtime):
                return markup.APART
            return markup.number(compare(other.runtime.samples_ms, record.runtime.samples_ms).ratio, 2)
    return markup.NONE


def _median(record: Record) -> float:
    return summarise(record.runtime.samples_ms).median_ms if record.runtime else 0.0
