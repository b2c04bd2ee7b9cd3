"""Measure one network layer by layer beside the machine's own rates, in a process of its own."""

import functools
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from bench.core.clock import clocked
from bench.core.console import Tell
from bench.core.environment import describe, device_name, now
from bench.core.progress import step
from bench.core.record import Settings
from bench.core.store import find, save
from bench.networks.choice import Choice
from bench.networks.engine import DTYPES, Engine, Job
from bench.networks.external.about import about_own
from bench.networks.worker import RemoteContestant
from bench.studies.measured import Measured
from bench.studies.roofline.layer_profile import profile_pass, tensor_bytes
from bench.studies.roofline.roofline_record import LayerOp, Rates, RooflineRecord
from bench.studies.scan.machine import measure_machine
from models import get_spec
from models.errors import EsrError
from models.scan import resolve_backend
from models.scan.mixer import fuses

WARMUP_PASSES = {"cpu": 2, "cuda": 20}
PRODUCT_SIDE = {"cpu": 2048, "cuda": 8192}
PRODUCTS = {"cpu": 5, "cuda": 20}


@dataclass(frozen=True)
class RooflinePlan:
    """What to measure, and how."""

    choice: Choice
    height: int
    width: int
    device: torch.device
    threads: int | None
    precision: str
    runs: int
    time_budget_s: float  # of the passes, profiled or not
    out: Path
    reuse: bool  # keep a finished record of an earlier run


@dataclass(frozen=True)
class Profiled:
    """One profiled pass."""

    layers: list[LayerOp]
    peak_live_bytes: int


class RooflineEngine(Engine):
    """An engine that also times its layers and its machine."""

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        self._launch_ms = 0.0

    def rates(self) -> Rates:
        """Of the machine, in this network's precision."""
        copies = measure_machine(self.device)
        side = PRODUCT_SIDE[self.device.type]
        a, b = (torch.rand(side, side, device=self.device, dtype=self.dtype) for _ in range(2))
        out = torch.mm(a, b)
        samples = [clocked(lambda: torch.mm(a, b, out=out), self.device)[1] for _ in range(PRODUCTS[self.device.type])]
        return Rates(copies.copy_bytes, copies.copy_samples_ms, 2 * side**3, samples)

    def least_bytes(self) -> int:
        """Of weights, input and output."""
        with torch.inference_mode():
            y = self.model(self.fixed)
        return sum(map(tensor_bytes, [*self._module.parameters(), *self._module.buffers(), self.fixed, y]))

    def profile(self) -> Profiled:
        """One profiled pass of the fixed input."""
        profiler, self._launch_ms = profile_pass(self._module, self.fixed, self.device, self._launch_ms)
        return Profiled(profiler.layers(), profiler.live.most)

    @property
    def _module(self) -> nn.Module:
        assert isinstance(self.model, nn.Module)
        return self.model


class Roofed(RemoteContestant):
    """A `RooflineEngine` in a process of its own."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.model, functools.partial(RooflineEngine, job))

    def rates(self) -> Rates:
        """See `RooflineEngine.rates`."""
        rates: Rates = self.ask("rates")
        return rates

    def least_bytes(self) -> int:
        """See `RooflineEngine.least_bytes`."""
        count: int = self.ask("least_bytes")
        return count

    def profile(self) -> Profiled:
        """See `RooflineEngine.profile`."""
        profiled: Profiled = self.ask("profile")
        return profiled


def run(plan: RooflinePlan, tell: Tell) -> Measured[RooflineRecord]:
    """Measure everything of `plan`; `tell` hears of a network that fails."""
    try:
        record = _begin(plan)
        return Measured([(find(record, plan.out) if plan.reuse else None) or _fill(plan, record)])
    except EsrError as error:
        tell(f"failed: {error}")
        return Measured([], failed=True)


def _begin(plan: RooflinePlan) -> RooflineRecord:
    """The record without what is measured. Raises EsrError for options that fail."""
    choice, spec = plan.choice, None if plan.choice.own else get_spec(plan.choice.name)
    backend = resolve_backend(choice.backend, plan.device.type) if spec and spec.scan else None
    settings = Settings(
        plan.device.type,
        device_name(plan.device),
        plan.height,
        plan.width,
        plan.precision,
        fused=bool(spec and spec.fuses and backend and fuses(choice.options, backend, DTYPES[plan.precision])),
        scan_backend=backend,
        threads=plan.threads,
    )
    own = about_own(choice, settings, plan.device) if choice.own else None
    return RooflineRecord(
        model=own.model_name(choice.options) if own else choice.name,
        options=choice.options,
        display_name=spec.display_name if spec else own.display_name(choice.options) if own else choice.label,
        settings=settings,
        source=own.source if own else None,
        created=now(),
        environment=describe(plan.device),
        least_bytes=0,
        passes_ms=[],
        rates=Rates(0, [], 0, []),
        layers=[],
        peak_live_bytes=0,
    )


def _fill(plan: RooflinePlan, record: RooflineRecord) -> RooflineRecord:
    """Measure everything of `plan` into `record`, and keep it. Raises EsrError where that fails."""
    choice = plan.choice
    # With random weights: no operator is faster or slower for the value of a weight.
    job = Job(choice.name, choice.options, None, record.settings, str(plan.device), choice.own)
    with Roofed(job) as worker, step(f"{choice.label}: roofline", plan.runs) as progress:
        progress.describe(f"{choice.label}: the machine's rates")
        first = worker.rates()
        progress.describe(f"{choice.label}: passes")
        record.least_bytes = worker.least_bytes()
        for _ in range(WARMUP_PASSES[plan.device.type]):
            worker.sample()
        worker.profile()
        until, passes = time.monotonic() + plan.time_budget_s, list[Profiled]()
        while not passes or (len(passes) < plan.runs and time.monotonic() < until):
            record.passes_ms.append(worker.sample())
            passes.append(worker.profile())
            progress.advance()
        record.environment = worker.environment()
        second = worker.rates()
    record.rates = Rates(
        first.copy_bytes, first.copy_ms + second.copy_ms, first.product_flops, first.product_ms + second.product_ms
    )
    record.layers, record.peak_live_bytes = merge_passes(choice.label, passes), passes[0].peak_live_bytes
    return save(record, plan.out)


def merge_passes(label: str, passes: list[Profiled]) -> list[LayerOp]:
    """The layers of the first pass with the times of all. Raises EsrError where the passes ran different operators."""
    first = passes[0].layers
    for other in passes[1:]:
        if [(o.module, o.op, o.calls) for o in other.layers] != [(o.module, o.op, o.calls) for o in first]:
            raise EsrError(f"{label}: two passes of one input ran different operators, so its layers have no one time")
    for index, layer in enumerate(first):
        layer.times_ms = [p.layers[index].times_ms[0] for p in passes]
    return first
