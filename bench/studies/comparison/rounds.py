"""Time networks in rounds: in each a fresh process a network, and all of them sampled in turn."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from bench.core.console import Tell
from bench.core.identity import versions
from bench.core.progress import passes, step
from bench.core.statistics import summarise
from bench.data.pairs import Dataset
from bench.measurement.quality import measure_quality
from bench.measurement.runtime import measure_runtimes
from bench.networks.choice import Choice
from bench.networks.worker import Worker
from bench.studies.comparison.comparison_record import Compared, ComparisonRecord, Process
from bench.studies.profile.arguments import Plan
from bench.studies.profile.subject import Subject, settle_weights, start_all
from models.errors import EsrError


def start_networks(choices: Sequence[Choice], plan: Plan, tell: Tell) -> list[Subject]:
    """Each network with its counts and weights, a network named twice too. Raises EsrError before anything is timed."""
    subjects: list[Subject] = []
    for choice in choices:
        (subject,) = start_all(replace(plan, choices=[choice]), tell)
        settle_weights(subject, tell)
        same = sum(other.record.file_name == subject.record.file_name for other in subjects)
        subject.name += f" ({same + 1})" if same else ""
        subjects.append(subject)
    return subjects


def empty_record(subjects: Sequence[Subject], plan: Plan, repeats: int) -> ComparisonRecord:
    """A record of these networks without a process yet."""
    networks = [
        Compared(s.name, r.model, r.options, r.weights, r.settings, r.complexity)
        for s, r in ((s, s.record) for s in subjects)
    ]
    first = subjects[0].record
    return ComparisonRecord(
        first.created, repeats, plan.runs, plan.time_budget_s, networks, versions(first.environment)
    )


def measure_rounds(
    record: ComparisonRecord, subjects: Sequence[Subject], datasets: Sequence[Dataset], plan: Plan, tell: Tell
) -> None:
    """Fill `record` round by round, and score the networks in the first. One that fails is left out of those after."""
    pairs = list(zip(record.networks, subjects, strict=True))
    for turn in range(record.repeats):
        # The order rotates, so that no network is always the one that comes after a certain other.
        first = turn % len(pairs)
        running = [(c, s) for c, s in [*pairs[first:], *pairs[:first]] if not c.error]
        if not running:
            return
        label = f"round {turn + 1} of {record.repeats}"
        if turn == 0:
            _measure_round(running, datasets, plan, label, tell)
        else:
            _measure_round(running, [], plan, label, lambda line: None)
        times = [f"{c.label} {_latest(c)}" for c in record.networks if c in [r for r, _ in running]]
        tell(f"{label}: {', '.join(times)}")


def _measure_round(
    running: Sequence[tuple[Compared, Subject]], datasets: Sequence[Dataset], plan: Plan, label: str, tell: Tell
) -> None:
    names = [compared.label for compared, _ in running]
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(subject.job())) for _, subject in running]
        with passes(label, plan.time_budget_s * len(workers)) as on_pass:
            timed = measure_runtimes(
                workers, plan.device.type, plan.runs, plan.time_budget_s, plan.cuda_graph, on_pass, tell
            )
        for (compared, subject), one, worker in zip(running, timed, workers, strict=True):
            others = [name for name in names if name != compared.label]
            runtime = one.runtime(plan.runs, others) if one.samples_ms else None
            compared.processes.append(Process(runtime, one.environment, one.error))
            if datasets and not one.error:
                _score(compared, subject, worker, datasets, tell)


def _score(compared: Compared, subject: Subject, worker: Worker, datasets: Sequence[Dataset], tell: Tell) -> None:
    if compared.weights.status == "random":
        compared.unscored = f"no weights: {compared.weights.note}"
    elif subject.fixed:
        compared.unscored = "it takes inputs of one size only"
    try:
        for dataset in [] if compared.unscored else datasets:
            with step(f"{compared.label} on {dataset.name}", total=len(dataset.pairs)) as progress:
                compared.quality.append(measure_quality(worker.upscale, dataset, lambda _: progress.advance()))
    except EsrError as error:
        compared.unscored = str(error)
    if compared.unscored:
        tell(f"{compared.label}: quality is not measured: {compared.unscored}")


def _latest(compared: Compared) -> str:
    process = compared.processes[-1]
    if process.error or not process.runtime:
        return f"failed ({process.error})"
    return f"{summarise(process.runtime.samples_ms).median_ms:,.2f} ms"
