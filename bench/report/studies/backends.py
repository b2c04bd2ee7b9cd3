"""Whole networks by scan backend: the same weights on the same input, each against the plain PyTorch backend."""

from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bench.core.record import in_turn
from bench.core.statistics import compare
from bench.core.table import Column, Table, Value, words
from bench.core.wording import APART, MEBI, milliseconds, with_options
from bench.report import figures
from bench.report.document import Section
from bench.report.lookup import DeviceRecords, Measured, canonical

BASELINES = ("chunked", "mamba_ssm")
INTRO = """\
The same network on each scan backend it was measured with; "fused" runs every LayerNorm and mixer as one operator.
Time: median [95 % interval]. Speed-ups are ratios of medians of one run."""


class _Row(NamedTuple):
    """A record, what it is called, and those of the same network and input, itself among them."""

    item: Measured
    label: str
    setting: str
    group: Sequence[Measured]

    @property
    def scan(self) -> str:
        """Backend, and whether mixers ran as one operator."""
        s = self.item.record.settings
        return f"{s.scan_backend}, fused" if s.fused else f"{s.scan_backend}"


def _speedup(baseline: str, row: _Row) -> Value:
    record = row.item.record
    for other in (item.record for item in row.group):
        if other.settings.scan_backend == baseline and other is not record and other.runtime and record.runtime:
            if not in_turn(record.runtime, other.runtime):
                return APART
            return compare(other.runtime.samples_ms, record.runtime.samples_ms).ratio
    return None


def _median(item: Measured) -> float:
    return figures.value(item.record, "runtime.median_ms") or 0.0


COLUMNS: tuple[Column[_Row], ...] = (
    words("network", lambda r: r.label),
    words("input", lambda r: r.setting),
    words("scan", lambda r: r.scan),
    Column("time [ms]", lambda r: _median(r.item), write=lambda r: milliseconds(figures.timing(r.item.record))),
    *(Column[_Row](f"x {name}", partial(_speedup, name), decimals=2) for name in BASELINES),
    Column("memory [MiB]", lambda r: figures.value(r.item.record, "memory.peak_allocated"), decimals=0, scale=MEBI),
    words("record", lambda r: r.item.file, source=lambda r: r.item.file),
)


def backends_section(device: DeviceRecords) -> Section | None:
    """The report's section; None where no network was measured with two backends."""
    table = backend_table(device)
    return Section("backends", "Whole networks by scan backend", [INTRO, table]) if table else None


def backend_table(device: DeviceRecords) -> Table:
    """A row a record, slowest first within a network."""
    groups: dict[tuple[str, ...], list[Measured]] = defaultdict(list)
    for item in device.measured:
        r, s = item.record, item.record.settings
        if s.scan_backend and r.runtime and not s.ntire_compat:
            options = {k: v for k, v in canonical(r.model, r.options).items() if k != "fused"}
            switches = [name for name in ("channels_last", "compile", "cuda_graph") if getattr(s, name)]
            label = with_options(r.display_name, options)
            groups[r.model, label, ", ".join([f"{s.height}x{s.width}", s.precision, *switches])].append(item)
    rows = []
    for (_, label, setting), items in sorted(groups.items()):
        if len(items) > 1:
            rows += [_Row(item, label, setting, items) for item in sorted(items, key=_median, reverse=True)]
    return Table.of("Whole networks by scan backend", COLUMNS, rows)
