"""Time training steps of one network on every backend, in turn, a batch size after the other."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.core.console import Tell
from bench.core.environment import describe, now
from bench.core.progress import passes
from bench.core.store import find, merge, save
from bench.measurement.runtime import measure_runtimes
from bench.studies.measured import Measured
from bench.studies.step.contender import StepContender, StepJob
from bench.studies.step.step_record import StepMeasurement, StepRecord, StepSettings


@dataclass(frozen=True)
class StepPlan:
    """What to measure; every field is valid on this machine."""

    settings: StepSettings
    device: torch.device
    backends: list[str]
    batches: list[int]
    runs: int
    time_budget_s: float  # for each backend and batch
    out: Path
    reuse: bool  # keep what an earlier run left there


def run(plan: StepPlan, tell: Tell) -> Measured[StepRecord]:
    """Measure everything of `plan`; the record is written after each batch size. `tell` hears of what fails."""
    record = StepRecord(plan.settings, now(), describe(plan.device))
    if plan.reuse and (old := find(record, plan.out)):
        tell(f"continuing {old.file_name}")
        record = merge(old, record)
    failed = False
    for batch in plan.batches:
        if not _has(record, plan.backends, batch):
            others = [m for m in record.measurements if m.batch != batch or m.backend not in plan.backends]
            found = _measure(plan, batch, tell)
            for m in found:
                if m.error:
                    failed = True
                    tell(f"{m.backend}, batch {batch}, failed: {m.error}")
            record.measurements = [*others, *found]
        record = save(record, plan.out)
    return Measured([record], failed)


def _has(record: StepRecord, backends: list[str], batch: int) -> bool:
    """Whether every backend was measured with this batch size, all of them in one run."""
    measured = (m for m in record.measurements if m.batch == batch and not m.error)
    found = {m.backend: m.runtime.run for m in measured if m.runtime}
    return set(backends) <= found.keys() and len({found[name] for name in backends}) == 1


def _measure(plan: StepPlan, batch: int, tell: Tell) -> list[StepMeasurement]:
    with ExitStack() as stack:
        jobs = [StepJob(plan.settings, backend, batch, str(plan.device)) for backend in plan.backends]
        contenders = [stack.enter_context(StepContender(job)) for job in jobs]
        on_pass = stack.enter_context(passes("steps", plan.time_budget_s * len(jobs)))
        timed = measure_runtimes(contenders, plan.device.type, plan.runs, plan.time_budget_s, False, on_pass, tell)
    measurements = []
    for backend, one in zip(plan.backends, timed, strict=True):
        others = [other for other in plan.backends if other != backend]
        runtime = one.runtime(plan.runs, others) if one.samples_ms else None
        measurements.append(StepMeasurement(backend, batch, runtime, one.memory, one.error))
    return measurements
