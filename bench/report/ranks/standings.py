"""The standings of a challenge's teams: scores and ranks, what they depend on, counts, and remarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bench.core.statistics import summarise
from bench.core.table import Column, Table, raw, words
from bench.core.wording import MEBI, NONE, without_paths
from bench.counts.text import vanished_lines
from bench.report.charts.chart import BOTTOM, MEASURED, PUBLISHED, TOP, Axis, Chart, Mark, Series
from bench.report.document import Part, Section
from bench.report.ranks.ranking import SENSITIVITY, median_text, rank_columns, sensitivity_table
from bench.report.ranks.teams import (
    COUNTS,
    HOOKS_NOTE,
    agreed,
    agreement,
    baseline,
    entry,
    psnr,
    published_flops,
    team_name,
)
from bench.score import RULES, Baseline, Entry, Ranked, Rule, rank
from bench.studies.challenge.team_record import TeamRecord

ROW, NAMES = 11.0, 88.0  # points of the chart of scores: a team, and the room for names


@dataclass(frozen=True)
class Standings:
    """Teams by one rule, over `over` or, where that is None, over the rule's published baseline."""

    records: Sequence[TeamRecord]
    rule: Rule
    over: Baseline | None

    @cached_property
    def entries(self) -> list[Entry]:
        """In the order of the records."""
        base = next((r for r in self.records if self.over and team_name(r) == self.over.name), None)
        return [entry(record, base) for record in self.records]

    @cached_property
    def ranked(self) -> list[Ranked]:
        """Best first, then those without a rank."""
        return rank(self.entries, self.rule, self.over)

    @property
    def scored(self) -> list[Ranked]:
        """Those that have a score."""
        return [result for result in self.ranked if result.score is not None]


def standings(records: Sequence[TeamRecord]) -> Standings:
    """By the rule of the records' year, or the latest, over the entry that was timed in turn with the others."""
    names = {record.baseline for record in records}
    team = next((record.team for record in records if {record.label, team_name(record)} & names), -1)
    year = records[0].year
    return Standings(records, RULES[year if year in RULES else max(RULES)], baseline(records, team))


# ---- tables ---------------------------------------------------------------------------------------------------------


class _Row(NamedTuple):
    """A team, its result, and the folder that its record is in."""

    record: TeamRecord
    result: Ranked
    folder: str


SHORT: tuple[Column[_Row], ...] = (
    words("Team", lambda r: r.result.name, "team", source=lambda r: f"{r.folder}/records/{r.record.file_name}"),
    *rank_columns(lambda r: r.result),
    Column(
        "Runtime (ms)",
        lambda r: summarise(r.record.runtime.samples_ms).median_ms if r.record.runtime else None,
        "median_ms",
        write=lambda r: median_text(r.record.runtime.samples_ms) if r.record.runtime else NONE,
    ),
    Column("Parameters", lambda r: getattr(r.record.complexity, "parameters", None), "parameters"),
    Column("FLOPs published (G)", lambda r: published_flops(r.record), "flops_published", 4, 1e-9),
    Column("FLOPs complete (G)", lambda r: getattr(r.record.complexity, "flops", None), "flops_complete", 2, 1e-9),
    Column("PSNR valid (dB)", lambda r: psnr(r.record, "DIV2K_LSDIR_valid"), "psnr_valid", 3),
)
COLUMNS: tuple[Column[_Row], ...] = (
    *SHORT,
    Column("PSNR test (dB)", lambda r: psnr(r.record, "DIV2K_LSDIR_test"), "psnr_test", 3),
    Column("Cold start (ms)", lambda r: r.record.runtime.cold_ms if r.record.runtime else None, "cold_ms", 1),
    Column("Memory (MiB)", lambda r: getattr(r.record.memory, "peak_allocated", None), "peak_bytes", 0, MEBI),
    words("Gate", lambda r: r.result.gate, "gate"),
    words("Remark", lambda r: without_paths(r.result.reason), "reason"),
    raw("record", lambda r: r.record.file_name),
)


def standings_table(of: Standings, columns: Sequence[Column[_Row]] = COLUMNS, folder: str = "", key: str = "") -> Table:
    """A row a team; `folder` is where the report finds its record."""
    by_name = {team_name(record): record for record in of.records}
    return Table.of("Scores", columns, [_Row(by_name[r.name], r, folder) for r in of.ranked], key)


def _counts(key: str, field: str, unit: float, heading: str) -> list[Column[TeamRecord]]:
    decimals = 0 if unit == 1 else 6
    return [
        Column("ours", lambda r: getattr(r.complexity, field), "", decimals, 1 / unit, group=heading),
        Column("its own code", lambda r: r.their_counts.get(key), "", decimals, 1 / unit, group=heading),
        Column("published", lambda r: r.published.get(key), "", decimals, group=heading),
    ]


