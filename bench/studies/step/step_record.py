"""One run of training steps <-> one JSON file: raw samples for every scan backend and batch size."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bench.core.identity import Kept, Rank, versions
from bench.core.record import Memory, Runtime

SCHEMA = 2


@dataclass
class StepSettings:
    """What every step of the record shares."""

    model: str
    options: dict[str, Any]
    device: str  # "cpu" or "cuda"
    device_name: str
    precision: str  # fp32 | tf32 | bf16 (autocast)
    patch: int  # pixels, height and width of the LR patches
    threads: int | None  # CPU threads; None on a GPU


@dataclass
class StepMeasurement:
    """One backend with one batch size. `runtime` is None where it failed; `error` then says why."""

    backend: str
    batch: int
    runtime: Runtime | None
    memory: Memory | None
    error: str = ""

    @property
    def rank(self) -> Rank:
        """How much it holds."""
        return self.runtime.rank if self.runtime and not self.error else Rank.FAILED


@dataclass
class StepRecord(Kept):
    """Everything measured of one network's training steps. Only backends that share a run compare."""

    CELLS: ClassVar = {"measurements": lambda m: (m.batch, m.backend)}
    GROUPED: ClassVar = frozenset({"measurements"})

    settings: StepSettings
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]
    measurements: list[StepMeasurement] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network, the patch, and the machine."""
        return {"settings": dataclasses.asdict(self.settings), "versions": versions(self.environment)}

    @property
    def words(self) -> list[str]:
        """Network, device, patch, precision."""
        s = self.settings
        parts = ["step", s.model, *(f"{k}={v}" for k, v in sorted(s.options.items())), s.device_name]
        return [*parts, f"{s.threads}t" if s.threads else "", f"{s.patch}x{s.patch}", s.precision]
