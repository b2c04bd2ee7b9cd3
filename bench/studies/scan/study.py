"""Run every backend over a plan's cells, write the record after each, and say what was left out and why."""

import functools
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import torch

from bench.core.console import Tell
from bench.core.environment import describe, now
from bench.core.progress import Step, step
from bench.core.statistics import summarise
from bench.core.store import find, merge, save
from bench.measurement.runtime import Contestant, measure_runtimes
from bench.networks.memory import keep_freed_memory, return_free_memory
from bench.networks.worker import Remote
from bench.studies.measured import Measured
from bench.studies.scan.contender import OUT_OF_MEMORY, Contender, MemoryProbe, Variant, cell_inputs, set_up
from bench.studies.scan.errors import NETWORKS, measure_errors
from bench.studies.scan.figures import copy_rate, extra_bytes, least_bytes
from bench.studies.scan.machine import find_rivals, measure_machine
from bench.studies.scan.scan_record import Measurement, ScanCell, ScanLeftOut, ScanRecord, ScanSettings
from models.errors import EsrError

FREE_SHARE = 0.9  # of the free memory that a cell may take


@dataclass(frozen=True)
class ScanPlan:
    """What to measure; every field is valid on this machine."""

    device: torch.device
    settings: ScanSettings
    variants: list[Variant]
    cells: list[ScanCell]
    measure: frozenset[str]  # of "time", "memory" (which goes with "time"), "errors"
    runs: int
    time_budget_s: float  # for each backend in each cell
    error_length: int
    data_dir: Path | None
    out: Path
    reuse: bool  # keep what an earlier run left there


def run(plan: ScanPlan, tell: Tell) -> Measured[ScanRecord]:
    """Measure everything of `plan`, or what an earlier run left of it; the record is written after each cell."""
    record = new_record(plan)
    tell(f"one big copy moves {copy_rate(record.machine) / 1e9:,.1f} GB/s")
    if plan.reuse and (old := find(record, plan.out)):
        tell(f"continuing {old.file_name}")
        record = merge(old, record)
    known = list(record.left_out)
    stored = fill(plan, record, tell)
    return Measured([stored], any(entry.failed and entry not in known for entry in record.left_out))


def new_record(plan: ScanPlan) -> ScanRecord:
    """A record without a measurement, of this machine as it is now."""
    if plan.device.type == "cuda":
        torch.cuda.set_device(plan.device)  # events, graphs and streams belong to the current device
    environment = describe(plan.device)
    if plan.device.type == "cpu":
        environment["malloc"] = keep_freed_memory()
    created = now()
    return ScanRecord(plan.settings, created, environment, measure_machine(plan.device), find_rivals())


def fill(plan: ScanPlan, record: ScanRecord, tell: Tell) -> ScanRecord:
    """Measure everything of `plan` that `record` does not hold into it; returns what the store then holds.

    Raises KeyboardInterrupt when interrupted; finished cells are in the store.
    """
    plan = replace(plan, variants=_set_up(plan, record, tell))
    if "errors" in plan.measure and not has_errors(plan, record):
        _measure_errors(plan, record)
        save(record, plan.out)
    with ExitStack() as stack:
        probes = _start_probes(plan, stack)
        cells = [c for c in plan.cells if not has_cell(plan, record, c)] if "time" in plan.measure else []
        with step("scan", total=len(cells)) as progress:
            for cell in cells:
                _measure_cell(plan, record, cell, probes, progress)
                save(record, plan.out)
                for entry in (e for e in record.left_out if e.cell == cell):
                    tell(f"{cell.text}: {entry.backend} left out, {entry.reason}")
                for m in (m for m in record.measurements if m.cell == cell and m.not_captured):
                    tell(f"{cell.text}: {m.backend} was not captured as a graph, {m.not_captured}")
                tell(f"{cell.text}: {_times_text(record, cell)}")
                progress.advance()
    return save(record, plan.out)


def has_cell(plan: ScanPlan, record: ScanRecord, cell: ScanCell) -> bool:
    """Whether `record` answers for every backend of the plan, all of them sampled in one run.

    Where one is missing all are measured again, since times of different runs compare with nothing.
    """
    asked = {v.name: v for v in plan.variants if v.differs(cell.length)}
    found = [m for m in record.measurements if m.cell == cell and m.backend in asked]
    measured = {m.backend for m in found if m.memory or "memory" not in plan.measure}
    noted = {e.backend for e in record.left_out if e.cell == cell and e.backend in asked and not e.failed}
    left_out = {name for name in noted if _too_much(plan, record, asked[name], cell)}  # by this plan's budget too
    return asked.keys() <= measured | left_out and len({m.runtime.run for m in found}) <= 1


def has_errors(plan: ScanPlan, record: ScanRecord) -> bool:
    """Whether `record` has the errors of every backend on random inputs of the plan's length."""
    found = {e.backend for e in record.errors if e.inputs == "random" and e.length == plan.error_length}
    return {v.name for v in plan.variants if v.multiple == 1} <= found


def _set_up(plan: ScanPlan, record: ScanRecord, tell: Tell) -> list[Variant]:
    """The backends that work at all here."""
    able = []
    for variant in plan.variants:
        try:
            set_up(variant, plan.settings, plan.device)
        except EsrError as error:
            record.left_out.append(ScanLeftOut(variant.name, f"failed: {error}"))
            tell(f"{variant.name} failed: {error}")
        else:
            able.append(variant)
    return able


