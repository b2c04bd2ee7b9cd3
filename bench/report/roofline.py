"""The section on rooflines: what bounds each network, how far it is from its floor, and where its time goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.report import markup
from bench.studies.roofline.record import LayerOp, Rates, RooflineRecord

PLOT = "roofline.png"
ARITHMETIC, TRAFFIC = "arithmetic", "memory traffic"
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


@dataclass(frozen=True)
class Cost:
    """Some operators together: milliseconds, counts, bytes, and the floor in ms by what bounds each operator."""

    ms: float
    flops: int
    bytes: int
    live_bytes: int
    arithmetic_ms: float
    traffic_ms: float

    @property
    def floor_ms(self) -> float:
        """Of all of them, one after the other."""
        return self.arithmetic_ms + self.traffic_ms

    @property
    def bound(self) -> str:
        """What most of the floor is made of, with its share."""
        if not self.floor_ms:
            return markup.NONE
        name, ms = max((ARITHMETIC, self.arithmetic_ms), (TRAFFIC, self.traffic_ms), key=lambda pair: pair[1])
        return f"{name} ({ms / self.floor_ms:.0%})"

    @property
    def over_floor(self) -> str:
        """The measured time in floors."""
        return f"{self.ms / self.floor_ms:.2f}x" if self.floor_ms else markup.NONE


def cost(layers: Sequence[LayerOp], rates: Rates) -> Cost:
    """Sum up operators, each with its own floor."""
    arithmetic = traffic = 0.0
    for layer in layers:
        by_operations = layer.flops / rates.flops_per_s * 1e3
        by_bytes = layer.bytes / rates.bytes_per_s * 1e3
        if by_operations > by_bytes:
            arithmetic += by_operations
        else:
            traffic += by_bytes
    return Cost(
        ms=sum(median(layer.times_ms) for layer in layers),
        flops=sum(layer.flops for layer in layers),
        bytes=sum(layer.bytes for layer in layers),
        live_bytes=max((layer.live_bytes for layer in layers), default=0),
        arithmetic_ms=arithmetic,
        traffic_ms=traffic,
    )


def fused_floor_ms(record: RooflineRecord) -> tuple[float, str]:
    """Of the whole network as one operator, and what bounds it."""
    by_operations = sum(layer.flops for layer in record.layers) / record.rates.flops_per_s * 1e3
    by_bytes = record.least_bytes / record.rates.bytes_per_s * 1e3
    return max((by_operations, ARITHMETIC), (by_bytes, TRAFFIC))


def roofline_body(records: Sequence[RooflineRecord]) -> str:
    """The section without its heading."""
    parts = [
        INTRO,
        f"All at {common_settings(records)}.",
        f"![Roofline]({PLOT})",
        markup.markdown_table(*network_cells(records)),
        _said(records),
    ]
    parts += ["By layer type:", markup.markdown_table(*kind_cells(records), left=2)]
    parts.append(f"The {SHOWN} slowest layers of each network; `roofline.csv` has all.")
    for name, record in zip(titles(records), records, strict=True):
        table = markup.markdown_table(*layer_cells(record, SHOWN), left=3)
        parts.append(f"<details><summary>{name}</summary>\n\n{table}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def titles(records: Sequence[RooflineRecord]) -> list[str]:
    """Each network's name, with the settings that not all of them share."""
    shared = set.intersection(*(set(_settings(r)) for r in records)) if len(records) > 1 else set(_settings(records[0]))
    return [", ".join([_name(r), *(part for part in _settings(r) if part not in shared)]) for r in records]


def common_settings(records: Sequence[RooflineRecord]) -> str:
    """What all of them share, such as "256x256, fp32, 2 threads"."""
    return ", ".join(part for part in _settings(records[0]) if all(part in _settings(r) for r in records))


def _name(record: RooflineRecord) -> str:
    options = f" ({markup.option_text(record.options)})" if record.options else ""
    return record.display_name + options


def _settings(record: RooflineRecord) -> list[str]:
    s = record.settings
    threads = [f"{s.threads} thread{'s' * (s.threads > 1)}"] if s.threads else []
    scan = [f"scan {s.scan_backend}{' fused' * s.fused}"] if s.scan_backend else []
    return [f"{s.height}x{s.width}", s.precision, *threads, *scan]


