"""One accuracy study of one network <-> one JSON file: how backend, precision and options change its images."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.record import WeightsInfo, slug
from bench.record_file import read_as

SCHEMA = 1


@dataclass(frozen=True)
class AccuracyVariant:
    """One way to run the network."""

    precision: str  # fp32 | tf32 | bf16 | fp16 | fp64
    backend: str
    options: dict[str, Any] = field(default_factory=dict)  # of the network, beyond the study's

    @property
    def text(self) -> str:
        """In words; an option that is on by its name, one that is off not at all."""
        options = [k if v is True else f"{k}={v}" for k, v in self.options.items() if v is not False]
        return ", ".join([self.precision, self.backend, *options])


@dataclass
class Difference:
    """Two 8-bit images of one size, compared value by value."""

    largest: int  # in levels, 0 to 255
    changed: int  # values that differ
    values: int  # 3 * height * width


@dataclass
class ImageAccuracy:
    """One image by one variant."""

    name: str
    psnr_y: float | None  # dB, classic protocol; None where it is infinite
    from_base: Difference
    from_exact: Difference | None  # None where the float64 run was left out


@dataclass
class VariantAccuracy:
    """One variant on one data set."""

    variant: AccuracyVariant
    dataset: str
    images: list[ImageAccuracy]
    seconds: float  # of all forward passes


@dataclass
class AccuracyLeftOut:
    """What was not run, and why."""

    variant: AccuracyVariant
    dataset: str
    reason: str


@dataclass
class AccuracyRecord:
    """Everything found in one run. Differences are from `base`, and from `exact` where that ran."""

    model: str
    options: dict[str, Any]
    display_name: str
    weights: WeightsInfo
    device: str  # "cpu" or "cuda"
    device_name: str
    threads: int | None
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]
    base: AccuracyVariant
    exact: AccuracyVariant
    limit: int | None  # images of each set, from its start; None: all
    results: list[VariantAccuracy] = field(default_factory=list)
    left_out: list[AccuracyLeftOut] = field(default_factory=list)
    complete: bool = False
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """A name that says the provenance."""
        options = [f"{k}={v}" for k, v in sorted(self.options.items())]
        threads = [f"{self.threads}t"] if self.threads else []
        return "__".join(map(slug, ["accuracy", self.model, *options, self.device_name, *threads])) + ".json"


def read_accuracy(path: Path) -> AccuracyRecord:
    """Read a record back. Raises EsrError for any other file."""
    return read_as(AccuracyRecord, SCHEMA, path)
