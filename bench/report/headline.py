"""The figures that people quote, and which network is faster: the first thing a report shows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.record import Record, Runtime
from bench.report import figures, markup
from bench.report.lookup import DeviceRecords, Found, Query
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
HEADERS = ("Network", *(header for header, *_ in COLUMNS), "Median time [95 % interval] (ms)")


@dataclass(frozen=True)
class HeadlineRow:
    """One network as it is, without options: its figures in the order of COLUMNS, and its time."""

    name: str
    found: tuple[Found | None, ...]
    timed: Found | None

    @property
    def cells(self) -> list[str]:
        """The figures and the time, as text."""
        return [
            *(
                markup.number(f.value * scale if f else None, decimals)
                for f, (_, _, scale, decimals) in zip(self.found, COLUMNS, strict=True)
            ),
            markup.milliseconds(figures.timing(self.timed.record) if self.timed else None),
        ]


def headline_rows(device: DeviceRecords) -> list[HeadlineRow]:
    """A row a network of which anything was measured."""
    rows = []
    own = {model: options for model, _, options in device.networks() if options}
    others = sorted(({m.record.model for m in device.measured if not m.record.options} | set(own)) - set(MODELS))
    for model in (*MODELS, *others):
        options = own.get(model, {})
        found = tuple(device.find(Query(model, figure, options)) for _, figure, _, _ in COLUMNS)
        timed = device.find(Query(model, "runtime.median_ms", options))
        record = next((f.record for f in [timed, *found] if f), None)
        if record is not None:
            rows.append(HeadlineRow(record.display_name, found, timed))
    return rows


def headline_markdown(device: DeviceRecords) -> str:
    """A table of the networks as they are, and the order of their times."""
    rows = headline_rows(device)
    table = markup.markdown_table(HEADERS, [[row.name, *row.cells] for row in rows])
    return f"{table}\n\n{order_markdown(rows)}".rstrip()


def order_markdown(rows: Sequence[HeadlineRow]) -> str:
    """Time over the first network's of each that was timed in turn with it, with the verdict.

    Networks with equal counts are one network with other weights: what sets their times apart is the process.
    """
    timed_records = {row.name: row.timed.record for row in rows if row.timed}
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


def sampled_together(a: Record, b: Record) -> bool:
    """Whether both were timed in one run: each names the other, and both the same third ones."""
    if not a.runtime or not b.runtime or not (_in_turn(a.runtime, b) and _in_turn(b.runtime, a)):
        return False
    of_a, of_b = set(a.runtime.interleaved_with), set(b.runtime.interleaved_with)
    return len(of_a - of_b) == len(of_b - of_a) == 1


def _in_turn(runtime: Runtime, other: Record) -> bool:
    """Whether a network of this name, with options and scan or without, was sampled in turn."""
    if other.source:
        return other.display_name in runtime.interleaved_with
    return any(re.split(r"[@(]", label)[0] == other.model for label in runtime.interleaved_with)