def network_cells(records: Sequence[RooflineRecord]) -> tuple[list[str], list[list[str]]]:
    """A row a network."""
    headers = ["network", "pass [ms]", "in its layers", "GFLOP", "moved [MiB]", "FLOP / byte", "floor as it runs [ms]"]
    headers += ["pass / floor", "bound by", "fused floor [ms]", "pass / fused floor", "live [MiB]"]
    rows = []
    for name, r in zip(titles(records), records, strict=True):
        whole, total = median(r.passes_ms), cost(r.layers, r.rates)
        fused_ms, _ = fused_floor_ms(r)
        row = [name, _ms(whole), f"{total.ms / whole:.0%}", markup.number(total.flops / 1e9, 2), _mib(total.bytes)]
        row += [markup.number(total.flops / max(total.bytes, 1), 1), _ms(total.floor_ms)]
        row += [f"{whole / total.floor_ms:.2f}x" if total.floor_ms else markup.NONE, total.bound, _ms(fused_ms)]
        rows.append([*row, f"{whole / fused_ms:.2f}x", _mib(r.peak_live_bytes)])
    return headers, rows


def _said(records: Sequence[RooflineRecord]) -> str:
    lines = []
    for name, r in zip(titles(records), records, strict=True):
        whole, total = median(r.passes_ms), cost(r.layers, r.rates)
        fused_ms, by = fused_floor_ms(r)
        kind, most = max(costs_by_kind(r).items(), key=lambda item: item[1].ms)
        lines.append(
            f"- {name}: {whole / total.floor_ms:.1f} times its floor as it runs, bound by {total.bound}; "
            f"{whole / fused_ms:.1f} times its fused floor, bound by {by}. "
            f"Most of its time, {most.ms / total.ms:.0%}, is {kind}, at {most.over_floor} of that kind's floor. "
            f"Rates: {r.rates.flops_per_s / 1e9:,.0f} GFLOP/s, {r.rates.bytes_per_s / 1e9:,.1f} GB/s."
        )
    return "\n".join(lines)


def kind_cells(records: Sequence[RooflineRecord]) -> tuple[list[str], list[list[str]]]:
    """A row a network and layer type, in the order of their time."""
    headers = ["network", "layer type", "calls", "time [ms]", "share", "GFLOP", "moved [MiB]", "floor [ms]"]
    headers += ["time / floor", "bound by", "live [MiB]"]
    rows = []
    for name, r in zip(titles(records), records, strict=True):
        total = cost(r.layers, r.rates).ms
        for kind, c in sorted(costs_by_kind(r).items(), key=lambda item: -item[1].ms):
            calls = sum(layer.calls for layer in r.layers if layer.kind == kind)
            row = [name, kind, str(calls), _ms(c.ms), f"{c.ms / total:.1%}", markup.number(c.flops / 1e9, 3)]
            rows.append([*row, _mib(c.bytes), _ms(c.floor_ms), c.over_floor, c.bound, _mib(c.live_bytes)])
    return headers, rows


def costs_by_kind(record: RooflineRecord) -> dict[str, Cost]:
    """Layer types that run, in the order of their names."""
    kinds = sorted({layer.kind for layer in record.layers})
    return {kind: cost([layer for layer in record.layers if layer.kind == kind], record.rates) for kind in kinds}


def layer_cells(record: RooflineRecord, most: int) -> tuple[list[str], list[list[str]]]:
    """The slowest `most` operators by module."""
    headers = ["module", "operator", "layer type", "calls", "time [ms]", "share", "GFLOP", "moved [MiB]"]
    headers += ["time / floor", "bound by", "live [MiB]"]
    total = cost(record.layers, record.rates).ms
    slowest = sorted(record.layers, key=lambda layer: -median(layer.times_ms))[:most]
    rows = []
    for layer in slowest:
        c = cost([layer], record.rates)
        row = [layer.module or "itself", layer.op.removeprefix("aten::"), layer.kind, str(layer.calls), _ms(c.ms)]
        row += [f"{c.ms / total:.1%}", markup.number(c.flops / 1e9, 3), _mib(c.bytes), c.over_floor]
        rows.append([*row, c.bound.partition(" (")[0], _mib(c.live_bytes)])
    return headers, rows


def roofline_csv(records: Sequence[RooflineRecord]) -> str:
    """Every operator of every module as raw numbers."""
    headers = ["model", "device", "threads", "precision", "scan", "height", "width", "module", "op", "kind", "calls"]
    headers += ["macs", "flops", "bytes", "live_bytes", "median_ms", "floor_ms", "record"]
    lines: list[list[markup.Value]] = []
    for r in records:
        s = r.settings
        key: list[markup.Value] = [r.model, s.device_name, s.threads, s.precision, s.scan_backend, s.height, s.width]
        for layer in r.layers:
            c = cost([layer], r.rates)
            counts: list[markup.Value] = [layer.calls, layer.macs, layer.flops, layer.bytes, layer.live_bytes]
            lines.append([*key, layer.module, layer.op, layer.kind, *counts, c.ms, c.floor_ms, r.file_name])
    return markup.csv_text(headers, lines)


def _ms(value: float) -> str:
    return markup.number(value, markup.time_decimals(value))


def _mib(count: int) -> str:
    return markup.number(count / 2**20, 1)
