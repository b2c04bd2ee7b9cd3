"""The table that answers which network to use: each one's cost and gain over a baseline that the reader chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.core.record import Complexity
from bench.core.wording import MEBI, NONE, number, time_decimals
from bench.report.headline import HeadlineRow
from bench.report.lookup import DeviceRecords, Found, Query
from bench.report.ranks.doubts import doubt, found_scores, untrained
from bench.report.ranks.scores import YearScores
from bench.score import BASELINES, NOT_MEASURED, Ranked

PREFERRED = ("span", "efdn", "rlfn_ntire", "dvmsr")  # what a reader compares with until another is chosen

INTERPOLATION = "interpolation"


class Cost(NamedTuple):
    """One number of a network: raw for the page's script, None where it was not measured, and as people read it."""

    value: float | None
    text: str


@dataclass(frozen=True)
class Choice:
    """One network.

    Attributes:
        run: shared by all that was timed in turn; a ratio of times is of one run.
        remark: why nobody would use it, or "".
    """

    name: str
    file: str
    run: str
    psnr: Cost
    ms: Cost
    flops: Cost
    hidden: Cost
    parameters: Cost
    memory: Cost
    score: Cost
    gate: str
    remark: str


@dataclass(frozen=True)
class Chooser:
    """The networks, useful ones first, and which of them the others are compared with at first."""

    dataset: str
    year: int
    rows: tuple[Choice, ...]
    baseline: str


def chooser(device: DeviceRecords, rows: Sequence[HeadlineRow], dataset: str, years: Sequence[YearScores]) -> Chooser:
    """Every network of the headline table, by its time; those that are of no use come last."""
    latest = max(BASELINES)
    scored = next((year for year in years if year.rule.year == latest), None)
    results = {result.name: result for result in scored.ranked} if scored else {}
    bicubic, baseline = found_scores(device, "bicubic"), found_scores(device, BASELINES[latest])
    made = []
    for row in rows:
        record = next(f.record for f in [row.timed, *row.found] if f)
        own = found_scores(device, record.model, record.options if record.source else {})
        useless = INTERPOLATION if record.model == "bicubic" else doubt(own, bicubic, baseline, BASELINES[latest])
        psnr = device.find(Query(record.model, f"quality.{dataset}.psnr_y", record.options if record.source else {}))
        made.append(_choice(row, psnr, results.get(row.name), untrained(record) or useless))
    made.sort(key=lambda c: (bool(c.remark), c.ms.value is None, c.ms.value or 0.0))
    names = {row.name: next(f.record.model for f in [row.timed, *row.found] if f) for row in rows}
    models = {model: name for name, model in names.items()}
    first = next((models[model] for model in PREFERRED if model in models), made[0].name if made else "")
    return Chooser(dataset, latest, tuple(made), first)


def _choice(row: HeadlineRow, psnr: Found | None, result: Ranked | None, remark: str) -> Choice:
    parameters, *_, memory = row.found
    counts = parameters.record.complexity if parameters else None
    runtime = row.timed.record.runtime if row.timed else None
    ms = row.timed.value if row.timed else None
    return Choice(
        name=row.name,
        file=next(f.file for f in [row.timed, psnr, *row.found] if f),
        run=runtime.run if runtime else "",
        psnr=_cost(psnr.value if psnr else None, 3),
        ms=_cost(ms, time_decimals(ms) if ms is not None else 0),
        flops=_cost(counts.flops / 1e9 if counts else None, 1),
        hidden=_cost(_hidden(counts), 1, " %"),
        parameters=_cost(counts.parameters / 1e3 if counts else None, 0),
        memory=_cost(memory.value * MEBI if memory else None, 0),
        score=_cost(result.score if result and not result.reason else None, 2),
        gate="open" if result is None or result.gate.startswith(NOT_MEASURED) else result.gate,
        remark=remark,
    )


def _cost(value: float | None, decimals: int, unit: str = "") -> Cost:
    return Cost(value, NONE if value is None else number(value, decimals) + unit)


def _hidden(counts: Complexity | None) -> float | None:
    """Per cent of the work that the published count misses; None where nobody counted it, as in older records."""
    if counts is None or counts.flops_published is None:
        return None
    if not counts.vanished and counts.flops_published != counts.flops_fvcore_unfused:
        return None
    return 100 * counts.hidden_share()


def hidden_sentences(found: Mapping[str, tuple[Complexity, str]]) -> list[list[tuple[str, str]]]:
    """The network that hides most of its work, in words. `found`: name -> counts and the record's file."""
    shares = {name: _hidden(counts) or 0.0 for name, (counts, _) in found.items()}
    if not shares or max(shares.values()) < 1:
        return []
    name = max(shares, key=lambda n: shares[n])
    counts, file = found[name]
    assert counts.flops_published is not None
    runs = f" FLOPs and runs {counts.flops / 1e9:.2f} GFLOP: {shares[name]:.1f} % of its work is in no published count."
    return [[(f"{name} publishes ", ""), (f"{counts.flops_published / 1e9:.2f} G", file), (runs, "")]]