COUNTED: tuple[Column[TeamRecord], ...] = (
    words("Team", team_name),
    *(column for count in COUNTS for column in _counts(*count)),
    words("Agree", agreement),
)


# ---- page -----------------------------------------------------------------------------------------------------------


def standings_section(of: Standings) -> Section:
    """A page of its own, with its table and, where anything was timed, a figure."""
    parts: list[Part] = [scope_text(of)]
    if of.scored:
        parts.append(score_chart(of))
    parts.append(standings_table(of, key="ranking"))
    if changed := sensitivity_table(of.entries, of.rule, of.over, "Team"):
        parts += ["## What the ranking depends on", SENSITIVITY, changed]
    if counted := [record for record in of.records if record.complexity]:
        parts.append("## Counts beside those of the checkout's own code and its results.json")
        parts += [f"{agreed(of.records)} {HOOKS_NOTE}", Table.of("Counts", COUNTED, counted)]
    parts += [_vanished(of.records), _remarks(of.records)]
    return Section("ranking", f"NTIRE {of.records[0].year or ''} efficient SR, measured", parts)


def scope_text(of: Standings) -> str:
    """On what the teams were measured, and what their scores are over."""
    c, over, rule = of.records[0].conditions, of.over, of.rule
    on = f"{c.device_name}, {c.threads} threads" if c.threads else c.device_name
    base = f"{over.name}, measured in the same run" if over else f"{rule.baseline.name}, as published"
    weights = f"{rule.runtime:g} runtime + {rule.flops:g} FLOPs + {rule.parameters:g} parameters"
    where = f"{on}, inputs of {c.size}x{c.size}; checkout {c.commit[:12]}. "
    if not any(record.runtime for record in of.records):
        return f"{where}Counts only: nothing was timed, so there are no scores and no ranks."
    return (
        f"{where}Scores by the rule of {rule.year} ({weights}, each as exp(2 x / baseline)) over {base}; lower is "
        "better. Every team was timed in turn with the baseline, warm, fresh images; [95 % bootstrap interval]. Ranks "
        "that the data do not separate are given as a range. A rank on this machine is no rank on another."
    )


def _vanished(records: Sequence[TeamRecord]) -> str:
    lines = [
        f"- {team_name(record)}: {line}"
        for record in records
        if record.complexity
        for line in vanished_lines(record.complexity)
    ]
    return "## Work that the published counts miss\n\n" + "\n".join(lines) if lines else ""


def _remarks(records: Sequence[TeamRecord]) -> str:
    lines = []
    for record in records:
        stood = f"stand-ins for {', '.join(record.stand_ins)}" if record.stand_ins else ""
        remarks = [f"FAILED: {record.reason}" if record.reason else "", stood, *record.notes]
        text = "; ".join(remark for remark in remarks if remark)
        if text:
            lines.append(f"- {team_name(record)}: {text}")
    seconds = sum(record.seconds for record in records)
    peak = max(record.peak_resident for record in records) * MEBI
    lines.append(f"\nAll teams together took {seconds / 60:.0f} minutes, the largest of them {peak:,.0f} MiB.")
    return "## Remarks\n\n" + "\n".join(lines)


def score_chart(of: Standings) -> Chart:
    """Scores with their intervals, best on top."""

    def mark(place: int, result: Ranked) -> Mark:
        score = result.score or 0.0
        facts = (("", result.name), ("Score", f"{score:.2f}"), ("Rank", result.rank_text or result.reason))
        return Mark(score, -place, facts=facts, span=(result.low or score, result.high or score))

    places = list(enumerate(of.scored))
    ranked = tuple(mark(place, result) for place, result in places if not result.reason)
    others = tuple(mark(place, result) for place, result in places if result.reason)
    first = [result.name for result in of.scored if not result.reason and result.rank_text.split("-")[0] == "1"]
    best = f"First, or not told apart from it: {', '.join(first)}." if first else "No team has a rank."
    made = [
        Series(MEASURED, "ranked", ranked, "diamond"),
        Series(PUBLISHED, "without a rank", others, "diamond", False),
    ]
    return Chart(
        "ranking",
        f"Scores by the rule of {of.rule.year}",
        Axis("Score, lower is better", log=True),
        Axis("", ticks=tuple((-float(place), f"{r.name}  {r.rank_text}") for place, r in places)),
        tuple(series for series in made if series.marks),
        "A team a line, with its rank or range of ranks, and the 95 % interval of its score.",
        best,
        height=TOP + BOTTOM + ROW * max(2, len(places)),
        left=NAMES,
    )
