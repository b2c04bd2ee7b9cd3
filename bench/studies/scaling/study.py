"""Measure one network at growing sizes until it no longer fits, whole and in tiles; each size in a fresh process."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import torch

from bench.core.console import Tell
from bench.core.environment import describe, device_name, now
from bench.core.progress import step
from bench.core.record import Settings, WeightsInfo
from bench.core.store import find, merge, save
from bench.data.metrics import crop_border, finite, psnr
from bench.data.pairs import Dataset
from bench.measurement.quality import BORDER
from bench.measurement.runtime import measure_runtimes
from bench.networks.choice import Choice
from bench.networks.engine import Engine, Image, Job
from bench.networks.external.about import about_own
from bench.networks.worker import RemoteContestant
from bench.studies.measured import Measured
from bench.studies.scaling.scaling_record import Point, ScalingRecord, TiledImage
from bench.studies.scaling.tiling import run_tiled
from models import get_spec
from models.errors import EsrError
from models.scan import resolve_backend
from models.weights import WeightsUnavailableError, find_weights

HEADROOM = 0.85  # of the free memory that an input may be expected to need, on a CPU


@dataclass(frozen=True)
class ScalingPlan:
    """What to measure, and how."""

    choice: Choice
    sizes: list[int]
    tile: int | None
    overlap: int
    device: torch.device
    threads: int | None
    precision: str
    runs: int
    time_budget_s: float  # of samples, for each size
    longest_s: float  # a pass that is expected to take longer is not begun
    datasets: list[Dataset]
    data_dir: Path | None
    out: Path
    reuse: bool  # keep what an earlier run left there


class TiledEngine(Engine):
    """An engine whose passes are tiled where `tile` says so."""

    def __init__(self, job: Job, tile: int | None, overlap: int) -> None:
        super().__init__(job)
        if tile is not None:
            whole = self.model
            self.model = lambda x: run_tiled(whole, x, tile, overlap)


class Scaled(RemoteContestant):
    """A `TiledEngine` in a process of its own."""

    def __init__(self, job: Job, tile: int | None, overlap: int) -> None:
        super().__init__(job.model, functools.partial(TiledEngine, job, tile, overlap))

    def upscale(self, image: Image) -> tuple[Image, float]:
        """See `Engine.upscale`."""
        answer: tuple[Image, float] = self.ask("upscale", image)
        return answer


def run(plan: ScalingPlan, tell: Tell) -> Measured[ScalingRecord]:
    """Measure everything of `plan`; the record is written after each size. Raises EsrError for options that fail."""
    record, job = _begin(plan)
    if plan.reuse and (old := find(record, plan.out)):
        record = merge(old, record)
        record.points = [p for p in record.points if p.samples_ms]  # what did not run then may run now
    measured = {(p.size, p.tile) for p in record.points}
    stored = record
    for tile in [None, plan.tile] if plan.tile else [None]:
        with step(f"{plan.choice.label}, {f'tiles of {tile}' if tile else 'whole'}", len(plan.sizes)) as progress:
            for size in plan.sizes:
                if (size, tile) in measured:
                    progress.advance()
                    continue
                progress.describe(f"{plan.choice.label} at {size}x{size}{f', tiles of {tile}' if tile else ''}")
                point = Point(size, tile, problem=_foreseen(record, plan, size, tile))
                if not point.problem:
                    _measure(point, plan, job, tell)
                record.points.append(point)
                stored = save(record, plan.out)
                progress.advance()
    if plan.tile and plan.datasets:
        if job.weights is None and not (job.own and job.own.weights):
            tell(f"{plan.choice.label}: no weights, so what tiling costs in dB is not measured")
        else:
            _compare_images(record, plan, job)
            if not record.images:
                tell(
                    f"{plan.choice.label}: no image is larger than one tile, so what tiling costs in dB is not measured"
                )
            stored = save(record, plan.out)
    return Measured([stored])


def _begin(plan: ScalingPlan) -> tuple[ScalingRecord, Job]:
    choice = plan.choice
    spec = None if choice.own else get_spec(choice.name)
    backend = resolve_backend(choice.backend, plan.device.type) if spec and spec.scan else None
    settings = Settings(
        plan.device.type, device_name(plan.device), precision=plan.precision, scan_backend=backend, threads=plan.threads
    )
    own = about_own(choice, settings, plan.device) if choice.own else None
    weights, about = None, own.weights if own else WeightsInfo("random")
    if spec and spec.weights is not None and not choice.options:
        try:
            weights = find_weights(spec.weights, plan.data_dir)
            about = WeightsInfo("official", weights.name, spec.weights.sha256, spec.weights.url, spec.weights.note)
        except WeightsUnavailableError:
            weights = None  # time and memory do not need them
    record = ScalingRecord(
        model=own.model_name(choice.options) if own else choice.name,
        options=choice.options,
        display_name=spec.display_name if spec else own.display_name(choice.options) if own else choice.label,
        weights=about,
        source=own.source if own else None,
        device=plan.device.type,
        device_name=settings.device_name,
        threads=plan.threads,
        precision=plan.precision,
        scan_backend=backend,
        created=now(),
        environment=describe(plan.device),
        tile=plan.tile,
        overlap=plan.overlap,
    )
    return record, Job(choice.name, choice.options, weights, settings, str(plan.device), choice.own)


def _foreseen(record: ScalingRecord, plan: ScalingPlan, size: int, tile: int | None) -> str:
    """Why a size is not worth beginning, from the largest that was measured before it; "" if it is."""
    before = [p for p in record.points if p.tile == tile and p.samples_ms and p.memory]
    if not before:
        failed = [p for p in record.points if p.tile == tile and p.problem]
        return f"not tried: {failed[-1].size}x{failed[-1].size} failed already" if failed else ""
    last = max(before, key=lambda p: p.size)
    growth = (size / last.size) ** 2
    seconds = growth * sorted(last.samples_ms)[len(last.samples_ms) // 2] / 1e3
    if seconds > plan.longest_s:
        return f"not tried: a pass would take about {seconds:.0f} s (--longest)"
    needed = growth * last.memory.peak_allocated if last.memory else 0
    free = psutil.virtual_memory().available
    if record.device == "cpu" and needed > HEADROOM * free:
        return f"not tried: about {needed / 2**20:,.0f} MiB needed, {free / 2**20:,.0f} MiB free"
    return ""


def _measure(point: Point, plan: ScalingPlan, job: Job, tell: Tell) -> None:
    sized = replace(job, settings=replace(job.settings, height=point.size, width=point.size))
    with Scaled(sized, point.tile, plan.overlap) as worker:
        (timed,) = measure_runtimes(
            [worker], plan.device.type, plan.runs, plan.time_budget_s, False, lambda *_: None, lambda _: None
        )
    if timed.error:
        point.problem = timed.error
        tell(f"{plan.choice.label} at {point.size}x{point.size}: {timed.error}")
        return
    point.cold_ms, point.samples_ms, point.memory = timed.cold_ms, timed.samples_ms, timed.memory


def _compare_images(record: ScalingRecord, plan: ScalingPlan, job: Job) -> None:
    known = {(image.dataset, image.name) for image in record.images}
    pairs = [(d.name, pair) for d in plan.datasets for pair in d.pairs if (d.name, pair.name) not in known]
    if not pairs:
        return
    with (
        Scaled(job, None, 0) as whole,
        Scaled(job, plan.tile, plan.overlap) as tiled,
        step(f"{plan.choice.label}: images whole and in tiles", len(pairs)) as progress,
    ):
        for dataset, pair in pairs:
            progress.advance()
            loaded = pair.load()
            if max(loaded.lr.shape[:2]) <= (plan.tile or 0):
                continue  # one tile holds it, and there is nothing to compare
            images = [worker.upscale(loaded.lr)[0] for worker in (whole, tiled)]
            record.images.append(_image(dataset, pair.name, loaded.hr, images))


def _image(dataset: str, name: str, hr: Image, images: Sequence[Image]) -> TiledImage:
    whole, tiled = (finite(psnr(crop_border(image, BORDER), crop_border(hr, BORDER))) for image in images)
    difference = np.abs(images[0].astype(np.int16) - images[1].astype(np.int16))
    return TiledImage(dataset, name, whole, tiled, float((difference > 0).mean()), int(difference.max()))


def check_tiles(tile: int | None, overlap: int) -> None:
    """Raise EsrError for tiles that have nothing of their own."""
    if tile is not None and tile - 2 * overlap < 1:
        raise EsrError(f"--tile {tile} has nothing left inside --overlap {overlap} on each side; use a larger tile")
