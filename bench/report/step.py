"""The section on training steps: its table and CSV, from step records alone."""

from collections.abc import Sequence

from bench.record import in_turn
from bench.report import markup
from bench.statistics import compare, summarise
from bench.studies.step.record import StepMeasurement, StepRecord

BASELINES = ("chunked", "mamba_ssm")
MEBI = 2**20
INTRO = """\
Forward pass, L1 loss, backward pass and Adam of one batch of LR patches by `bench/step.py`, each backend in a process
of its own, sampled in turn. Time: median [95 % interval] of single steps. Memory: peak of one step, on a CPU the growth
of a fresh process."""


def step_body(records: Sequence[StepRecord]) -> str:
    """The section without its heading."""
    parts = [INTRO]
    for record in records:
        parts.append(f"**{step_title(record)}**\n\n{markup.markdown_table(*step_cells(record), left=2)}")
        failures = [f"- {m.backend}, batch {m.batch}: {markup.without_paths(m.error)}" for m in _failed(record)]
        parts += ["Failed:\n\n" + "\n".join(failures)] if failures else []
    return "\n\n".join(parts) + "\n"


def step_title(record: StepRecord) -> str:
    """What sets one record apart from others of the same device."""
    s = record.settings
    threads = f", {s.threads} thread{'s' * (s.threads > 1)}" if s.threads else ""
    options = f" ({markup.option_text(s.options)})" if s.options else ""
    return f"{s.model}{options}, patches of {s.patch}x{s.patch}, {s.precision}{threads}"


def step_cells(record: StepRecord) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells, a row a measurement."""
    baselines = [name for name in BASELINES if any(m.backend == name for m in record.measurements)]
    headers = ["backend", "batch", "time [ms]", "samples", *(f"x {name}" for name in baselines), "memory [MiB]"]
    return headers, [_row(m, record, baselines) for m in record.measurements if m.runtime]


def step_csv(records: Sequence[StepRecord]) -> str:
    """Every measurement as raw numbers."""
    headers = ["model", "device", "threads", "precision", "patch", "backend", "batch", "samples", "median_ms"]
    headers += ["low_95_ms", "high_95_ms", "peak_bytes", *(f"speedup_{name}" for name in BASELINES), "error", "record"]
    lines: list[list[markup.Value]] = []
    for record in records:
        s = record.settings
        for m in record.measurements:
            t = summarise(m.runtime.samples_ms) if m.runtime else None
            figures = [t.count, t.median_ms, t.low_ms, t.high_ms] if t else [None] * 4
            peak = m.memory.peak_allocated if m.memory else None
            ratios = [_speedup(m, record, name) for name in BASELINES]
            key: list[markup.Value] = [s.model, s.device_name, s.threads, s.precision, s.patch, m.backend, m.batch]
            lines.append([*key, *figures, peak, *ratios, markup.without_paths(m.error), record.file_name])
    return markup.csv_text(headers, lines)


def _row(m: StepMeasurement, record: StepRecord, baselines: Sequence[str]) -> list[str]:
    timing = summarise(m.runtime.samples_ms) if m.runtime else None
    ratios = [markup.number(_speedup(m, record, name), 2) for name in baselines]
    peak = markup.number(m.memory.peak_allocated / MEBI if m.memory else None, 0)
    count = str(timing.count) if timing else markup.NONE
    return [m.backend, str(m.batch), markup.milliseconds(timing), count, *ratios, peak]


def _speedup(m: StepMeasurement, record: StepRecord, baseline: str) -> float | None:
    """How many times as fast as the baseline with the same batch; None for itself, and where they ran in no turn."""
    for other in record.measurements:
        same = (other.backend, other.batch) == (baseline, m.batch) and other is not m
        if same and other.runtime and m.runtime and in_turn(other.runtime, m.runtime):
            return compare(other.runtime.samples_ms, m.runtime.samples_ms).ratio
    return None


def _failed(record: StepRecord) -> list[StepMeasurement]:
    return [m for m in record.measurements if m.error]
