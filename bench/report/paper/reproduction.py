"""One comparison: a published number, the measured one, and their difference; a table is a list of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.core.record import Record
from bench.core.table import Column, Table, raw
from bench.core.wording import NONE, difference, interval, number, time_decimals
from bench.report import figures
from bench.report.lookup import DeviceRecords, Query
from bench.report.paper.published import PublishedRow


@dataclass(frozen=True)
class Quantity:
    """What is compared, with its unit and convention.

    Attributes:
        name, unit, convention: as the table prints them.
        figure: where the record has it (bench.report.figures).
        decimals: of the measured value and the difference.
        paper: column of the published table; None for a quantity that the paper does not give.
        paper_scale, scale: factors from the paper's and the record's unit to `unit`.
        size, ntire_compat: which record is asked.
        cut: how the paper shortens the number before it prints it, applied to the measured value too.
    """

    name: str
    unit: str
    convention: str
    figure: str
    decimals: int
    paper: str | None = None
    paper_scale: float = 1
    scale: float = 1
    size: tuple[int, int] = (256, 256)
    ntire_compat: bool = False
    cut: Callable[[float], float] = float


@dataclass(frozen=True)
class Network:
    """One network of a table: its name there, its registry name and options, and its published row."""

    label: str
    model: str | None  # None where no record can be asked
    published: PublishedRow | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reproduction:
    """One published number beside the measured one, both in `quantity.unit`."""

    network: Network
    quantity: Quantity
    paper: float | None
    paper_text: str
    measured: float | None
    low: float | None = None  # 95 % interval, of medians of times
    high: float | None = None
    file: str = ""  # record the measured value comes from
    weights: str = ""

    @property
    def difference(self) -> float | None:
        """Measured minus paper, in `quantity.unit`."""
        if self.measured is None or self.paper is None:
            return None
        return round(self.measured - self.paper, 9)  # without the last digits' binary noise

    @property
    def measured_text(self) -> str:
        """The measured value as a cell; a median carries its interval."""
        if self.quantity.figure == "runtime.median_ms":
            return interval(self.measured, self.low, self.high, time_decimals(self.measured))
        return number(self.measured, self.quantity.decimals)

    @property
    def difference_text(self) -> str:
        """The difference as a cell."""
        return difference(self.measured, self.paper, self.quantity.decimals)

    @property
    def query(self) -> Query:
        """What to ask the records for it. Only for networks of the registry."""
        q = self.quantity
        return Query(self.network.model or "", q.figure, self.network.options, q.size, q.ntire_compat)


def compare_with_paper(device: DeviceRecords, network: Network, quantity: Quantity) -> Reproduction:
    """Look up both sides of one comparison."""
    row, column = network.published, quantity.paper
    paper = row.number(column) if row and column else None
    text = row.text(column) if row and column else ""
    if paper is not None and quantity.paper_scale != 1:
        paper *= quantity.paper_scale
        text = f"{paper:g}"
    empty = Reproduction(network, quantity, paper, text or NONE, None)
    found = device.find(empty.query) if network.model else None
    if found is None:
        return empty
    timing = figures.timing(found.record) if quantity.figure == "runtime.median_ms" else None
    return Reproduction(
        network,
        quantity,
        paper,
        text or NONE,
        quantity.cut(found.value * quantity.scale),
        timing.low_ms if timing else None,
        timing.high_ms if timing else None,
        found.file,
        weights_text(found.record),
    )


def weights_text(record: Record) -> str:
    """Which weights a record was measured with, in a word or two."""
    w = record.weights
    return f"custom {(w.sha256 or '')[:8]}".strip() if w.status == "custom" else w.status


def reproduction_table(title: str, key: str, device: DeviceRecords, found: Sequence[Reproduction]) -> Table:
    """One a line, with raw numbers and the record that each measured value comes from: a table for files."""
    columns: list[Column[Reproduction]] = [
        raw("network", lambda c: c.network.label),
        raw("quantity", lambda c: c.quantity.name),
        raw("unit", lambda c: c.quantity.unit),
        raw("convention", lambda c: c.quantity.convention),
        raw("paper", lambda c: c.paper),
        raw("measured", lambda c: c.measured),
        raw("difference", lambda c: c.difference),
        raw("measured_low_95", lambda c: c.low),
        raw("measured_high_95", lambda c: c.high),
        raw("device", lambda c: device.label if c.file else None),
        raw("weights", lambda c: c.weights),
        raw("record", lambda c: c.file),
    ]
    return Table.of(title, columns, found, key)
