"""Measure the networks of a plan one stage after the other, writing each network's record after every stage."""

from collections.abc import Sequence
from contextlib import ExitStack

from bench.core.console import Tell
from bench.core.environment import new_run
from bench.core.progress import passes, step
from bench.core.record import Runtime, WeightsInfo
from bench.core.statistics import summarise
from bench.data.datasets import DatasetNotFoundError, find_dataset, find_named, list_datasets
from bench.data.pairs import Dataset, ImagePair
from bench.measurement.estimate import LONG_PASS_S, pass_estimate_s
from bench.measurement.quality import measure_quality
from bench.measurement.runtime import measure_runtimes, shortened
from bench.networks.worker import Worker
from bench.studies.profile.arguments import ALL_FOUND, ALL_PUBLIC, Plan
from bench.studies.profile.subject import Subject, adopt, settle_weights, start_all
from models.errors import EsrError

# Data sets of a few megabytes, which are fetched without being named: for a single network, and for a whole run.
TINY, SMALL = ("Set5",), ("Set5", "Set14", "B100")


def run(plan: Plan, tell: Tell) -> list[Subject]:
    """Measure everything of `plan`.

    Args:
        tell: receives one line of news at a time.

    Raises:
        EsrError: for options, weights or data sets that are missing or unusable, before anything is measured; a
            network that fails later is reported in its Subject and the others go on.
    """
    subjects = start_all(plan, tell)
    for subject in subjects:
        _settle_weights(subject, alone=len(subjects) == 1, tell=tell)
    scorable = [s for s in subjects if s.record.weights.status != "random" and not s.fixed]
    datasets = _datasets(plan, scorable, tell) if "quality" in plan.measure else []
    for subject in subjects:
        if plan.ntire_compat and datasets and subject in scorable:
            subject.record.settings.timed_on = datasets[0].name
        adopt(subject, tell)
        subject.save()
    with ExitStack() as stack:
        busy = [s for s in subjects if s.wants_runtime() or s.missing(datasets)]
        workers = {s.name: stack.enter_context(Worker(s.job())) for s in busy}
        if not plan.ntire_compat:
            _measure_runtimes([s for s in busy if s.wants_runtime() and not _too_long(s, tell)], workers, tell)
        for subject in busy:
            if not subject.error:
                _measure_quality(subject, workers[subject.name], datasets, tell)
                subject.save()
            workers[subject.name].close()
    for subject in subjects:
        _tell_what_stays(subject, tell)
    return subjects


def _tell_what_stays(subject: Subject, tell: Tell) -> None:
    """Say where the store holds more than this run found."""
    new, stored = subject.record.runtime, subject.stored.runtime if subject.stored else None
    if new and stored and new != stored:
        tell(f"{subject.name}: cut short, so the {len(stored.samples_ms)} samples of an earlier run stay in its record")


def _settle_weights(subject: Subject, alone: bool, tell: Tell) -> None:
    try:
        settle_weights(subject, tell)
    except EsrError as error:
        if not subject.plan.measure:
            return  # counts need no weights
        if alone:
            raise
        subject.record.weights = WeightsInfo("random", note=str(error))
        subject.fail("weights", str(error), tell)


# ---- data sets ------------------------------------------------------------------------------------------------------


def _datasets(plan: Plan, subjects: Sequence[Subject], tell: Tell) -> list[Dataset]:
    """The data sets to score: those named, or those found.

    A named one that cannot be had is noted as left out; where that is true of all of them, EsrError is raised.
    """
    if plan.datasets and plan.datasets not in ([ALL_FOUND], [ALL_PUBLIC]):
        found = _named(plan, plan.datasets, subjects, tell)
    else:
        found = _found(plan, subjects)
    return [dataset.limited(plan.limit) for dataset in found] if plan.limit else found


def _named(plan: Plan, names: Sequence[str], subjects: Sequence[Subject], tell: Tell) -> list[Dataset]:
    if plan.lr:
        return find_named(names, plan.data_dir, plan.lr)
    found: dict[str, Dataset] = {}
    missing: dict[str, DatasetNotFoundError] = {}
    for name in names:
        try:
            found.update((dataset.name, dataset) for dataset in find_named([name], plan.data_dir))
        except DatasetNotFoundError as error:
            missing[name] = error
    if missing and not found:
        raise next(iter(missing.values()))
    for name, why in missing.items():
        tell(f"{name} is left out: {why}")
        for subject in subjects:
            subject.skip(f"quality:{name}", str(why), f"--data {name}")
            subject.incomplete = True
    return list(found.values())


def _found(plan: Plan, subjects: Sequence[Subject]) -> list[Dataset]:
    """Those on this machine or small, and every other that can be downloaded where the plan says so."""
    found = []
    for name in [n for n in list_datasets() if n != "photos"]:
        download = plan.datasets == [ALL_PUBLIC] or name in (SMALL if plan.datasets else TINY)
        try:
            found.append(find_dataset(name, plan.data_dir, allow_download=download))
        except DatasetNotFoundError as error:
            for subject in subjects:
                subject.skip(f"quality:{name}", str(error), f"--data {name}")
    return found or ([find_dataset("photos", None)] if plan.datasets else [])


# ---- runtime and memory ---------------------------------------------------------------------------------------------


