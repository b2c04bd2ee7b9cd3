"""What a network's operators cost, beside what the machine could do at best: their floors, and what bounds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.core.wording import NONE
from bench.studies.roofline.roofline_record import LayerOp, Rates, RooflineRecord

ARITHMETIC, TRAFFIC = "arithmetic", "memory traffic"


@dataclass(frozen=True)
class Cost:
    """Some operators together: milliseconds, counts, bytes, and the floor in ms by what bounds each operator."""

    ms: float
    flops: int
    bytes: int
    live_bytes: int
    arithmetic_ms: float
    traffic_ms: float

    @property
    def floor_ms(self) -> float:
        """Of all of them, one after the other."""
        return self.arithmetic_ms + self.traffic_ms

    @property
    def bound(self) -> str:
        """What most of the floor is made of, with its share."""
        if not self.floor_ms:
            return NONE
        name, ms = max((ARITHMETIC, self.arithmetic_ms), (TRAFFIC, self.traffic_ms), key=lambda pair: pair[1])
        return f"{name} ({ms / self.floor_ms:.0%})"

    @property
    def over_floor(self) -> float | None:
        """The measured time in floors; None where there is no floor."""
        return self.ms / self.floor_ms if self.floor_ms else None


def cost(layers: Sequence[LayerOp], rates: Rates) -> Cost:
    """Sum up operators, each with its own floor."""
    arithmetic = traffic = 0.0
    for layer in layers:
        by_operations = layer.flops / rates.flops_per_s * 1e3
        by_bytes = layer.bytes / rates.bytes_per_s * 1e3
        if by_operations > by_bytes:
            arithmetic += by_operations
        else:
            traffic += by_bytes
    return Cost(
        ms=sum(median(layer.times_ms) for layer in layers),
        flops=sum(layer.flops for layer in layers),
        bytes=sum(layer.bytes for layer in layers),
        live_bytes=max((layer.live_bytes for layer in layers), default=0),
        arithmetic_ms=arithmetic,
        traffic_ms=traffic,
    )


def fused_floor_ms(record: RooflineRecord) -> tuple[float, str]:
    """Of the whole network as one operator, and what bounds it."""
    by_operations = sum(layer.flops for layer in record.layers) / record.rates.flops_per_s * 1e3
    by_bytes = record.least_bytes / record.rates.bytes_per_s * 1e3
    return max((by_operations, ARITHMETIC), (by_bytes, TRAFFIC))


def costs_by_kind(record: RooflineRecord) -> dict[str, Cost]:
    """Layer types that run, in the order of their names."""
    kinds = sorted({layer.kind for layer in record.layers})
    return {kind: cost([layer for layer in record.layers if layer.kind == kind], record.rates) for kind in kinds}
