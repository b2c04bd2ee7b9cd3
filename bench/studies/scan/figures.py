"""What follows from a scan record: the floors no backend can pass, and each measurement set against them.

Bytes: every input read once and every result written once, at the rate of a big copy on the same machine. Where all of
it fits into a cache the memory is not the limit, and a share above 100 % is no error. GPU only: the exponentials of the
decays at 16 a multiprocessor and clock, once, and twice because a scan that is split over the sequence needs them in
two passes; and the arithmetic around them at one multiply-add a lane and clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.core.record import Memory, in_turn
from bench.core.statistics import Comparison, Timing, compare, summarise
from bench.studies.scan.scan_record import FORWARD, Machine, Measurement, ScanCell, ScanRecord, ScanSettings

NUMBER_BYTES = {"fp32": 4, "bf16": 2, "fp16": 2}
EXPONENTIALS_PER_CLOCK = 16  # of a multiprocessor, compute capability 7.0 to 10.0
# Instructions for a token, channel and state. Forward: delta A, (delta u) B, and two multiply-adds, of h and of y.
# Backward: the three of h again; g, its carry, its product with h; and into d(delta u), d delta, dA, dB and dC.
FORWARD_INSTRUCTIONS, BACKWARD_INSTRUCTIONS = 4, 11
BASELINES = ("reference", "chunked", "mamba_ssm")


@dataclass(frozen=True)
class Floors:
    """Least times in ms, each for one limit alone; None where it is unknown or does not apply."""

    bytes_ms: float
    exponentials_ms: float | None
    exponentials_twice_ms: float | None
    multiply_adds_ms: float | None

    @property
    def largest_ms(self) -> float:
        """The one that binds a scan split over the sequence."""
        return max(self.bytes_ms, self.exponentials_twice_ms or 0.0, self.multiply_adds_ms or 0.0)


@dataclass(frozen=True)
class Row:
    """One measurement with all that is derived from it."""

    measurement: Measurement
    timing: Timing
    floors: Floors
    speedups: dict[str, Comparison]  # baseline of the same run -> its time / this one's; above 1, this one is faster
    extra_bytes: int | None  # peak beyond inputs and results
    extra_ms: float | None  # GPU: a single call from Python takes this much longer

    @property
    def share_of_bytes(self) -> float:
        """Achieved share of the copy rate, 0 to 1 (more where a cache helps)."""
        return self.floors.bytes_ms / self.timing.median_ms

    @property
    def share_of_largest(self) -> float:
        """Achieved share of the largest floor."""
        return self.floors.largest_ms / self.timing.median_ms


def least_bytes(cell: ScanCell, channels: int, state: int, precision: str) -> int:
    """Bytes that any scan must move.

    Forward: u, delta, z, B and C in, out out. Backward: the same and out's gradient in, the gradients of those five
    out. A, D and delta_bias are too small to count.
    """
    forward, backward = 4 * channels + 2 * state, 7 * channels + 4 * state
    numbers = forward if cell.direction == FORWARD else forward + backward
    return cell.tokens * numbers * NUMBER_BYTES[precision]


def copy_rate(machine: Machine) -> float:
    """Bytes a second, read and written together, of the median copy."""
    return machine.copy_bytes / (summarise(machine.copy_samples_ms).median_ms / 1e3)


def floors(cell: ScanCell, settings: ScanSettings, machine: Machine) -> Floors:
    """The floors of one cell."""
    bytes_ms = least_bytes(cell, settings.channels, settings.state, settings.precision) / copy_rate(machine) * 1e3
    if not (machine.multiprocessors and machine.max_clock_mhz):
        return Floors(bytes_ms, None, None, None)
    clocks_per_ms = machine.multiprocessors * machine.max_clock_mhz * 1e3
    elements = cell.tokens * settings.channels * settings.state
    passes = 1 if cell.direction == FORWARD else 2
    once = passes * elements / (EXPONENTIALS_PER_CLOCK * clocks_per_ms)
    instructions = FORWARD_INSTRUCTIONS + (0 if cell.direction == FORWARD else BACKWARD_INSTRUCTIONS)
    arithmetic = instructions * elements / (machine.lanes * clocks_per_ms) if machine.lanes else None
    return Floors(bytes_ms, once, 2 * once, arithmetic)


def rows(record: ScanRecord) -> list[Row]:
    """Every measurement: forward first, then by batch, length and backend in the order they ran."""
    order = {name: i for i, name in enumerate(dict.fromkeys(m.backend for m in record.measurements))}
    found = {(m.cell, m.backend): m for m in record.measurements}
    ordered = sorted(
        found.values(), key=lambda m: (m.cell.direction != FORWARD, m.cell.batch, m.cell.length, order[m.backend])
    )
    return [_row(m, record, found) for m in ordered]


def timed_apart(record: ScanRecord) -> list[ScanCell]:
    """Cells whose backends were not all sampled in turn, so that some of their times do not compare."""
    runs: dict[ScanCell, set[str]] = {}
    for m in record.measurements:
        runs.setdefault(m.cell, set()).add(m.runtime.run)
    return [cell for cell, found in runs.items() if len(found) > 1]


def _row(m: Measurement, record: ScanRecord, found: dict[tuple[ScanCell, str], Measurement]) -> Row:
    timing = summarise(m.runtime.samples_ms)
    speedups = {
        name: compare(found[m.cell, name].runtime.samples_ms, m.runtime.samples_ms)
        for name in BASELINES
        if name != m.backend and (m.cell, name) in found and in_turn(found[m.cell, name].runtime, m.runtime)
    }
    return Row(
        measurement=m,
        timing=timing,
        floors=floors(m.cell, record.settings, record.machine),
        speedups=speedups,
        extra_bytes=extra_bytes(m.memory, m.result_bytes),
        extra_ms=summarise(m.eager_ms).median_ms - timing.median_ms if m.eager_ms else None,
    )


def extra_bytes(memory: Memory | None, result_bytes: int) -> int | None:
    """Peak beyond what was there before and the results; not below 0, since not all results need be alive at once."""
    if memory is None:
        return None
    above = memory.peak_allocated if memory.peak_reserved is None else memory.peak_allocated - memory.before
    return max(0, above - result_bytes)


def worst_errors(record: ScanRecord) -> dict[tuple[str, str], float | None]:
    """(backend, kind of inputs and tensor) -> largest relative error; None where one was not finite.

    Kinds: "random: out", "random: gradients", "dvmsr layers: out".
    """
    groups: dict[tuple[str, str], list[float | None]] = {}
    for error in record.errors:
        inputs = error.inputs if error.inputs == "random" else f"{error.inputs.split()[0]} layers"
        tensor = "out" if error.tensor == "out" else "gradients"
        groups.setdefault((error.backend, f"{inputs}: {tensor}"), []).append(error.relative)
    return {key: _largest(values) for key, values in groups.items()}


def _largest(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if len(known) == len(values) else None


def curves(cells: Sequence[Row]) -> dict[str, list[tuple[int, float]]]:
    """Backend -> (L, median ms) by growing length, and "floor" -> (L, ms of the largest floor)."""
    lines: dict[str, list[tuple[int, float]]] = {}
    for row in cells:
        lines.setdefault(row.measurement.backend, []).append((row.measurement.cell.length, row.timing.median_ms))
    lines = {name: sorted(points) for name, points in lines.items()}
    floor = {row.measurement.cell.length: row.floors.largest_ms for row in cells}
    return {**lines, "floor": sorted(floor.items())}
