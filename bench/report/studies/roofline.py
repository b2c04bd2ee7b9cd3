"""The section on rooflines: what bounds each network, how far it is from its floor, and where its time goes."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from bench.core.table import Column, R, Table, raw, words
from bench.core.wording import MEBI, NONE, number, threads_text, time_decimals, with_options
from bench.report.document import Data, Fold, Part, Section
from bench.report.studies.roofline_chart import roofline_chart
from bench.studies.roofline.costs import Cost, cost, costs_by_kind, fused_floor_ms
from bench.studies.roofline.roofline_record import LayerOp, RooflineRecord

SHOWN = 10  # layers in the page; the CSV has all
INTRO = """\
Every operator of a pass, timed where it runs by `bench/roofline.py`, against two rates of the machine measured in the
same process: a copy much larger than any cache, and a large matrix product in the network's precision (the fastest of
each). An operator's floor is what its bytes take at the first or its operations at the second, whichever is longer; it
is *bound* by that one. A cache, or a convolution algorithm that saves multiplications, can beat a floor: then the time
is below 1x. **Floor as it runs**: the sum over the operators. **Fused floor**: one operator that reads input and
weights once, writes the output once and keeps the rest on the chip. Bytes count each tensor an operator reads or
writes; what a fused operator keeps inside is not among them, which is what fusing is for. An exponential counts as one
operation and takes many, so a scan's arithmetic floor is a low one. Times are medians over profiled passes of a run of
its own, and compare with no other section's; weights are random, sizes are not."""


def roofline_section(records: Sequence[RooflineRecord]) -> Section:
    """The report's section."""
    chart = roofline_chart(records, titles(records))
    parts: list[Part] = [
        INTRO,
        f"All at {common_settings(records)}.",
        *([chart] if chart else []),
        network_table(records),
        _said(records),
        "By layer type:",
        kind_table(records),
        f"The {SHOWN} slowest layers of each network; `roofline.csv` has all.",
        *(
            Fold(name, [layer_table(record, SHOWN, f"{name}: slowest layers")])
            for name, record in zip(titles(records), records, strict=True)
        ),
        Data(layer_data(records)),
    ]
    return Section("roofline", "Roofline", parts)


def titles(records: Sequence[RooflineRecord]) -> list[str]:
    """Each network's name, with the settings that not all of them share."""
    shared = set.intersection(*(set(_settings(r)) for r in records)) if len(records) > 1 else set(_settings(records[0]))
    return [
        ", ".join([with_options(r.display_name, r.options), *(part for part in _settings(r) if part not in shared)])
        for r in records
    ]


def common_settings(records: Sequence[RooflineRecord]) -> str:
    """What all of them share, such as "256x256, fp32, 2 threads"."""
    return ", ".join(part for part in _settings(records[0]) if all(part in _settings(r) for r in records))


def _settings(record: RooflineRecord) -> list[str]:
    s = record.settings
    scan = f"scan {s.scan_backend}{' fused' * s.fused}" if s.scan_backend else ""
    return list(filter(None, [f"{s.height}x{s.width}", s.precision, threads_text(s.threads), scan]))


def _ms(title: str, read: Callable[[R], float]) -> Column[R]:
    return Column(title, read, write=lambda row: number(read(row), time_decimals(read(row))))


def _share(title: str, read: Callable[[R], float], decimals: int) -> Column[R]:
    return Column(title, read, write=lambda row: f"{read(row):.{decimals}%}")


def _factor(title: str, read: Callable[[R], float | None]) -> Column[R]:
    return Column(title, read, write=lambda row: _factor_text(read(row)))


def _factor_text(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}x"


class _Network(NamedTuple):
    """A record, its name among the others, and its layers together."""

    name: str
    record: RooflineRecord
    pass_ms: float
    total: Cost
    fused_ms: float


NETWORKS: tuple[Column[_Network], ...] = (
    words("network", lambda n: n.name),
    _ms("pass [ms]", lambda n: n.pass_ms),
    _share("in its layers", lambda n: n.total.ms / n.pass_ms, 0),
    Column("GFLOP", lambda n: n.total.flops, decimals=2, scale=1e-9),
    Column("moved [MiB]", lambda n: n.total.bytes, decimals=1, scale=MEBI),
    Column("FLOP / byte", lambda n: n.total.flops / max(n.total.bytes, 1), decimals=1),
    _ms("floor as it runs [ms]", lambda n: n.total.floor_ms),
    _factor("pass / floor", lambda n: n.pass_ms / n.total.floor_ms if n.total.floor_ms else None),
    words("bound by", lambda n: n.total.bound),
    _ms("fused floor [ms]", lambda n: n.fused_ms),
    _factor("pass / fused floor", lambda n: n.pass_ms / n.fused_ms),
    Column("live [MiB]", lambda n: n.record.peak_live_bytes, decimals=1, scale=MEBI),
)


def network_table(records: Sequence[RooflineRecord]) -> Table:
    """A row a network."""
    rows = [
        _Network(name, r, median(r.passes_ms), cost(r.layers, r.rates), fused_floor_ms(r)[0])
        for name, r in zip(titles(records), records, strict=True)
    ]
    return Table.of(f"Roofline at {common_settings(records)}", NETWORKS, rows)


