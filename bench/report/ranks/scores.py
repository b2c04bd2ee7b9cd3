"""The networks' NTIRE scores by each year's rule, over that year's baseline network as it was measured here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.core.record import Complexity, Record, in_turn
from bench.core.table import Column, Table, raw, words
from bench.core.wording import NONE
from bench.report.document import Data, Fold, Part, Section
from bench.report.headline import headline_rows
from bench.report.lookup import DeviceRecords, Found, Query
from bench.report.ranks.doubts import Scores, doubt, found_scores, untrained
from bench.report.ranks.ranking import SENSITIVITY, median_text, rank_columns, sensitivity_table
from bench.score import BASELINES, GATE_SETS, NOT_MEASURED, RULES, Baseline, Entry, Ranked, Rule, rank

INTRO = """\
Score = sum of weight x exp(2 x / x of the baseline) over runtime, FLOPs as published and parameters; lower is better,
and the baseline has exp(2) = 7.39. Runtime here is the median of warm passes at 1 x 3 x 256 x 256 in fp32; its 95 %
bootstrap interval, from six samples on, is carried through the sum, and networks whose intervals overlap share a range
of ranks. Scored are networks that were timed in turn with the baseline, in one run. Those with too few samples, no
weights, or a PSNR that the gate would surely refuse stand below, without a rank. Interpolation is no entry. A rank on
this device is no rank on another."""
AS_IS_NOTE = (
    "Slow networks have few passes here, in which one cold start weighs more than in the challenge's hundred images."
)


@dataclass(frozen=True)
class YearScores:
    """One rule over one device's records.

    Attributes:
        baseline: the network that the scores are over; None where it was not timed here.
        ranked: best first, then those without a rank.
        found: name of each entry -> the record of its time.
        apart: timed, but not in turn with the baseline.
    """

    rule: Rule
    baseline: str
    over: Baseline | None
    entries: tuple[Entry, ...]
    ranked: tuple[Ranked, ...]
    found: Mapping[str, Found]
    apart: tuple[str, ...]


def year_scores(device: DeviceRecords) -> list[YearScores]:
    """Every rule, the latest first; none where nothing was timed."""
    if not any(m.record.runtime for m in device.measured):
        return []
    return [_of_rule(device, RULES[year], model) for year, model in sorted(BASELINES.items(), reverse=True)]


def _of_rule(device: DeviceRecords, rule: Rule, model: str) -> YearScores:
    base = device.find(Query(model, "runtime.median_ms"))
    found: dict[str, Found] = {}
    apart: list[str] = []
    for row in headline_rows(device):
        if row.timed is None:
            continue
        record = row.timed.record
        query = Query(record.model, "runtime.median_ms", record.options if record.source else {})
        timed = base and device.find(query, lambda r: r is base.record or in_turn(r.runtime, base.record.runtime))
        if base is None or timed is None:
            apart.append(row.name)
        elif timed.record.complexity is None or timed.record.complexity.parameters:
            found[row.name] = timed
    over = _baseline(device, base) if base else None
    beside = found_scores(device, "bicubic"), found_scores(device, model), model
    entries = tuple(_entry(device, name, f, beside) for name, f in found.items()) if over else ()
    ranked = tuple(rank(entries, rule, over)) if entries else ()
    name = base.record.display_name if base else model
    return YearScores(rule, name, over, entries, ranked, found if over else {}, tuple(apart))


def _entry(device: DeviceRecords, name: str, found: Found, beside: tuple[Scores, Scores, str]) -> Entry:
    record, c = found.record, found.record.complexity
    own = found_scores(device, record.model, record.options if record.source else {})
    flops = c.flops_published if c else None
    assert record.runtime
    return Entry(
        name=name,
        runtime_ms=record.runtime.samples_ms,
        flops=float(flops or 0),
        parameters=float(c.parameters if c else 0),
        psnr_valid=_psnr(device, record, GATE_SETS["psnr_valid"]),
        psnr_test=_psnr(device, record, GATE_SETS["psnr_test"]),
        cold_ms=record.runtime.cold_ms,
        flops_complete=float(c.flops) if c else None,
        failure="" if flops else "no published FLOPs: fvcore cannot trace it",
        doubt=untrained(record) or doubt(own, *beside),
    )


def _psnr(device: DeviceRecords, record: Record, dataset: str) -> float | None:
    options = record.options if record.source else {}
    scored = device.find(Query(record.model, f"quality.{dataset}.psnr_rgb", options))
    return scored.value if scored else None


def _baseline(device: DeviceRecords, found: Found) -> Baseline | None:
    record, c = found.record, found.record.complexity
    if not record.runtime or not c or not c.flops_published or not c.parameters:
        return None
    return Baseline(
        name=record.display_name,
        runtime_ms=record.runtime.samples_ms,
        flops=float(c.flops_published),
        parameters=float(c.parameters),
        cold_ms=record.runtime.cold_ms,
        flops_complete=float(c.flops),
        device=device.label,
    )


# ---- text -----------------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A network's result by one rule."""

    year: YearScores
    result: Ranked

    @property
    def found(self) -> Found:
        return self.year.found[self.result.name]

    @property
    def counts(self) -> Complexity | None:
        return self.found.record.complexity


