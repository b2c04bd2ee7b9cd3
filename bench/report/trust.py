"""What makes a record unusable: numbers that contradict each other, within one record or between two."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from bench.core.record import Complexity, Record
from bench.core.record_file import to_json
from bench.core.wording import printable
from models.errors import EsrError

# Counts that depend on the network and the input size alone, so two records of both can only agree.
FIXED_COUNTS = (
    "parameters",
    "flops_published",
    "flops_fvcore_unfused",
    "macs",
    "flops",
    "activations_published",
    "activations",
    "conv2d",
)


@dataclass(frozen=True, order=True)
class LeftOut:
    """A file of the records folder that the report does not use, and why."""

    file: str
    reason: str

    @classmethod
    def of(cls, path: Path, root: Path, error: EsrError) -> Self:
        """A file below `root` that could not be read; what it says of itself may be anything."""
        reason = str(error).replace(str(path), "the file")
        return cls(printable(path.relative_to(root).as_posix()), printable(reason, 500))


def contradictions(record: Record) -> list[str]:
    """What is wrong within `record`, in words; empty for a sound record."""
    return [fault for check in CHECKS for fault in check(record)]


def disagreements(records: Sequence[tuple[str, Record, Mapping[str, Any]]]) -> list[LeftOut]:
    """Records that cannot both be true, all of them: (file, record, canonical options) -> what to leave out.

    Two files may describe the same run (a copy): the first name stays if they are equal, neither if they are not.
    """
    left_out: dict[str, str] = {}
    runs: dict[str, list[tuple[str, Record]]] = defaultdict(list)
    for file, record, _ in records:
        runs[record.file_name].append((file, record))
    for same in runs.values():
        first, *others = same
        equal = all(to_json(record) == to_json(first[1]) for _, record in others)
        for file, _ in others if equal else same:
            rest = ", ".join(other for other, _ in same if other != file)
            clash = f"describes the same run as {rest}, with other numbers"
            left_out[file] = f"is a copy of {first[0]}" if equal else clash

    networks: dict[str, list[tuple[str, Complexity]]] = defaultdict(list)
    for file, record, options in records:
        c = record.complexity
        if c and file not in left_out:
            networks[f"{record.model} {options} {c.height}x{c.width}"].append((file, c))
    for counted in networks.values():
        for name in FIXED_COUNTS:
            values = {file: int(v) for file, c in counted if (v := getattr(c, name)) is not None}  # None: not traceable
            if len(set(values.values())) > 1:
                for file, value in values.items():
                    other = next(f for f, v in values.items() if v != value)
                    left_out.setdefault(file, f"has {name} {value:,} where {other} has {values[other]:,}")
    return [LeftOut(file, reason) for file, reason in left_out.items()]


def _size(record: Record) -> Iterable[str]:
    c, s = record.complexity, record.settings
    if c and (c.height, c.width) != (s.height, s.width):
        yield f"counts at {c.height}x{c.width}, but its input is {s.height}x{s.width}"


def _sums(record: Record) -> Iterable[str]:
    c = record.complexity
    for name in ("macs", "flops") if c and c.ops else ():
        parts, total = sum(getattr(op, name) for op in c.ops) if c else 0, getattr(c, name)
        if parts != total:
            yield f"the ops' {name} add up to {parts:,}, not to {total:,}"


def _samples(record: Record) -> Iterable[str]:
    runtime = record.runtime
    if runtime and not runtime.samples_ms:
        yield "a runtime without a sample"
    elif runtime and not all(math.isfinite(t) and t > 0 for t in [runtime.cold_ms, *runtime.samples_ms]):
        yield "a time that is not a positive number"


def _bytes(record: Record) -> Iterable[str]:
    if record.memory and record.memory.peak_allocated < 0:
        yield "a negative amount of memory"


def _images(record: Record) -> Iterable[str]:
    names = [q.dataset for q in record.quality]
    if len(set(names)) < len(names):
        yield "one data set twice"
    for quality in record.quality:
        if not quality.images:
            yield f"quality on {quality.dataset} without an image"
        if any(not -1 <= image.ssim_y <= 1 for image in quality.images):
            yield f"an SSIM outside -1 to 1 on {quality.dataset}"


CHECKS: tuple[Callable[[Record], Iterable[str]], ...] = (_size, _sums, _samples, _bytes, _images)
