"""All records of a folder of results as one pandas DataFrame, for analyses of your own.

    from bench.frame import load_frame
    frame = load_frame("results")
    times = frame[frame.figure == "median_ms"].pivot_table("value", "network", "run")     # times compare within a run

A row is one figure of one cell (see COLUMNS). Raw samples are in the record that a row names.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bench.core.record import Memory, Record, Runtime
from bench.core.record_file import read_as
from bench.core.statistics import mean_psnr, quality_means, summarise
from bench.studies.accuracy.accuracy_record import AccuracyRecord
from bench.studies.roofline.roofline_record import RooflineRecord
from bench.studies.scaling.scaling_record import ScalingRecord
from bench.studies.scan.scan_record import ScanRecord
from bench.studies.step.step_record import StepRecord
from models.errors import EsrError

COLUMNS = {
    "kind": "records, scan, step, accuracy, scaling or roofline: the folder that it lies in",
    "network": "its name as reports give it, with the options that set it apart",
    "backend": "the selective scan that ran; empty for none",
    "weights": "official, custom, random, none needed; empty where they do not matter",
    "device": "as reports name it",
    "threads": "of a CPU",
    "precision": "fp32, tf32, bf16, fp16, fp64",
    "cell": "what was measured: counts, runtime, memory, a data set, a point of a study",
    "figure": "what of it: parameters, median_ms, psnr_y, ...; names end with their unit where they have one",
    "value": "as a number; bytes, milliseconds and dB unscaled",
    "run": "what was sampled in turn shares it; only times of one run compare",
    "key": "checksum of the identity: rows of one key are of one network under one set of conditions",
    "file": "the record, below the folder",
}
COUNTS = ("parameters", "flops_published", "macs", "flops", "activations_published", "activations", "conv2d")
QUALITY = ("psnr_y", "ssim_y", "psnr_rgb")


@dataclass(frozen=True)
class Row:
    """One figure, without what it shares with others of its record."""

    cell: str
    figure: str
    value: float
    run: str = ""
    backend: str | None = None
    precision: str | None = None


def load_frame(folder: str | Path) -> pd.DataFrame:
    """Every record below `folder`, a row a figure, in the columns of COLUMNS; files that are no records are left out.

    Raises EsrError where there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise EsrError(f"{root} is not a folder; name one that holds records/")
    rows: list[dict[str, Any]] = []
    for kind, (record_type, head, cells) in KINDS.items():
        for path in sorted(p for p in (root / kind).rglob("*.json") if not p.name.startswith(".")):
            try:
                record: Any = read_as(record_type, path)
            except EsrError:
                continue
            shared = {"kind": kind, **head(record), "key": record.key, "file": path.relative_to(root).as_posix()}
            for row in cells(record):
                own = {k: v for k, v in vars(row).items() if v is not None}
                rows.append({**shared, **own})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _head(network: str, options: dict[str, Any], **others: Any) -> dict[str, Any]:
    text = ", ".join(f"{key}={value}" for key, value in sorted(options.items()))
    return {"network": f"{network} ({text})" if text else network, **others}


def _of_settings(s: Any) -> dict[str, Any]:
    backend = getattr(s, "scan_backend", None) or ""
    return {"device": s.device_name, "threads": s.threads, "precision": s.precision, "backend": backend}


def _runtime(cell: str, runtime: Runtime | None, **more: Any) -> Iterator[Row]:
    if runtime:
        t = summarise(runtime.samples_ms)
        figures = {"median_ms": t.median_ms, "low_95_ms": t.low_ms, "high_95_ms": t.high_ms, "mean_ms": t.mean_ms}
        for name, value in {**figures, "samples": t.count, "cold_ms": runtime.cold_ms}.items():
            if value is not None:
                yield Row(cell, name, value, runtime.run, **more)


def _memory(cell: str, memory: Memory | None, **more: Any) -> Iterator[Row]:
    if memory:
        yield Row(cell, "peak_bytes", memory.peak_allocated, **more)


def _record_cells(r: Record) -> Iterator[Row]:
    for name in COUNTS if r.complexity else ():
        if (value := getattr(r.complexity, name)) is not None:
            yield Row("counts", name, value)
    timed = f"runtime on {r.settings.timed_on}" if r.settings.timed_on else "runtime"
    yield from _runtime(timed, r.runtime)
    yield from _memory("memory", r.memory)
    for quality in r.quality:
        means = quality_means(quality.images)
        for name in QUALITY:
            yield Row(quality.dataset, name, getattr(means, name))


def _scan_cells(r: ScanRecord) -> Iterator[Row]:
    for m in r.measurements:
        yield from _runtime(m.cell.text, m.runtime, backend=m.backend)
        yield from _memory(m.cell.text, m.memory, backend=m.backend)
    for e in r.errors:
        cell = f"error of {e.tensor}, {e.inputs}, L {e.length:,}"
        yield Row(cell, "relative", math.nan if e.relative is None else e.relative, backend=e.backend)


def _step_cells(r: StepRecord) -> Iterator[Row]:
    for m in r.measurements:
        yield from _runtime(f"batch {m.batch}", m.runtime, backend=m.backend)
        yield from _memory(f"batch {m.batch}", m.memory, backend=m.backend)


def _accuracy_cells(r: AccuracyRecord) -> Iterator[Row]:
    for one in r.results:
        v = one.variant
        psnr = mean_psnr([image.psnr_y for image in one.images])
        cell = f"{one.dataset}, fused" if v.options.get("fused") else one.dataset
        yield Row(cell, "psnr_y", psnr, backend=v.backend, precision=v.precision)


def _scaling_cells(r: ScalingRecord) -> Iterator[Row]:
    for p in r.points:
        cell = f"{p.size}x{p.size}{f', tiles of {p.tile}' if p.tile else ''}"
        if p.samples_ms:
            yield Row(cell, "median_ms", summarise(p.samples_ms).median_ms)
        yield from _memory(cell, p.memory)


def _roofline_cells(r: RooflineRecord) -> Iterator[Row]:
    yield Row("passes", "median_ms", summarise(r.passes_ms).median_ms)
    yield Row("passes", "peak_live_bytes", r.peak_live_bytes)
    for layer in r.layers:
        yield Row(f"{layer.module or 'network'} {layer.op}", "median_ms", summarise(layer.times_ms).median_ms)


Head = Callable[[Any], dict[str, Any]]
Cells = Callable[[Any], Iterator[Row]]
KINDS: dict[str, tuple[type[Any], Head, Cells]] = {
    "records": (
        Record,
        lambda r: _head(r.display_name, r.options, weights=r.weights.status, **_of_settings(r.settings)),
        _record_cells,
    ),
    "scan": (ScanRecord, lambda r: _head("selective scan", {}, weights="", **_of_settings(r.settings)), _scan_cells),
    "step": (
        StepRecord,
        lambda r: _head(r.settings.model, r.settings.options, weights="", **_of_settings(r.settings)),
        _step_cells,
    ),
    "accuracy": (
        AccuracyRecord,
        lambda r: _head(
            r.display_name, r.options, weights=r.weights.status, device=r.device_name, threads=r.threads, precision=""
        ),
        _accuracy_cells,
    ),
    "scaling": (
        ScalingRecord,
        lambda r: _head(r.display_name, r.options, weights="", **_of_settings(r)),
        _scaling_cells,
    ),
    "roofline": (
        RooflineRecord,
        lambda r: _head(r.display_name, r.options, weights="", **_of_settings(r.settings)),
        _roofline_cells,
    ),
}
