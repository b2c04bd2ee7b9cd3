"""One network's runtime and memory over input sizes, and what tiling costs it <-> one JSON file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.record import Memory, slug
from bench.record_file import read_as

SCHEMA = 1


@dataclass
class Point:
    """One square input. Where nothing was measured, `problem` says why."""

    size: int  # LR pixels a side
    tile: int | None  # None: the whole image at once
    cold_ms: float | None = None
    samples_ms: list[float] = field(default_factory=list)
    memory: Memory | None = None
    problem: str = ""


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
class ScalingRecord:
    """Everything measured of one network in one run."""

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
    schema: int = SCHEMA

    @property
    def file_name(self) -> str:
        """A name that says the provenance."""
        threads = [f"{self.threads}t"] if self.threads else []
        options = [f"{k}={v}" for k, v in sorted(self.options.items())]
        tiles = [f"tile={self.tile}+{self.overlap}"] if self.tile else []
        parts = ["scaling", self.model, *options, self.device_name, *threads, self.precision, *tiles]
        return "__".join(map(slug, parts)) + ".json"


def read_scaling(path: Path) -> ScalingRecord:
    """Read a record back. Raises EsrError for any other file."""
    return read_as(ScalingRecord, SCHEMA, path)
