"""One network's runtime and memory over input sizes, and what tiling costs it <-> one JSON file."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

from bench.core.identity import Kept, Rank, versions
from bench.core.record import Memory, Source, WeightsInfo

SCHEMA = 2


@dataclass
class Point:
    """One square input. Where nothing was measured, `problem` says why."""

    size: int  # LR pixels a side
    tile: int | None  # None: the whole image at once
    cold_ms: float | None = None
    samples_ms: list[float] = field(default_factory=list)
    memory: Memory | None = None
    problem: str = ""

    @property
    def rank(self) -> Rank:
        """How much it holds."""
        return Rank.WHOLE if self.samples_ms else Rank.FAILED


@dataclass
class TiledImage:
    """One image, whole and tiled; PSNR of RGB by the challenge's protocol in dB, None where it is infinite."""

    dataset: str
    name: str
    psnr_whole: float | None
    psnr_tiled: float | None
    changed: float  # share of the 8-bit values that differ
    largest: int  # difference, in 8-bit steps


@dataclass
class ScalingRecord(Kept):
    """Everything measured of one network over input sizes, each in a run of its own."""

    CELLS: ClassVar = {"points": lambda p: (p.tile or 0, p.size), "images": lambda i: (i.dataset, i.name)}

    model: str
    options: dict[str, Any]
    display_name: str
    device: str  # "cpu" or "cuda"
    device_name: str
    threads: int | None
    precision: str
    scan_backend: str | None
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]
    tile: int | None  # pixels a side, context included
    overlap: int  # pixels of context on each side
    points: list[Point] = field(default_factory=list)
    images: list[TiledImage] = field(default_factory=list)
    weights: WeightsInfo | None = None  # None: of an earlier version, which did not say
    source: Source | None = None  # of a network of the user's own
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network with its weights, the tiles, and the machine."""
        return {
            "model": self.model,
            "options": self.options,
            "code": self.source.code_sha256 if self.source else "",
            "weights": (self.weights.sha256 or self.weights.status) if self.weights else "",
            "scan_backend": self.scan_backend,
            "precision": self.precision,
            "tiles": [self.tile, self.overlap] if self.tile else [],
            "device": [self.device, self.device_name, self.threads],
            "versions": versions(self.environment),
        }

    @property
    def words(self) -> list[str]:
        """Network, device, precision, scan backend, tiles."""
        options = [f"{k}={v}" for k, v in sorted(self.options.items())] if self.source is None else []
        parts = ["scaling", self.model, *options, self.device_name, f"{self.threads}t" if self.threads else ""]
        tiles = f"tile={self.tile}+{self.overlap}" if self.tile else ""
        return [*parts, self.precision, self.scan_backend or "", tiles]

    def settle(self, old: Any, stayed: Collection[str]) -> None:
        """Sort its points by tile and size."""
        self.points.sort(key=lambda p: (p.tile or 0, p.size))