def _said(records: Sequence[RooflineRecord]) -> str:
    lines = []
    for name, r in zip(titles(records), records, strict=True):
        whole, total = median(r.passes_ms), cost(r.layers, r.rates)
        fused_ms, by = fused_floor_ms(r)
        kind, most = max(costs_by_kind(r).items(), key=lambda item: item[1].ms)
        lines.append(
            f"- {name}: {whole / total.floor_ms:.1f} times its floor as it runs, bound by {total.bound}; "
            f"{whole / fused_ms:.1f} times its fused floor, bound by {by}. "
            f"Most of its time, {most.ms / total.ms:.0%}, is {kind}, "
            f"at {_factor_text(most.over_floor)} of that kind's floor. "
            f"Rates: {r.rates.flops_per_s / 1e9:,.0f} GFLOP/s, {r.rates.bytes_per_s / 1e9:,.1f} GB/s."
        )
    return "\n".join(lines)


class _Kind(NamedTuple):
    """All layers of one type in one network."""

    network: str
    kind: str
    calls: int
    cost: Cost
    share: float  # of the time of all layers


KINDS: tuple[Column[_Kind], ...] = (
    words("network", lambda k: k.network),
    words("layer type", lambda k: k.kind),
    Column("calls", lambda k: k.calls),
    _ms("time [ms]", lambda k: k.cost.ms),
    _share("share", lambda k: k.share, 1),
    Column("GFLOP", lambda k: k.cost.flops, decimals=3, scale=1e-9),
    Column("moved [MiB]", lambda k: k.cost.bytes, decimals=1, scale=MEBI),
    _ms("floor [ms]", lambda k: k.cost.floor_ms),
    _factor("time / floor", lambda k: k.cost.over_floor),
    words("bound by", lambda k: k.cost.bound),
    Column("live [MiB]", lambda k: k.cost.live_bytes, decimals=1, scale=MEBI),
)


def kind_table(records: Sequence[RooflineRecord]) -> Table:
    """A row a network and layer type, in the order of their time."""
    rows = []
    for name, r in zip(titles(records), records, strict=True):
        total = cost(r.layers, r.rates).ms
        for kind, c in sorted(costs_by_kind(r).items(), key=lambda item: -item[1].ms):
            calls = sum(layer.calls for layer in r.layers if layer.kind == kind)
            rows.append(_Kind(name, kind, calls, c, c.ms / total))
    return Table.of("By layer type", KINDS, rows)


class _Layer(NamedTuple):
    """One operator of one module, and the record that it is in."""

    record: RooflineRecord
    layer: LayerOp
    cost: Cost
    share: float  # of the time of all layers


LAYERS: tuple[Column[_Layer], ...] = (
    raw("model", lambda r: r.record.model),
    raw("device", lambda r: r.record.settings.device_name),
    raw("threads", lambda r: r.record.settings.threads),
    raw("precision", lambda r: r.record.settings.precision),
    raw("scan", lambda r: r.record.settings.scan_backend),
    raw("height", lambda r: r.record.settings.height),
    raw("width", lambda r: r.record.settings.width),
    words("module", lambda r: r.layer.module, "module", write=lambda r: r.layer.module or "itself"),
    words("operator", lambda r: r.layer.op, "op", write=lambda r: r.layer.op.removeprefix("aten::")),
    words("layer type", lambda r: r.layer.kind, "kind"),
    Column("calls", lambda r: r.layer.calls, "calls"),
    _ms("time [ms]", lambda r: r.cost.ms),
    _share("share", lambda r: r.share, 1),
    raw("macs", lambda r: r.layer.macs),
    Column("GFLOP", lambda r: r.layer.flops, "flops", 3, 1e-9),
    Column("moved [MiB]", lambda r: r.layer.bytes, "bytes", 1, MEBI),
    raw("live_bytes", lambda r: r.layer.live_bytes),
    raw("median_ms", lambda r: r.cost.ms),
    raw("floor_ms", lambda r: r.cost.floor_ms),
    _factor("time / floor", lambda r: r.cost.over_floor),
    words("bound by", lambda r: r.cost.bound.partition(" (")[0]),  # all of one operator's floor
    Column("live [MiB]", lambda r: r.layer.live_bytes, decimals=1, scale=MEBI),
    raw("record", lambda r: r.record.file_name),
)


def layer_table(record: RooflineRecord, most: int, title: str = "Layers") -> Table:
    """The slowest `most` operators by module."""
    return Table.of(title, LAYERS, sorted(_layers(record), key=lambda row: -row.cost.ms)[:most])


def layer_data(records: Sequence[RooflineRecord]) -> Table:
    """Every operator of every module: a table for files."""
    return Table.of("Layers", LAYERS, [row for record in records for row in _layers(record)], "roofline")


def _layers(record: RooflineRecord) -> list[_Layer]:
    total = cost(record.layers, record.rates).ms
    costs = [(layer, cost([layer], record.rates)) for layer in record.layers]
    return [_Layer(record, layer, c, c.ms / total) for layer, c in costs]
