"""The section on training steps: its table and CSV, from step records alone."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from bench.core.record import in_turn
from bench.core.statistics import Timing, compare, summarise
from bench.core.table import Column, Table, raw, times, words
from bench.core.wording import MEBI, threads_text, with_options, without_paths
from bench.report.document import Data, Part, Section
from bench.studies.step.step_record import StepMeasurement, StepRecord

BASELINES = ("chunked", "mamba_ssm")
INTRO = """\
Forward pass, L1 loss, backward pass and Adam of one batch of LR patches by `bench/step.py`, each backend in a process
of its own, sampled in turn. Time: median [95 % interval] of single steps. Memory: peak of one step, on a CPU the growth
of a fresh process."""


def step_section(records: Sequence[StepRecord]) -> Section:
    """The report's section."""
    parts: list[Part] = [INTRO]
    for record in records:
        parts += [f"**{step_title(record)}**", step_table(record)]
        failures = [f"- {m.backend}, batch {m.batch}: {without_paths(m.error)}" for m in _failed(record)]
        parts += ["Failed:\n\n" + "\n".join(failures)] if failures else []
    return Section("step", "Training steps", [*parts, Data(step_data(records))])


def step_title(record: StepRecord) -> str:
    """What sets one record apart from others of the same device."""
    s = record.settings
    threads = threads_text(s.threads, ", ")
    return f"{with_options(s.model, s.options)}, patches of {s.patch}x{s.patch}, {s.precision}{threads}"


class _Row(NamedTuple):
    """A measurement, and the record that it is in."""

    record: StepRecord
    measurement: StepMeasurement

    @property
    def timing(self) -> Timing | None:
        """None where it failed."""
        runtime = self.measurement.runtime
        return summarise(runtime.samples_ms) if runtime else None

    @property
    def peak_bytes(self) -> int | None:
        """Of one step."""
        memory = self.measurement.memory
        return memory.peak_allocated if memory else None


def _speedup(baseline: str, row: _Row) -> float | None:
    """How many times as fast as the baseline with the same batch; None for itself, and where they ran in no turn."""
    record, m = row
    for other in record.measurements:
        same = (other.backend, other.batch) == (baseline, m.batch) and other is not m
        if same and other.runtime and m.runtime and in_turn(other.runtime, m.runtime):
            return compare(other.runtime.samples_ms, m.runtime.samples_ms).ratio
    return None


STEPS: tuple[Column[_Row], ...] = (
    raw("model", lambda r: r.record.settings.model),
    raw("device", lambda r: r.record.settings.device_name),
    raw("threads", lambda r: r.record.settings.threads),
    raw("precision", lambda r: r.record.settings.precision),
    raw("patch", lambda r: r.record.settings.patch),
    words("backend", lambda r: r.measurement.backend, "backend"),
    Column("batch", lambda r: r.measurement.batch, "batch"),
    *times("time [ms]", lambda r: r.timing),
    *(Column[_Row](f"x {name}", partial(_speedup, name), f"speedup_{name}", decimals=2) for name in BASELINES),
    Column("memory [MiB]", lambda r: r.peak_bytes, "peak_bytes", 0, MEBI),
    raw("error", lambda r: without_paths(r.measurement.error)),
    raw("record", lambda r: r.record.file_name),
)


def step_table(record: StepRecord) -> Table:
    """A row a measurement that did not fail."""
    s = record.settings
    title = f"Training step of {s.model} on {s.device_name}, {s.patch}x{s.patch}, {s.precision}"
    return Table.of(title, STEPS, [row for row in _rows([record]) if row.timing])


def step_data(records: Sequence[StepRecord]) -> Table:
    """Every measurement: a table for files."""
    return Table.of("Training steps", STEPS, _rows(records), "step")


def _rows(records: Sequence[StepRecord]) -> list[_Row]:
    return [_Row(record, m) for record in records for m in record.measurements]


def _failed(record: StepRecord) -> list[StepMeasurement]:
    return [m for m in record.measurements if m.error]
