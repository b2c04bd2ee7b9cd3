"""Where a submission stands among the published entries of a year: by its score, and by each thing that is ranked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from bench.core.statistics import compare
from bench.core.table import Column, Table, words
from bench.core.wording import NONE
from bench.report.paper.published import REFERENCE, read
from bench.report.ranks.doubts import rgb_scores
from bench.report.ranks.ranking import median_text, score_text
from bench.score import GATE_SETS, NOT_MEASURED, Baseline, Entry, Ranked, Rule, rank, score
from bench.studies.check.check_record import Checked


@dataclass(frozen=True)
class Standing:
    """A submission by one year's rule.

    Attributes:
        entry: as the rule scores it.
        result: its score over the baseline measured in turn, and the gate.
        published: that year's entries by their published figures, best first, those without a rank left out.
    """

    rule: Rule
    entry: Entry
    over: Baseline
    result: Ranked
    published: list[tuple[Entry, Ranked]]

    @property
    def place(self) -> tuple[int, int] | None:
        """The ranks that it may have among the published entries; None without a score or without published ones."""
        low, high = self.result.low or self.result.score, self.result.high or self.result.score
        if low is None or high is None:
            return None
        return _ranks([ranked.score or 0.0 for _, ranked in self.published], low, high)

    @property
    def next_better(self) -> tuple[Entry, float] | None:
        """The published entry that it would have to overtake next, with its score."""
        own = self.result.score
        better = [(e, r.score) for e, r in self.published if r.score is not None and own is not None and r.score < own]
        return max(better, key=lambda pair: pair[1]) if better else None

    @property
    def passes(self) -> bool | None:
        """The gate; None where it was not measured."""
        return None if self.result.gate.startswith(NOT_MEASURED) else self.result.gate == "passed"


def published_entries(rule: Rule) -> list[tuple[Entry, Ranked]]:
    """That year's entries with a rank, best first, over the published baseline; none where no list is at hand."""
    if not (REFERENCE / f"ntire{rule.year}.csv").is_file():
        return []
    entries = {}
    for row in read(f"ntire{rule.year}"):
        figures = {column: row.number(column) or 0.0 for column in row.cells if column != "entry"}
        entries[row.label] = Entry(
            name=row.label,
            runtime_ms=(figures["val_time_ms"] + figures["test_time_ms"]) / 2,
            flops=figures["flops_g"] * 1e9,
            parameters=figures["params_m"] * 1e6,
            psnr_valid=figures["val_psnr_db"],
            psnr_test=figures["test_psnr_db"],
        )
    return [(entries[r.name], r) for r in rank(list(entries.values()), rule) if not r.reason]


def standing(checked: Checked, rule: Rule) -> Standing:
    """Score it over the baseline of the same run."""
    record, base = checked.record, checked.baseline
    c, b = record.complexity, base.complexity
    assert b is not None
    over = Baseline(
        name=base.display_name,
        runtime_ms=base.runtime.samples_ms if base.runtime else 1.0,
        flops=float(b.flops_published or 0),
        parameters=float(b.parameters),
    )
    problem = checked.error or ("" if record.runtime else "it was not timed")
    if not problem and not (c and c.flops_published):
        problem = "no published FLOPs: fvcore cannot trace it"
    psnr = rgb_scores(record.quality)
    entry = Entry(
        name=record.display_name,
        runtime_ms=record.runtime.samples_ms if record.runtime else [],
        flops=float((c.flops_published if c else 0) or 0),
        parameters=float(c.parameters if c else 0),
        psnr_valid=psnr.get(GATE_SETS["psnr_valid"]),
        psnr_test=psnr.get(GATE_SETS["psnr_test"]),
        failure=problem,
    )
    return Standing(rule, entry, over, rank([entry], rule, over)[0], published_entries(rule))


class _Figure(NamedTuple):
    """One thing that is ranked."""

    name: str
    own: str
    base: str
    ratio: str
    ranks: tuple[int, int] | None


COUNTS: tuple[tuple[str, float, Callable[[Entry | Baseline], float]], ...] = (
    ("FLOPs as published (G)", 1e9, lambda side: side.flops),
    ("parameters (M)", 1e6, lambda side: side.parameters),
)


def standing_table(checked: Checked, at: Standing) -> Table:
    """Score, runtime, FLOPs and parameters over the baseline, each with its rank among the published entries."""
    rule, ours, base = at.rule, checked.record.runtime, checked.baseline.runtime
    rows = [_Figure("score", score_text(at.result), f"{score(rule, 1, 1, 1):.2f}", NONE, at.place)]
    if ours and base:
        over = compare(ours.samples_ms, base.samples_ms)
        interval = "" if over.low is None or over.high is None else f" [{over.low:.3f}, {over.high:.3f}]"
        theirs = [_runtime(entry) / _runtime(rule.baseline) for entry, _ in at.published]
        ranks = _ranks(theirs, over.low or over.ratio, over.high or over.ratio)
        own, beside = median_text(ours.samples_ms), median_text(base.samples_ms)
        rows.append(_Figure("runtime (ms)", own, beside, f"{over.ratio:.3f}{interval}", ranks))
    for name, unit, count in COUNTS:
        value, of = count(at.entry), count(at.over)
        if value and of:
            printed = round(value / unit, 6)  # as the challenge's results.json has them
            ranks = _ranks([round(count(entry) / unit, 6) for entry, _ in at.published], printed, printed)
            rows.append(_Figure(name, f"{printed:.6f}", f"{of / unit:.6f}", f"{value / of:.4f}", ranks))
    columns: tuple[Column[_Figure], ...] = (
        words("ranked by", lambda f: f.name),
        Column("yours", lambda f: f.own),
        Column(at.over.name, lambda f: f.base),
        Column("yours / baseline's", lambda f: f.ratio),
        Column(f"rank beside {len(at.published)} published", lambda f: ranks_text(f.ranks)),
    )
    weights = f"{rule.runtime:g} runtime + {rule.flops:g} FLOPs + {rule.parameters:g} parameters"
    return Table.of(f"By the rule of {rule.year}: {weights}, lower is better", columns, rows)


def _runtime(side: Entry | Baseline) -> float:
    assert isinstance(side.runtime_ms, int | float)
    return float(side.runtime_ms)


def _ranks(theirs: Sequence[float], low: float, high: float) -> tuple[int, int] | None:
    """The best and the worst that something between two bounds may have beside others; None without others."""
    return (1 + sum(t < low for t in theirs), 1 + sum(t < high for t in theirs)) if theirs else None


def ranks_text(ranks: tuple[int, int] | None) -> str:
    """Such as "3" or "3-5"."""
    if ranks is None:
        return NONE
    best, worst = ranks
    return f"{best}" if best == worst else f"{best}-{worst}"
