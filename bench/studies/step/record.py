"""One run of training steps <-> one JSON file: raw samples for every scan backend and batch size."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.record import Memory, Runtime, slug
from bench.record_file import read_as

SCHEMA = 1


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

    @property
    def file_name(self) -> str:
        """A name that says the provenance."""
        threads = [f"{self.threads}t"] if self.threads else []
        options = [f"{k}={v}" for k, v in sorted(self.options.items())]
        parts = ["step", self.model, *options, self.device_name, *threads, f"{self.patch}x{self.patch}", self.precision]
        return "__".join(map(slug, parts)) + ".json"


@dataclass
class StepMeasurement:
    """One backend with one batch size. `runtime` is None where it failed; `error` then says why."""

    backend: str
    batch: int
    runtime: Runtime | None
    memory: Memory | None
    error: str = ""


@dataclass
class StepRecord:
    """Everything measured in one run."""

    settings: StepSettings
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]
    measurements: list[StepMeasurement] = field(default_factory=list)
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """A name that says the provenance."""
        return self.settings.file_name


def read_step(path: Path) -> StepRecord:
    """Read a record back. Raises EsrError for any other file."""
    return read_as(StepRecord, SCHEMA, path)
