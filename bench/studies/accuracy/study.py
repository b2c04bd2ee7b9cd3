"""Run a network in every variant over the same images, and compare each image with the base's and with float64's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.core.console import Tell
from bench.core.environment import describe, device_name, now
from bench.core.identity import Rank
from bench.core.progress import Step, step
from bench.core.record import Settings, WeightsInfo
from bench.core.store import find, save
from bench.data.metrics import crop_border, finite, luma, psnr
from bench.data.pairs import SCALE, Dataset, LoadedPair
from bench.networks.engine import DTYPES, Image, Job
from bench.networks.worker import Worker
from bench.studies.accuracy.accuracy_record import (
    AccuracyLeftOut,
    AccuracyRecord,
    AccuracyVariant,
    Difference,
    ImageAccuracy,
    VariantAccuracy,
)
from bench.studies.measured import Measured
from models import get_spec
from models.errors import EsrError
from models.scan import list_backends
from models.scan.mixer import fuses
from models.weights import find_weights

PRECISIONS = {"cpu": ("fp32", "bf16"), "cuda": ("fp32", "tf32", "bf16", "fp16")}
SEPARATE, FUSED = {"fused": False}, {"fused": True}
BASE = AccuracyVariant("fp32", "chunked", SEPARATE)
EXACT = AccuracyVariant("fp64", "chunked", SEPARATE)
SLOW = "reference"  # hours for whole images; only if asked for


@dataclass(frozen=True)
class AccuracyPlan:
    """What to run; every field is valid on this machine."""

    model: str
    options: dict[str, Any]
    device: torch.device
    threads: int | None
    variants: list[AccuracyVariant]  # besides BASE and EXACT
    datasets: list[Dataset]
    limit: int | None
    exact: frozenset[str]  # data sets that are run in float64 too
    data_dir: Path | None
    out: Path
    reuse: bool  # keep the variants that an earlier run left there


@dataclass(frozen=True)
class Outputs:
    """One variant's images of one data set."""

    images: list[Image]
    seconds: float


def list_variants(device: str, backends: Sequence[str] | None) -> list[AccuracyVariant]:
    """Every precision with every backend, and its fused mixer where it has one; BASE is left out."""
    names = backends or [name for name in list_backends(device) if name != SLOW]
    return [
        variant
        for precision in PRECISIONS[device]
        for name in names
        for options in (SEPARATE, FUSED)
        if options is SEPARATE or fuses(options, name, DTYPES[precision])
        if (variant := AccuracyVariant(precision, name, options)) != BASE
    ]


def run(plan: AccuracyPlan, tell: Tell) -> Measured[AccuracyRecord]:
    """Measure everything of `plan`; the record is written after every variant.

    Raises EsrError where the weights cannot be had or the base fails; another variant's failure is in the record.
    """
    record, weights = _new_record(plan)
    record.results = _kept(record, plan)
    order = {variant.text: place for place, variant in enumerate((BASE, EXACT, *plan.variants))}
    known = {(one.variant.text, one.dataset) for one in record.results}
    pairs = {d.name: [pair.load() for pair in d.pairs[: plan.limit]] for d in plan.datasets}
    names = {d.name: [pair.name for pair in d.pairs] for d in plan.datasets}
    exact_sets = {name: loaded for name, loaded in pairs.items() if name in plan.exact}
    total = sum(map(len, pairs.values())) * (1 + len(plan.variants)) + sum(map(len, exact_sets.values()))
    with step("accuracy [images]", total=total) as progress:

        def outputs(variant: AccuracyVariant, sets: dict[str, list[LoadedPair]]) -> dict[str, Outputs]:
            return _upscale(plan, weights, variant, sets, progress)

        base = outputs(BASE, pairs)
        try:
            exact = outputs(EXACT, exact_sets) if exact_sets else {}
        except EsrError as error:
            exact = {}
            _leave_out(record, EXACT, exact_sets, str(error), tell)

        def keep(variant: AccuracyVariant, found: dict[str, Outputs]) -> None:
            for dataset, one in found.items():
                images = _compare(names[dataset], pairs[dataset], one, base[dataset], exact.get(dataset))
                record.results.append(VariantAccuracy(variant, dataset, images, one.seconds))
            record.results.sort(key=lambda one: order.get(one.variant.text, len(order)))
            save(record, plan.out)
            for dataset, one in found.items():
                tell(f"{plan.model} on {dataset}: {variant.text}: {one.seconds:.1f} s")

        keep(BASE, base)
        keep(EXACT, exact)
        for variant in plan.variants:
            left = {name: loaded for name, loaded in pairs.items() if (variant.text, name) not in known}
            progress.advance(sum(len(loaded) for name, loaded in pairs.items() if name not in left))
            try:
                if left:
                    keep(variant, outputs(variant, left))
            except EsrError as error:
                _leave_out(record, variant, left, str(error), tell)
    stored = save(record, plan.out)
    stored.results.sort(key=lambda one: order.get(one.variant.text, len(order)))
    return Measured([stored], failed=bool(stored.left_out))


