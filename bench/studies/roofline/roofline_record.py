"""One network's time by layer, and what the machine can do at best <-> one JSON file."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from bench.core.identity import Kept, versions
from bench.core.record import Settings, Source

SCHEMA = 2


@dataclass
class Rates:
    """Two rates of the machine, measured in the network's own process and precision; raw times in milliseconds."""

    copy_bytes: int  # read and written by one copy, many times any cache
    copy_ms: list[float]
    product_flops: int  # of one large square matrix product, 2 a multiply-add
    product_ms: list[float]

    @property
    def bytes_per_s(self) -> float:
        """Of the fastest copy."""
        return self.copy_bytes / min(self.copy_ms) * 1e3

    @property
    def flops_per_s(self) -> float:
        """Of the fastest product."""
        return self.product_flops / min(self.product_ms) * 1e3


@dataclass
class LayerOp:
    """One kind of operator in one module, over one pass.

    Attributes:
        module: its name; "" is the network itself.
        op: such as aten::convolution.
        kind: in the words of `bench.studies.roofline.layer_kinds`.
        flops: by the rules of the complete counts; 0 where it only moves data.
        bytes: of all tensors read and written, each once a call; those inside an operator are not seen.
        live_bytes: of the tensors that the pass held while it ran, at most; weights left out.
        times_ms: of all its calls, a value a profiled pass.
    """

    module: str
    op: str
    kind: str
    calls: int = 0
    macs: int = 0
    flops: int = 0
    bytes: int = 0
    live_bytes: int = 0
    times_ms: list[float] = field(default_factory=list)


@dataclass
class RooflineRecord(Kept):
    """Everything measured of one network in one run: one cell."""

    model: str
    options: dict[str, Any]
    display_name: str
    settings: Settings
    created: str  # UTC, ISO 8601
    environment: dict[str, Any]
    least_bytes: int  # weights, input and output: what a pass must move even if all else stays on the chip
    passes_ms: list[float]  # undisturbed ones, in turn with the profiled ones
    rates: Rates
    layers: list[LayerOp]  # in the order in which they first run
    peak_live_bytes: int
    source: Source | None = None  # of a network of the user's own
    schema: int = SCHEMA

    @property
    def identity(self) -> dict[str, Any]:
        """The network and the conditions; its weights are random, whatever they are elsewhere."""
        return {
            "model": self.model,
            "options": self.options,
            "code": self.source.code_sha256 if self.source else "",
            "settings": dataclasses.asdict(self.settings),
            "versions": versions(self.environment),
        }

    @property
    def words(self) -> list[str]:
        """Network, device, input size, precision, scan backend."""
        s = self.settings
        options = [f"{k}={v}" for k, v in sorted(self.options.items())] if self.source is None else []
        parts = ["roofline", self.model, *options, s.device_name, f"{s.threads}t" if s.threads else ""]
        return [*parts, f"{s.height}x{s.width}", s.precision, s.scan_backend or ""]
