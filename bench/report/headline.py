"""The figures that people quote, and which network is faster: the first thing a report shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from bench.core.record import Record, Runtime, in_turn
from bench.core.statistics import compare
from bench.core.table import Column, Table, words
from bench.core.wording import interval, milliseconds
from bench.report import figures
from bench.report.document import Part, Section
from bench.report.lookup import DeviceRecords, Found, Query

# The first rows, and first of all the network that the others are compared with; any other network follows.
MODELS = ("dvmsr", "dvmsr_ntire", "dvmsr_bi", "rlfn", "rlfn_s", "rlfn_ntire", "swinir_light", "bicubic")
HEADLINE_SET = "Set5"
COLUMNS = (  # header, figure, scale, decimals
    ("Parameters", "complexity.parameters", 1.0, 0),
    ("FLOPs as published (G)", "complexity.flops_published", 1e-9, 2),
    ("FLOPs complete (GFLOP)", "complexity.flops", 1e-9, 1),
    (f"PSNR Y, {HEADLINE_SET} (dB)", f"quality.{HEADLINE_SET}.psnr_y", 1.0, 3),
    ("Memory (MiB)", "memory.peak_allocated", 2**-20, 0),
)
APART = " †"  # beside a time of another run than the first network's


@dataclass(frozen=True)
class HeadlineRow:
    """One network as it is, without options: its figures in the order of COLUMNS, and its time."""

    name: str
    found: tuple[Found | None, ...]
    timed: Found | None
    apart: bool = False  # timed in another run than the first network, so that the two times do not compare

    @property
    def time(self) -> str:
        """The median time with its interval, marked where it compares with no other."""
        timing = figures.timing(self.timed.record) if self.timed else None
        return milliseconds(timing) + APART * self.apart


def headline_table(rows: Sequence[HeadlineRow]) -> Table:
    """The networks as they are, a row each."""

    def figure(i: int, title: str, scale: float, decimals: int) -> Column[HeadlineRow]:
        return Column(
            title,
            lambda row: found.value if (found := row.found[i]) else None,
            decimals=decimals,
            scale=scale,
            source=lambda row: found.file if (found := row.found[i]) else "",
        )

    columns: list[Column[HeadlineRow]] = [words("Network", lambda row: row.name)]
    columns += [figure(i, title, scale, decimals) for i, (title, _, scale, decimals) in enumerate(COLUMNS)]
    columns.append(
        Column(
            "Median time [95 % interval] (ms)",
            lambda row: row.timed.value if row.timed else None,
            write=lambda row: row.time,
            source=lambda row: row.timed.file if row.timed else "",
        )
    )
    return Table.of("Networks at 1 x 3 x 256 x 256 in fp32", columns, rows, "networks")


def headline_rows(device: DeviceRecords) -> list[HeadlineRow]:
    """A row a network of which anything was measured."""
    rows: list[HeadlineRow] = []
    own = {model: options for model, _, options in device.networks() if options}
    others = sorted(({m.record.model for m in device.measured if not m.record.options} | set(own)) - set(MODELS))
    for model in (*MODELS, *others):
        options = own.get(model, {})
        found = tuple(device.find(Query(model, figure, options)) for _, figure, _, _ in COLUMNS)
        query = Query(model, "runtime.median_ms", options)
        first = next((row.timed.record.runtime for row in rows if row.timed), None)
        beside = device.find(query, partial(_timed_beside, first)) if first else None
        timed = beside or device.find(query)
        record = next((f.record for f in [timed, *found] if f), None)
        if record is not None:
            apart = first is not None and timed is not None and beside is None
            rows.append(HeadlineRow(record.display_name, found, timed, apart))
    return rows


def _timed_beside(first: Runtime, record: Record) -> bool:
    return in_turn(first, record.runtime)


def headline_section(device: DeviceRecords) -> Section:
    """The networks as they are, and the order of their times."""
    rows = headline_rows(device)
    parts: list[Part] = ["At 1 x 3 x 256 x 256 in fp32.", headline_table(rows), order_markdown(rows)]
    return Section("", "Headline numbers", parts)


def order_markdown(rows: Sequence[HeadlineRow]) -> str:
    """Time over the first network's of each that was timed in turn with it, in one run, with the verdict.

    Networks with equal counts are one network with other weights: what sets their times apart is the process.
    """
    timed = [(row.name, row.timed.record) for row in rows if row.timed and not row.apart]
    if not timed:
        return ""
    (first, reference), *others = timed
    lines, apart = [], [row.name for row in rows if row.apart]
    for name, record in others:
        if not record.runtime or not reference.runtime:
            continue
        c = compare(record.runtime.samples_ms, reference.runtime.samples_ms)
        ratio = interval(c.ratio, c.low, c.high, 3)
        verdict = {"a faster": f"{name} is faster", "b faster": f"{first} is faster", "unresolved": "unresolved"}
        same = record.complexity is not None and record.complexity == reference.complexity
        says = (
            "the same network with other weights, so this is what two processes differ by"
            if same
            else verdict[c.verdict]
        )
        lines.append(f"- {name} takes {ratio} times as long as {first}: {says}.")
    if apart:
        lines.append(f"- Not timed together with {first} ({APART.strip()}), and so not compared: {', '.join(apart)}.")
    return "\n".join(lines)