def _median_text(row: _Row) -> str:
    runtime = row.found.record.runtime
    return median_text(runtime.samples_ms) if runtime else NONE


SCORES: tuple[Column[_Row], ...] = (
    raw("rule", lambda r: r.year.rule.year),
    raw("baseline", lambda r: r.year.baseline),
    words("Network", lambda r: r.result.name, "network", source=lambda r: r.found.file),
    *rank_columns(lambda r: r.result),
    Column("Median time (ms)", lambda r: r.found.value, "median_ms", write=_median_text),
    Column("Parameters", lambda r: getattr(r.counts, "parameters", None), "parameters"),
    Column("FLOPs as published (G)", lambda r: getattr(r.counts, "flops_published", None), "flops_published", 2, 1e-9),
    Column("FLOPs complete (GFLOP)", lambda r: getattr(r.counts, "flops", None), "flops_complete", 1, 1e-9),
    words("Gate", lambda r: r.result.gate, "gate"),
    words("Remark", lambda r: r.result.reason, "reason"),
    raw("record", lambda r: r.found.file),
)


def scores_section(years: Sequence[YearScores]) -> Section:
    """The report's section."""
    parts: list[Part] = [INTRO]
    for year in years:
        parts += [f"### Rule of {year.rule.year}", rule_text(year)]
        if year.ranked:
            parts.append(score_table([year]))
        if changed := changed_table(year):
            title = f"What the ranks by the rule of {year.rule.year} depend on"
            parts.append(Fold(title, [f"{SENSITIVITY} {AS_IS_NOTE}", changed]))
        parts += [gates_text(year), apart_text(year)]
    return Section("scores", "NTIRE scores", [*parts, Data(score_table(years, "scores"))])


def score_table(years: Sequence[YearScores], key: str = "") -> Table:
    """A row a network and rule."""
    rules = ", ".join(str(year.rule.year) for year in years)
    rows = [_Row(year, result) for year in years for result in year.ranked]
    return Table.of(f"NTIRE scores by the rule of {rules}", SCORES, rows, key)


def changed_table(year: YearScores) -> Table | None:
    """What the ranks depend on; None where nothing has a score."""
    if not year.ranked:
        return None
    return sensitivity_table(year.entries, year.rule, year.over, "Network") or None


def rule_text(year: YearScores) -> str:
    """Weights and baseline."""
    rule = year.rule
    weights = f"{rule.runtime:g} runtime + {rule.flops:g} FLOPs + {rule.parameters:g} parameters"
    if year.over:
        return f"{weights}, over {year.baseline} as measured in the same run."
    command = f"python bench/profile.py --model {BASELINES[rule.year]} dvmsr rlfn --measure runtime"
    return f"{weights}. No scores: the baseline, {BASELINES[rule.year]}, was not timed here (`{command}`)."


def apart_text(year: YearScores) -> str:
    """Which networks have no score since they were timed in another run."""
    if not year.apart or not year.over:
        return ""
    model = BASELINES[year.rule.year]
    return (
        f"Not timed in turn with {year.baseline}, hence without a score: {', '.join(year.apart)}. One run of "
        f"`python bench/profile.py --model {model} ... --measure runtime` with both scores them."
    )


def gates_text(year: YearScores) -> str:
    """What the ranks do not say of the PSNR that the challenge demands; "" where all was measured."""
    unknown = [r.name for r in year.ranked if r.gate.startswith(NOT_MEASURED)]
    if not unknown:
        return ""
    who = "any network" if len(unknown) == len(year.ranked) else ", ".join(unknown)
    rule = year.rule
    return (
        f"The gate ({rule.psnr_valid:.2f} dB on {GATE_SETS['psnr_valid']}, {rule.psnr_test:.2f} dB on "
        f"{GATE_SETS['psnr_test']}) was not measured of {who}: whether the challenge would rank it is not known."
    )
