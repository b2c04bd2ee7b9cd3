"""One network to be measured: its record so far, its weights, and what is left to do."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench.core.console import Tell
from bench.core.environment import describe, device_name, now
from bench.core.out_of_memory import is_out_of_memory
from bench.core.record import Record, Settings, Skipped, WeightsInfo
from bench.core.store import find, merge, save
from bench.core.wording import without_paths
from bench.counts.complexity import count_complexity
from bench.counts.text import counts_lines
from bench.data.pairs import Dataset
from bench.networks.choice import Choice
from bench.networks.engine import DTYPES, Job
from bench.networks.external.about import about_own
from bench.networks.external.own import OwnNetwork
from bench.networks.external.telling import flag_words, found_lines, tell_of_code
from bench.studies.profile.arguments import Plan
from models import create_model, get_spec
from models.errors import EsrError
from models.scan import resolve_backend
from models.scan.mixer import fuses
from models.weights import WeightsUnavailableError, find_weights, load_into, read_weights


@dataclass
class Subject:
    """One network of a plan.

    Attributes:
        record: what this run has, filled stage by stage, and laid over what is stored after each.
        name: as the command line names it.
        stored: what the folder of records holds of it now, of earlier runs too.
        given: weights of the user's own for a network of the registry; None for the published ones.
        weights: file to load; None for random weights, and for a network of the user's own.
        own: what to open, where the network is the user's own.
        fixed: whether it takes no input but the timed one, so that no data set can be scored.
        error: why it could not be measured further, in one line.
        incomplete: whether something that was asked for by name could not be had.
        scored: the data sets that this run scored.
    """

    record: Record
    plan: Plan
    name: str
    stored: Record | None = None
    given: Path | None = None
    weights: Path | None = None
    own: OwnNetwork | None = None
    fixed: bool = False
    error: str = ""
    incomplete: bool = False
    scored: set[str] = field(default_factory=set)

    def job(self) -> Job:
        """What its worker builds."""
        record = self.record
        name = record.display_name if self.own else record.model
        return Job(name, record.options, self.weights, record.settings, str(self.plan.device), self.own)

    def save(self) -> None:
        """Lay the record as it is over what is stored."""
        self.stored = save(self.record, self.plan.out)

    def fail(self, part: str, error: str, tell: Tell) -> None:
        """Note that `part` failed, in the record too; other networks go on."""
        self.error = error
        self.skip(part, f"failed: {error}", "")
        tell(f"failed: {error}")

    def skip(self, what: str, reason: str, extra: str, estimate_s: float | None = None) -> None:
        """Note a part that is left out, with the command that makes it."""
        kept = [s for s in self.record.skipped if s.what != what]
        self.record.skipped = [*kept, Skipped(what, without_paths(reason), self.command(extra), estimate_s)]

    def done(self, part: str) -> None:
        """Note when, and by which version, `part` was measured; an older note that it was left out goes."""
        environment = self.record.environment
        self.record.skipped = [s for s in self.record.skipped if s.what != part]
        self.record.provenance[part] = {
            "created": now(),
            "git_commit": environment.get("git_commit"),
            "git_dirty": environment.get("git_dirty"),
        }

    def command(self, extra: str) -> str:
        """The command that fills this very record; `extra` says with what."""
        plan, settings = self.plan, self.record.settings
        words = ["python", "bench/profile.py", "--model", self.own.safe_label if self.own else self.record.model]
        if self.record.options:
            words += ["--model-args", *(f"{k}={v}".replace(" ", "") for k, v in self.record.options.items())]
        if (settings.height, settings.width) != (256, 256):
            words += ["--input-size", f"{settings.height}x{settings.width}"]
        if settings.precision != "fp32":
            words += ["--precision", settings.precision]
        if plan.backend or "@" in self.name:
            words += ["--backend", settings.scan_backend] if settings.scan_backend else []
        for switch in ("channels_last", "compile", "cuda_graph", "ntire_compat"):
            words += ["--" + switch.replace("_", "-")] if getattr(settings, switch) else []
        if self.given:
            words += ["--weights", self.given.name]
        words += flag_words(self.own) if self.own else []
        return " ".join([*map(shlex.quote, words), "--reuse", *([extra] if extra else [])])

    # ---- what is left to do -------------------------------------------------------------------------------------

    def wants_runtime(self) -> bool:
        """Whether the fixed input is to be run, for its time or for its memory."""
        record, wants = self.record, self.plan.measure
        if self.error:
            return False
        if self.plan.ntire_compat:
            return "runtime" in wants and record.runtime is None
        return ("runtime" in wants and record.runtime is None) or ("memory" in wants and record.memory is None)

    def missing(self, datasets: Sequence[Dataset]) -> list[Dataset]:
        """The data sets that are still to be scored."""
        if self.error or self.fixed or "quality" not in self.plan.measure or self.record.weights.status == "random":
            return []
        scored = {quality.dataset for quality in self.record.quality}
        if self.plan.ntire_compat and self.wants_runtime():
            scored.discard(self.record.settings.timed_on)  # whose times, of this run, are to be the runtime
        return [dataset for dataset in datasets if dataset.name not in scored]


def start_all(plan: Plan, tell: Tell) -> list[Subject]:
    """Every network of the plan, each with its options and scan backend, once. Raises EsrError as `start` does."""
    tell_of_code([choice.own for choice in plan.choices if choice.own], tell)
    chosen: dict[str, tuple[Choice, str | None]] = {}
    for choice in plan.choices:
        if choice.own:
            chosen[repr((choice.own, choice.options))] = (choice, None)
            continue
        scan = resolve_backend(choice.backend or plan.backend, plan.device.type) if get_spec(choice.name).scan else None
        chosen.setdefault(repr((choice.name, choice.options, scan)), (choice, scan))
    subjects = [
        _start_own(choice, choice.own, plan, tell) if choice.own else start(choice, scan, plan, tell)
        for choice, scan in chosen.values()
    ]
    return list({subject.record.file_name: subject for subject in subjects}.values())  # one file under two paths


def _start_own(choice: Choice, own: OwnNetwork, plan: Plan, tell: Tell) -> Subject:
    """As `start`, by a worker, in which its code runs. Raises EsrError for a network that cannot be measured."""
    settings, options = _settings(plan, None), choice.options
    found = about_own(choice, settings, plan.device, counted=True)
    record = Record(
        model=found.model_name(options),
        options=options,
        display_name=found.display_name(options),
        weights=found.weights,
        settings=settings,
        created=now(),
        environment=describe(plan.device),
        complexity=found.complexity,
        source=found.source,
    )
    subject = Subject(record, plan, record.display_name, own=own, fixed=found.fixed)
    for line in found_lines(f"{record.display_name}, from {own.safe_label}", found):
        tell(line)
    if found.complexity:
        subject.done("counts")
    else:
        record.skipped.append(Skipped("counts", without_paths(found.uncounted), ""))
    if found.fixed and "quality" in plan.measure:
        record.skipped.append(Skipped("quality", "it takes inputs of one size only, and images have many", ""))
    _skip_unweighted(subject, tell)
    return subject


def start(choice: Choice, backend: str | None, plan: Plan, tell: Tell) -> Subject:
    """A subject with its counts, which need neither weights nor time. Raises EsrError for options that cannot be."""
    name, options = choice.name, choice.options
    spec = get_spec(name)
    fused = spec.fuses and backend is not None and fuses(options, backend, DTYPES[plan.precision])
    settings = replace(_settings(plan, backend), fused=fused)
    record = Record(
        model=name,
        options=options,
        display_name=spec.display_name,
        weights=WeightsInfo("none needed"),
        settings=settings,
        created=now(),
        environment=describe(plan.device),
    )
    # The counts do not depend on the backend, but the tracer runs on the CPU, where not every backend does.
    traceable = {**options, "scan_backend": "chunked"} if spec.scan else options
    model = create_model(name, **traceable)
    try:
        record.complexity = c = count_complexity(model, plan.height, plan.width, spec)
    except Exception as error:
        if isinstance(error, EsrError) or is_out_of_memory(error):
            raise
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise EsrError(f"{name} cannot run with {options} on {plan.height}x{plan.width}: {reason}") from None
    for line in counts_lines(choice.label, c):
        tell(line)
    subject = Subject(record, plan, choice.label, given=choice.weights)
    subject.done("counts")
    return subject


def _settings(plan: Plan, backend: str | None) -> Settings:
    return Settings(
        device=plan.device.type,
        device_name=device_name(plan.device),
        height=plan.height,
        width=plan.width,
        precision=plan.precision,
        channels_last=plan.channels_last,
        compile=plan.compile,
        cuda_graph=plan.cuda_graph,
        scan_backend=backend,
        threads=plan.threads,
        ntire_compat=plan.ntire_compat,
    )


def settle_weights(subject: Subject, tell: Tell) -> None:
    """Find the weights and load them once, so that an unfit file is refused before anything is timed.

    Raises EsrError for a file that cannot be used. Where none can be had, the network keeps random weights. Nothing is
    downloaded for counts alone. A network of the user's own has its weights already.
    """
    if subject.own:
        return
    plan, record = subject.plan, subject.record
    spec = get_spec(record.model)
    model = create_model(record.model, **record.options)
    if not any(True for _ in model.parameters()):
        return
    if subject.given:
        subject.weights = subject.given
    elif spec.weights is None:
        record.weights = WeightsInfo("random", note=spec.no_weights or "no weights of this network were published")
    else:
        try:
            subject.weights = find_weights(spec.weights, plan.data_dir, allow_download=bool(plan.measure))
        except WeightsUnavailableError as error:
            record.weights = WeightsInfo("random", spec.weights.file, source=spec.weights.url, note=str(error))
    if subject.weights:
        loaded = read_weights(subject.weights, published=spec.weights)
        try:
            load_into(model, loaded, record.model)
        except EsrError:
            if subject.given or not record.options:
                raise
            subject.weights = None
            record.weights = WeightsInfo("random", note="the published weights do not fit these options")
        else:
            known = None if subject.given else spec.weights
            record.weights = WeightsInfo(
                "official" if known else "custom",
                file=subject.weights.name,
                sha256=loaded.sha256,
                source=known.url if known else None,
                note=known.note if known else "",
            )
    _skip_unweighted(subject, tell)


def _skip_unweighted(subject: Subject, tell: Tell) -> None:
    weights = subject.record.weights
    if weights.status == "random" and "quality" in subject.plan.measure:
        subject.skip("quality", f"no weights: {weights.note}", "--weights FILE")
        tell(f"{subject.name}: no weights, quality is not measured ({weights.note})")


def adopt(subject: Subject, tell: Tell) -> None:
    """With --reuse, take over what earlier runs left of the same network under the same conditions."""
    old = find(subject.record, subject.plan.out) if subject.plan.reuse else None
    if old is None:
        return
    tell(f"{subject.name}: continuing {old.file_name}")
    subject.record = merge(old, subject.record)
    # As it was when those were measured; whatever is measured now says what it ran in.
    subject.record.created, subject.record.environment = old.created, old.environment
