"""One accuracy study of one network <-> one JSON file: how backend, precision and options change its images."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bench.core.identity import Kept, Rank, versions
from bench.core.record import WeightsInfo

SCHEMA = 2


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

    @property
    def rank(self) -> Rank:
        """How much it holds: less where it was not compared with float64."""
        return Rank.WHOLE if all(image.from_exact for image in self.images) else Rank.PARTIAL


@dataclass
class AccuracyLeftOut:
    """What was not run, and why."""

    variant: AccuracyVariant
    dataset: str
    reason: str


@dataclass
class AccuracyRecord(Kept):
    """Everything found of one network. Differences are from `base`, and from `exact` where that ran."""

    CELLS: ClassVar = {
        "results": lambda r: (r.variant.text, r.dataset),
        "left_out": lambda r: (r.variant.text, r.dataset),
    }

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
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network with its weights, how many images, and the machine."""
        return {
            "model": self.model,
            "options": self.options,
            "weights": self.weights.sha256,
            "limit": self.limit,
            "device": [self.device, self.device_name, self.threads],
            "versions": versions(self.environment),
        }

    @property
    def words(self) -> list[str]:
        """Network, device, how many images if not all."""
        parts = ["accuracy", self.model, *(f"{k}={v}" for k, v in sorted(self.options.items())), self.device_name]
        return [*parts, f"{self.threads}t" if self.threads else "", f"first-{self.limit}" if self.limit else ""]

    def settle(self, old: Any, stayed: Collection[str]) -> None:
        """Drop what is noted as left out and was run since."""
        run = {(r.variant.text, r.dataset) for r in self.results}
        self.left_out = [entry for entry in self.left_out if (entry.variant.text, entry.dataset) not in run]