def _kept(record: AccuracyRecord, plan: AccuracyPlan) -> list[VariantAccuracy]:
    """What an earlier run with the same weights and images found; base and float64 are run again, to compare with."""
    old = find(record, plan.out) if plan.reuse else None
    if not old:
        return []
    names = {dataset.name for dataset in plan.datasets}
    others = [one for one in old.results if one.dataset not in names or one.variant not in (BASE, EXACT)]
    return [one for one in others if one.rank == Rank.WHOLE or one.dataset not in plan.exact]


def _new_record(plan: AccuracyPlan) -> tuple[AccuracyRecord, Path]:
    spec = get_spec(plan.model)
    if spec.weights is None:
        raise EsrError(f"no weights of {plan.model} were published, and random ones would say nothing")
    weights = find_weights(spec.weights, plan.data_dir)
    info = WeightsInfo("official", weights.name, spec.weights.sha256, spec.weights.url, spec.weights.note)
    created = now()
    record = AccuracyRecord(
        model=plan.model,
        options=plan.options,
        display_name=spec.display_name,
        weights=info,
        device=plan.device.type,
        device_name=device_name(plan.device),
        threads=plan.threads,
        created=created,
        environment=describe(plan.device),
        base=BASE,
        exact=EXACT,
        limit=plan.limit,
    )
    return record, weights


def _leave_out(
    record: AccuracyRecord, variant: AccuracyVariant, datasets: Sequence[str] | dict[str, Any], why: str, tell: Tell
) -> None:
    record.left_out += [AccuracyLeftOut(variant, name, f"failed: {why}") for name in datasets]
    tell(f"{variant.text} failed: {why}")


def _upscale(
    plan: AccuracyPlan, weights: Path, variant: AccuracyVariant, sets: dict[str, list[LoadedPair]], progress: Step
) -> dict[str, Outputs]:
    """Every image by one variant, in a process of its own."""
    settings = Settings(
        plan.device.type,
        device_name(plan.device),
        height=16,  # of the fixed input, which is not run
        width=16,
        precision=variant.precision,
        scan_backend=variant.backend,
        threads=plan.threads,
    )
    job = Job(plan.model, {**plan.options, **variant.options}, weights, settings, str(plan.device))
    found = {}
    with Worker(job) as worker:
        worker.cold()  # what is done once is no part of an image's time
        for name, loaded in sets.items():
            progress.describe(f"{variant.text} on {name} [images]")
            images, milliseconds = [], 0.0
            for pair in loaded:
                image, ms = worker.upscale(pair.lr)
                images.append(image)
                milliseconds += ms
                progress.advance()
            found[name] = Outputs(images, milliseconds / 1e3)
    return found


def _compare(
    names: Sequence[str], pairs: Sequence[LoadedPair], found: Outputs, base: Outputs, exact: Outputs | None
) -> list[ImageAccuracy]:
    return [
        ImageAccuracy(
            name=names[i],
            psnr_y=_psnr_y(found.images[i], pair),
            from_base=difference(found.images[i], base.images[i]),
            from_exact=difference(found.images[i], exact.images[i]) if exact else None,
        )
        for i, pair in enumerate(pairs)
    ]


def _psnr_y(image: Image, pair: LoadedPair) -> float | None:
    return finite(psnr(crop_border(luma(image), SCALE), crop_border(luma(pair.hr), SCALE)))


def difference(a: Image, b: Image) -> Difference:
    """Two 8-bit images, value by value."""
    levels = np.abs(a.astype(np.int16) - b.astype(np.int16))
    return Difference(int(levels.max()), int(np.count_nonzero(levels)), levels.size)
