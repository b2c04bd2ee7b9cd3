"""One run of the selective scan's backends <-> one JSON file: raw samples, memory, errors, and what the floors need.

As in `bench.core.record`, nothing that can be derived is stored; `bench.studies.scan.figures` derives it.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from bench.core.identity import Kept, Rank, versions
from bench.core.record import Memory, Runtime

SCHEMA = 2
Direction = Literal["forward", "forward+backward"]
FORWARD: Direction = "forward"
BOTH: Direction = "forward+backward"


@dataclass(frozen=True)
class ScanCell:
    """One question: how long does this scan take?"""

    batch: int
    length: int  # tokens L
    direction: Direction

    @property
    def tokens(self) -> int:
        """Of all sequences together."""
        return self.batch * self.length

    @property
    def text(self) -> str:
        """In words."""
        return f"{self.direction}, batch {self.batch}, L {self.length:,}"


@dataclass
class ScanSettings:
    """What every cell of the record shares."""

    device: str  # "cpu" or "cuda"
    device_name: str
    precision: str  # fp32 | bf16 | fp16, of the sequences; A, D and delta_bias are float32
    channels: int  # d
    state: int  # n
    threads: int | None  # CPU threads; None on a GPU


@dataclass
class Machine:
    """What the floors are made from."""

    copy_bytes: int  # that one big copy moves: read and written
    copy_samples_ms: list[float]
    multiprocessors: int | None = None  # this and the following: GPU only
    max_clock_mhz: float | None = None
    lanes: int | None = None  # float32 multiply-adds a multiprocessor starts in a clock


@dataclass
class Measurement:
    """One backend in one cell.

    Attributes:
        runtime: one call each; on a GPU the device's time alone, where `how` is "cuda graph".
        how: "calls" (one after the other from Python), "batched calls", or "cuda graph".
        not_captured: why it is "batched calls" on a GPU.
        eager_ms: GPU: single calls from Python, so that what exceeds `runtime` is the cost of launching.
        memory: peak of one call; None if it was not measured.
        result_bytes: output, and gradients if there are any: what every backend must allocate.
    """

    cell: ScanCell
    backend: str
    runtime: Runtime
    how: str
    result_bytes: int
    eager_ms: list[float] = field(default_factory=list)
    memory: Memory | None = None
    not_captured: str = ""

    @property
    def rank(self) -> Rank:
        """How much it holds."""
        return self.runtime.rank


@dataclass
class ScanError:
    """Distance of a backend's result to that of `reference` in float64 from the same inputs: |a - b| / |b|, 2-norms."""

    backend: str
    inputs: str  # "random", or a layer: "dvmsr layer 3"
    tensor: str  # "out", or a gradient: "grad delta"
    length: int
    relative: float | None  # None: not a finite number


@dataclass
class ScanLeftOut:
    """What was not measured, and why. `cell` None: the errors, or a rival altogether."""

    backend: str
    reason: str
    cell: ScanCell | None = None
    estimate_s: float | None = None

    @property
    def failed(self) -> bool:
        """Whether it was tried, so that it may be tried again; else it was not worth beginning."""
        return "failed" in self.reason

    @property
    def of_memory(self) -> bool:
        """Whether the time was measured, and its memory alone was not."""
        return self.reason.startswith("memory failed")

    @property
    def inputs(self) -> str:
        """What the errors that were left out are of, in a word; "" where it is a cell or a backend altogether."""
        words = self.reason.removeprefix("errors on ")
        return words.split("'s layers")[0].split(":")[0].split()[0] if words != self.reason else ""


@dataclass
class ScanRecord(Kept):
    """Everything measured of one kind of scans on one machine. Only backends of a cell that share a run compare."""

    CELLS: ClassVar = {
        "measurements": lambda m: (m.cell, m.backend),
        "errors": lambda e: (e.backend, e.inputs, e.tensor, e.length),
        "left_out": lambda e: (e.cell, e.backend, e.inputs),
    }
    GROUPED: ClassVar = frozenset({"measurements"})

    settings: ScanSettings
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]  # bench.core.environment.describe()
    machine: Machine
    rivals: dict[str, bool]  # optional packages -> whether they import here
    measurements: list[Measurement] = field(default_factory=list)
    errors: list[ScanError] = field(default_factory=list)
    left_out: list[ScanLeftOut] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The scan's sizes and precision, and the machine."""
        return {"settings": dataclasses.asdict(self.settings), "versions": versions(self.environment)}

    @property
    def words(self) -> list[str]:
        """Device, sizes, precision."""
        s = self.settings
        return [
            "scan",
            s.device_name,
            f"{s.threads}t" if s.threads else "",
            f"d{s.channels}",
            f"n{s.state}",
            s.precision,
        ]

    def settle(self, old: Any, stayed: Collection[str]) -> None:
        """Drop what is noted as left out and was measured since; keep a memory that was not measured again."""
        before = {(m.cell, m.backend): m for m in old.measurements} if old else {}
        for m in self.measurements:
            if m.memory is None and (earlier := before.get((m.cell, m.backend))):
                m.memory = earlier.memory
        started = {(None, m.backend) for m in self.measurements} | {(None, e.backend) for e in self.errors}
        measured = started | {(m.cell, m.backend) for m in self.measurements}
        lacking = {(m.cell, m.backend) for m in self.measurements if m.memory is None}
        found = {(e.inputs.split()[0], backend) for e in self.errors for backend in (e.backend, "all")}
        self.left_out = [
            e
            for e in self.left_out
            if (e.of_memory and (e.cell, e.backend) in lacking)
            or (e.inputs and (e.inputs, e.backend) not in found)
            or (not e.inputs and not e.of_memory and (e.cell, e.backend) not in measured)
        ]