def _measure_errors(plan: ScanPlan, record: ScanRecord) -> None:
    with step("errors against float64", total=1 + len(NETWORKS)) as progress:

        def on_inputs(name: str) -> None:
            progress.describe(f"errors against float64: {name}")
            progress.advance()

        record.errors, left_out = measure_errors(
            plan.variants, plan.settings, plan.error_length, plan.device, plan.data_dir, on_inputs
        )
    record.left_out = [e for e in record.left_out if e.cell or not e.inputs] + left_out


def _start_probes(plan: ScanPlan, stack: ExitStack) -> dict[str, Remote]:
    """On a CPU a process for each backend; none where memory is not wanted or the GPU's allocator knows."""
    if plan.device.type == "cuda" or not {"time", "memory"} <= plan.measure:
        return {}
    builds = {v.name: functools.partial(MemoryProbe, v, plan.settings) for v in plan.variants}
    probes = {name: stack.enter_context(Remote(name, build, OUT_OF_MEMORY)) for name, build in builds.items()}
    for probe in probes.values():
        probe.ask("ready")  # starting a process would disturb what is timed
    return probes


def _measure_cell(
    plan: ScanPlan, record: ScanRecord, cell: ScanCell, probes: dict[str, Remote], progress: Step
) -> None:
    able = []
    record.measurements = [m for m in record.measurements if m.cell != cell]
    record.left_out = [e for e in record.left_out if e.cell != cell]
    for variant in plan.variants:
        left_out = _too_much(plan, record, variant, cell)
        if left_out:
            record.left_out.append(left_out)
        elif variant.differs(cell.length):
            able.append(variant)
    if not able:
        return
    measured = _time(plan, record, cell, able, progress)
    return_free_memory()
    for m in measured:
        if m.backend in probes:
            progress.describe(f"{cell.text}: memory of {m.backend}")
            try:
                m.memory = probes[m.backend].ask("measure", cell)
            except EsrError as error:
                record.left_out.append(ScanLeftOut(m.backend, f"memory failed: {error}", cell))
    record.measurements += measured


def _times_text(record: ScanRecord, cell: ScanCell) -> str:
    timings = {m.backend: summarise(m.runtime.samples_ms) for m in record.measurements if m.cell == cell}
    return ", ".join(f"{name} {t.median_ms:,.4g} ms" for name, t in timings.items()) or "nothing measured"


def _time(plan: ScanPlan, record: ScanRecord, cell: ScanCell, able: list[Variant], progress: Step) -> list[Measurement]:
    """All backends that can, in turn, on the same inputs."""
    inputs = cell_inputs(cell, plan.settings, plan.device)
    contenders = [Contender(variant, cell, inputs, plan.device) for variant in able]

    def on_pass(contestant: Contestant, kind: str) -> None:
        progress.describe(f"{cell.text}: {contestant.name}, {kind}")

    gpu, names = plan.device.type == "cuda", [v.name for v in able]
    timed = measure_runtimes(
        contenders, plan.device.type, plan.runs, plan.time_budget_s, gpu, on_pass, lambda line: None
    )
    measured = []
    for contender, one in zip(contenders, timed, strict=True):
        if one.error:
            record.left_out.append(ScanLeftOut(contender.name, f"failed: {one.error}", cell))
            continue
        runtime = one.runtime(plan.runs, [name for name in names if name != contender.name])
        m = Measurement(cell, contender.name, runtime, contender.how, contender.result_bytes, contender.eager_ms)
        m.memory = one.memory if "memory" in plan.measure else None
        m.not_captured = contender.not_captured
        measured.append(m)
    return measured


def _too_much(plan: ScanPlan, record: ScanRecord, variant: Variant, cell: ScanCell) -> ScanLeftOut | None:
    """Why a cell would take longer than its budget or more memory than there is; None if it should not."""
    passes = estimate_s(record, variant.name, cell)
    if passes is not None and 2 * passes > plan.time_budget_s:  # the first pass and one sample
        reason = f"one call would take about {passes:.3g} s, two do not fit into --time-budget {plan.time_budget_s:g}"
        return ScanLeftOut(variant.name, reason, cell, passes)
    needed, free = estimate_bytes(record, variant.name, cell), _free_bytes(plan.device)
    if needed > FREE_SHARE * free:
        reason = f"it would need about {needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free"
        return ScanLeftOut(variant.name, reason, cell, passes)
    return None


def estimate_s(record: ScanRecord, backend: str, cell: ScanCell) -> float | None:
    """Seconds of one call, from the other cells measured in this direction and by tokens; None if there are none.

    The least of them, since what a short sequence takes is mostly overhead.
    """
    estimates = [
        summarise(m.runtime.samples_ms).median_ms / 1e3 * cell.tokens / m.cell.tokens
        for m in record.measurements
        if m.backend == backend and m.cell.direction == cell.direction
    ]
    return min(estimates, default=None)


def estimate_bytes(record: ScanRecord, backend: str, cell: ScanCell) -> float:
    """Memory of a cell: what must be moved lives somewhere, and what the backend took beyond, scaled by tokens."""
    s = record.settings
    extra = [
        (extra_bytes(m.memory, m.result_bytes) or 0) * cell.tokens / m.cell.tokens
        for m in record.measurements
        if m.backend == backend and m.cell.direction == cell.direction
    ]
    return least_bytes(cell, s.channels, s.state, s.precision) + min(extra, default=0)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
