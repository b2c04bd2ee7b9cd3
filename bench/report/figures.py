"""One named number of one record: the only way from a record to a table cell, a plotted point or a citation."""

from collections.abc import Sequence

from bench.core.record import Record, Runtime
from bench.core.statistics import Timing, mean, quality_means, summarise


def value(record: Record, figure: str) -> float | None:
    """The number called `figure`, or None where `record` does not have it.

    Figures:
        complexity.<name of bench.core.record.Complexity>: counts.
        runtime.<name of bench.core.statistics.Timing>, runtime.cold_ms: milliseconds, warm unless they say cold.
        runtime.mean_with_first_ms: the challenge script's mean, with the first pass in it.
        memory.<name of bench.core.record.Memory>: bytes.
        quality.<data set>.<name of bench.core.statistics.QualityMeans>: means over the set.
        quality.<data set>.peak_memory: bytes over the whole set.
        quality.<data set>.first_ms: the time of the set's first image.

    Raises KeyError or AttributeError for a figure that does not exist.
    """
    part, *rest = figure.split(".")
    return READERS[part](record, rest)


def timing(record: Record) -> Timing | None:
    """Statistics of the record's warm samples, or None where it has none."""
    return summarise(record.runtime.samples_ms) if record.runtime else None


def _complexity(record: Record, rest: Sequence[str]) -> float | None:
    return _number(record.complexity, rest[0]) if record.complexity else None


def _memory(record: Record, rest: Sequence[str]) -> float | None:
    return _number(record.memory, rest[0]) if record.memory else None


def _runtime(record: Record, rest: Sequence[str]) -> float | None:
    runtime = record.runtime
    if runtime is None:
        return None
    if rest[0] == "cold_ms":
        return runtime.cold_ms
    if rest[0] == "mean_with_first_ms":
        return _mean_with_first(runtime)
    return _number(summarise(runtime.samples_ms), rest[0])


def _mean_with_first(runtime: Runtime) -> float:
    """The first pass counts once, whether or not the harness also kept it among the samples."""
    kept = runtime.samples_ms[0] == runtime.cold_ms
    return mean(runtime.samples_ms if kept else [runtime.cold_ms, *runtime.samples_ms])


def _quality(record: Record, rest: Sequence[str]) -> float | None:
    dataset, name = rest
    for quality in record.quality:
        if quality.dataset == dataset:
            own = {"peak_memory": quality.peak_memory, "first_ms": quality.images[0].time_ms}
            return own[name] if name in own else _number(quality_means(quality.images), name)
    return None


def _number(holder: object, name: str) -> float | None:
    number: float | None = getattr(holder, name)
    return number


READERS = {"complexity": _complexity, "runtime": _runtime, "memory": _memory, "quality": _quality}
