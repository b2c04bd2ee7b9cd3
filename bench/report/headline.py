"""The figures that people quote, and which network is faster: the first thing a report shows."""

import re

from bench.record import Record, Runtime
from bench.report import figures, markup
from bench.report.lookup import DeviceRecords, Query
from bench.statistics import compare

# The first rows, and first of all the network that the others are compared with; any other network follows.
MODELS = ("dvmsr", "dvmsr_ntire", "dvmsr_bi", "rlfn", "rlfn_s", "rlfn_ntire", "swinir_light", "bicubic")
COLUMNS = (  # header, figure, scale, decimals
    ("Parameters", "complexity.parameters", 1.0, 0),
    ("FLOPs as published (G)", "complexity.flops_published", 1e-9, 2),
    ("FLOPs complete (GFLOP)", "complexity.flops", 1e-9, 1),
    ("PSNR Y, Set5 (dB)", "quality.Set5.psnr_y", 1.0, 3),
    ("Memory (MiB)", "memory.peak_allocated", 2**-20, 0),
)


def headline_markdown(device: DeviceRecords) -> str:
    """A table of the networks as they are, without options, and the order of their times."""
    rows: list[list[str]] = []
    timed_records: dict[str, Record] = {}
    own = {model: options for model, _, options in device.networks() if options}
    others = sorted({m.record.model for m in device.measured if not m.record.options} | set(own))
    for model in (*MODELS, *(name for name in others if name not in MODELS)):
        options = own.get(model, {})
        found = [device.find(Query(model, figure, options)) for _, figure, _, _ in COLUMNS]
        timed = device.find(Query(model, "runtime.median_ms", options))
        record = next((f.record for f in [timed, *found] if f), None)
        if record is None:
            continue
        cells = [
            markup.number(f.value * scale if f else None, decimals)
            for f, (_, _, scale, decimals) in zip(found, COLUMNS, strict=True)
        ]
        rows.append([record.display_name, *cells, markup.milliseconds(figures.timing(timed.record) if timed else None)])
        if timed and timed.record.runtime:
            timed_records[record.display_name] = timed.record
    headers = ["Network", *(header for header, *_ in COLUMNS), "Median time [95 % interval] (ms)"]
    return f"{markup.markdown_table(headers, rows)}\n\n{_order(timed_records)}".rstrip()


def _order(timed_records: dict[str, Record]) -> str:
    """Time over the first network's of each that was timed in turn with it, with the verdict.

    Networks with equal counts are one network with other weights: what sets their times apart is the process.
    """
    if not timed_records:
        return ""
    (first, reference), *others = timed_records.items()
    lines, apart = [], []
    for name, record in others:
        if not record.runtime or not reference.runtime:
            continue
        if not _in_turn(record.runtime, reference):
            apart.append(name)
            continue
        c = compare(record.runtime.samples_ms, reference.runtime.samples_ms)
        ratio = markup.interval(c.ratio, c.low, c.high, 3)
        verdict = {"a faster": f"{name} is faster", "b faster": f"{first} is faster", "unresolved": "unresolved"}
        same = record.complexity is not None and record.complexity == reference.complexity
        says = (
            "the same network with other weights, so this is what two processes differ by"
            if same
            else verdict[c.verdict]
        )
        lines.append(f"- {name} takes {ratio} times as long as {first}: {says}.")
    if apart:
        lines.append(f"- Timed in another run than {first}, and so not compared with it: {', '.join(apart)}.")
    return "\n".join(lines)


def _in_turn(runtime: Runtime, other: Record) -> bool:
    """Whether a network of this name, with options and scan or without, was sampled in turn."""
    if other.source:
        return other.display_name in runtime.interleaved_with
    return any(re.split(r"[@(]", label)[0] == other.model for label in runtime.interleaved_with)