def _too_long(subject: Subject, tell: Tell) -> bool:
    """Whether not even one pass is worth beginning; that is then noted, with its estimate and the command."""
    estimate_s, budget_s = pass_estimate_s(subject.record), subject.plan.time_budget_s
    if estimate_s <= max(LONG_PASS_S, budget_s):
        return False
    reason = f"one pass takes about {estimate_s:.0f} s, over the time budget of {budget_s:g} s"
    for part in sorted(subject.plan.measure & {"runtime", "memory"}):
        subject.skip(part, reason, f"--time-budget {4 * estimate_s:.0f}", estimate_s)
    tell(f"{subject.name}: {reason}")
    return True


def _measure_runtimes(subjects: Sequence[Subject], workers: dict[str, Worker], tell: Tell) -> None:
    if not subjects:
        return
    plan = subjects[0].plan
    # Memory alone needs the first passes, but no samples worth the name.
    runs = plan.runs if "runtime" in plan.measure else 1
    names = [s.name for s in subjects]
    with passes("runtime", plan.time_budget_s * len(names)) as on_pass:
        timed = measure_runtimes(
            [workers[name] for name in names],
            plan.device.type,
            runs,
            plan.time_budget_s,
            plan.cuda_graph,
            on_pass,
            tell,
        )
    for subject, one in zip(subjects, timed, strict=True):
        record = subject.record
        if one.error:
            subject.fail("runtime", one.error, tell)
            subject.save()
            continue
        record.environment = one.environment
        if "runtime" in plan.measure:
            record.runtime = one.runtime(runs, [n for n in names if n != subject.name])
            subject.done("runtime")
            median = summarise(one.samples_ms).median_ms
            tell(f"{subject.name}: {median:.1f} ms ({len(one.samples_ms)} samples), cold {one.cold_ms:.0f} ms")
        if "memory" in plan.measure:
            record.memory = one.memory
            subject.done("memory")
        subject.save()


def _challenge_runtime(subject: Subject, worker: Worker) -> None:
    """The challenge script's timing: every image of the first data set once, in order, nothing before the first."""
    plan, record = subject.plan, subject.record
    name = record.settings.timed_on
    if name and name not in subject.scored:
        subject.skip("runtime", f"{name}, whose images are to be timed, was not scored", f"--data {name}")
        return
    timed = next((q for q in record.quality if q.dataset == name), None)
    times = [image.time_ms for image in timed.images] if timed else []
    while not timed and len(times) < plan.runs and sum(times) / 1e3 < plan.time_budget_s:
        times.append(worker.sample())
    interrupted = "" if timed else shortened(times, plan.runs)
    record.environment = worker.environment()
    record.runtime = Runtime(times[0], [], times, interrupted=interrupted, run=new_run())
    subject.done("runtime")


# ---- quality --------------------------------------------------------------------------------------------------------


def _measure_quality(subject: Subject, worker: Worker, datasets: Sequence[Dataset], tell: Tell) -> None:
    """Score the data sets that are left, within the time budget unless they were asked for."""
    plan, part = subject.plan, "quality"
    try:
        for dataset in subject.missing(datasets):
            part = f"quality:{dataset.name}"
            estimate_s = _estimate_s(subject, dataset)
            if plan.datasets is None and estimate_s is not None and estimate_s > plan.time_budget_s:
                reason = f"about {estimate_s:.0f} s, over the time budget of {plan.time_budget_s:g} s"
                subject.skip(part, reason, f"--data {dataset.name}", estimate_s)
                continue
            _measure_dataset(subject, worker, dataset)
            subject.record.environment = worker.environment()
            subject.done(part)
            subject.save()
        part = "runtime"
        if plan.ntire_compat and subject.wants_runtime():
            _challenge_runtime(subject, worker)
    except EsrError as error:
        subject.fail(part, str(error), tell)


def _measure_dataset(subject: Subject, worker: Worker, dataset: Dataset) -> None:
    gpu = subject.plan.device.type == "cuda"
    if gpu:
        worker.reset_peak()
    with step(f"{subject.name} on {dataset.name}", total=len(dataset.pairs)) as progress:

        def on_image(pair: ImagePair) -> None:
            progress.advance()

        quality = measure_quality(worker.upscale, dataset, on_image)
    quality.peak_memory = worker.read_peak() if gpu else None
    others = [q for q in subject.record.quality if q.dataset != quality.dataset]
    subject.record.quality = [*others, quality]
    subject.scored.add(dataset.name)


def _estimate_s(subject: Subject, dataset: Dataset) -> float | None:
    """Seconds that the forward passes of a data set will take, from what was timed so far; None if nothing was."""
    record = subject.record
    if record.runtime:
        pixels, seconds = record.settings.height * record.settings.width, sorted(record.runtime.samples_ms)[0] / 1e3
    elif record.quality:
        images = record.quality[-1].images
        pixels, seconds = sum(i.height * i.width for i in images), sum(i.time_ms for i in images) / 1e3
    elif pass_s := pass_estimate_s(record):
        pixels, seconds = record.settings.height * record.settings.width, pass_s
    else:
        return None
    return seconds / pixels * sum(pair.lr_pixels() for pair in dataset.pairs)
