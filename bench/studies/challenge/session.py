"""Go over the teams of a checkout: each in its sandbox, timed in turn with the baseline, one record each."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.core.console import Tell
from bench.core.environment import now
from bench.core.progress import Step, step
from bench.core.record import Complexity
from bench.core.record_file import from_plain
from bench.core.store import find, save
from bench.core.wording import printable, without_paths
from bench.counts.text import counts_lines
from bench.data.pairs import Dataset
from bench.measurement.quality import measure_quality
from bench.measurement.runtime import measure_runtimes
from bench.networks.wall import Wall
from bench.studies.challenge.layout import Checkout
from bench.studies.challenge.sandbox import Sandbox, remove_abandoned
from bench.studies.challenge.team_record import Conditions, TeamRecord
from models.errors import EsrError
from models.scan import native


@dataclass(frozen=True)
class Plan:
    """What to measure, and how."""

    checkout: Checkout
    teams: list[int]
    baseline: int  # the team that the others are timed in turn with
    device: str
    conditions: Conditions
    parts: frozenset[str]  # of "runtime" and "quality"; counts are always made
    runs: int
    time_budget_s: float
    datasets: list[Dataset]
    unsafe: bool
    wall: Wall
    out: Path
    again: bool


def run(plan: Plan, tell: Tell) -> list[TeamRecord]:
    """Measure every team that has no record yet. A failed team is a record with its reason, and the others go on."""
    records = []
    remove_abandoned()
    native.available()  # built here, since behind a wall nothing can be written
    with ExitStack() as stack, step("teams", total=len(plan.teams)) as progress:
        baseline = _Baseline(plan, stack)
        for team in plan.teams:
            progress.describe(f"team {team:02}")
            found = None if plan.again else _kept(plan, team)
            if found:
                tell(f"team {team:02}: kept {found.file_name}")
            records.append(found or _measure(plan, team, baseline, progress, tell))
            progress.advance()
    return records


def _kept(plan: Plan, team: int) -> TeamRecord | None:
    """The record of an earlier run under the same conditions that holds what this one asks for."""
    old = find(_empty(plan, team), plan.out / "records")
    if old is None:
        return None
    wanted = {dataset.name for dataset in plan.datasets} - {q.dataset for q in old.quality}
    whole = old.status == "failed" or ((old.runtime or "runtime" not in plan.parts) and not wanted)
    return old if whole else None


def _empty(plan: Plan, team: int) -> TeamRecord:
    published = {k: v for k, v in plan.checkout.results.get(team, {}).items() if isinstance(v, int | float)}
    return TeamRecord(
        team=team,
        year=plan.checkout.year,
        status="measured",
        reason="",
        conditions=plan.conditions,
        created=now(),
        forward=plan.checkout.forwards.get(team, ""),
        published=published,
        wall=plan.wall.text,
    )


def _sandbox(plan: Plan, team: int) -> Sandbox:
    c = plan.conditions
    job = {"device": plan.device, "threads": c.threads, "size": c.size, "unsafe": plan.unsafe}
    return Sandbox(plan.checkout, team, job, c.time_limit_s, c.memory_limit, plan.wall)


class _Baseline:
    """The baseline's process, started when it is first needed and kept for all teams."""

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        self._plan, self._stack = plan, stack
        self._sandbox: Sandbox | None = None
        self._failure = ""

    def process(self) -> Sandbox | None:
        """None where it failed; `failure` says why."""
        if self._sandbox is None and not self._failure:
            sandbox = self._stack.enter_context(_sandbox(self._plan, self._plan.baseline))
            try:
                sandbox.build()
                self._sandbox = sandbox
            except EsrError as error:
                self._failure = str(error)
        return self._sandbox

    def drop(self) -> None:
        """Begin anew with the next team."""
        self._sandbox = None


def _measure(plan: Plan, team: int, baseline: _Baseline, progress: Step, tell: Tell) -> TeamRecord:
    record, begin, part, remembers = _empty(plan, team), time.monotonic(), "build", ""

    def at(now: str) -> None:
        nonlocal part
        part = now
        progress.describe(f"team {team:02}: {now}")

    with _sandbox(plan, team) as sandbox:
        try:
            at("build")
            _describe(record, sandbox)
            at("check")
            record.notes = sandbox.check()
            at("counts")
            _count(record, sandbox, tell)
            if "runtime" in plan.parts:
                at("runtime")
                remembers = _time(plan, record, sandbox, baseline, tell)
            for dataset in plan.datasets:
                at(f"quality on {dataset.name}")
                record.quality.append(measure_quality(sandbox.upscale, dataset, lambda _: None))
            record.notes = [*sandbox.ask("describe")[0]["notes"], *([remembers] if remembers else [])]
        except Exception as error:  # it may answer with anything, and no answer of one team ends the others
            said = str(error) if isinstance(error, EsrError) else f"its answer cannot be used ({type(error).__name__})"
            record.status, record.reason = "failed", printable(without_paths(f"{part}: {said}"))
            tell(f"team {team:02}: FAILED, {record.reason}")
        record.notes += sandbox.leftovers()
        record.peak_resident = sandbox.peak_resident
    record.notes = [printable(without_paths(str(note))) for note in record.notes]
    record.seconds = time.monotonic() - begin
    for note in record.notes:
        tell(f"team {team:02}: {note}")
    return save(record, plan.out / "records")


def _describe(record: TeamRecord, sandbox: Sandbox) -> None:
    about = sandbox.ask("describe")[0]
    record.name, record.network = (printable(about[key], 60) for key in ("name", "network"))
    record.data_range, record.parameters = float(about["data_range"]), int(about["parameters"])
    if not (0 < record.data_range < 1e6):
        raise EsrError(f"its range is {record.data_range:g}")
    record.stand_ins = [printable(name, 80) for name in about["stand_ins"]]
    record.notes = about["notes"]
    record.environment = sandbox.environment()


def _count(record: TeamRecord, sandbox: Sandbox, tell: Tell) -> None:
    record.complexity = from_plain(Complexity, sandbox.ask("count")[0])
    record.their_counts = sandbox.ask("their_counts")[0]
    for line in counts_lines(record.label, record.complexity):
        tell(line)


def _time(plan: Plan, record: TeamRecord, sandbox: Sandbox, baseline: _Baseline, tell: Tell) -> str:
    """Cold start, memory and samples, in turn with the baseline's where the team is not the baseline.

    Returns what to say of a team that remembers its outputs.
    """
    other = baseline.process() if record.team != plan.baseline else None
    contestants: Sequence[Any] = [sandbox, *([other] if other else [])]
    device = plan.conditions.device
    timed = measure_runtimes(contestants, device, plan.runs, plan.time_budget_s, False, lambda *_: None, lambda _: None)
    if timed[0].error:
        raise EsrError(timed[0].error)
    remembers = sandbox.remembers()
    sandbox.check_clock()
    record.environment = timed[0].environment
    record.runtime = timed[0].runtime(plan.runs, [other.name] if other else [])
    record.memory = timed[0].memory
    if other and timed[1].error:
        baseline.drop()
    elif other:
        record.baseline, record.baseline_samples_ms = other.name, timed[1].samples_ms
    median = sorted(record.runtime.samples_ms)[len(record.runtime.samples_ms) // 2]
    tell(f"{record.label}: {median:.1f} ms ({len(record.runtime.samples_ms)} samples)")
    return remembers
