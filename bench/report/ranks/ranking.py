"""Scores, times and ranks for people, of challenge entries and of the report's own networks alike."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from bench.core.statistics import summarise
from bench.core.table import Column, Table, raw, words
from bench.core.wording import NONE
from bench.score import AS_IS, VARIANTS, Baseline, Entry, Ranked, Rule, Sensitivity, Variant, sensitivity

LARGE = 1_000_000
SENSITIVITY = (
    "Place (score) as the challenge makes it, by the mean of all passes with the cold start, and with one thing "
    "changed; with an asterisk: another place."
)
R = TypeVar("R")


def score_text(result: Ranked) -> str:
    """Its score with the 95 % interval."""
    return _interval(result.score, result.low, result.high)


def median_text(samples_ms: Sequence[float]) -> str:
    """The median of warm passes in ms, with its 95 % interval."""
    timing = summarise(samples_ms)
    return _interval(timing.median_ms, timing.low_ms, timing.high_ms)


def rank_columns(result: Callable[[R], Ranked]) -> list[Column[R]]:
    """Rank and score: with ranges and interval for people, in columns of their own in files."""
    return [
        Column("Rank", lambda row: result(row).best, "rank_best", write=lambda row: result(row).rank_text),
        raw("rank_worst", lambda row: result(row).worst),
        raw("place", lambda row: result(row).place),
        Column("Score", lambda row: result(row).score, "score", write=lambda row: score_text(result(row))),
        raw("low", lambda row: result(row).low),
        raw("high", lambda row: result(row).high),
    ]


def sensitivity_table(entries: Sequence[Entry], rule: Rule, over: Baseline | None, first: str) -> Table:
    """A row an entry that has a score, a column a variant; `first` is the heading of the names."""
    studies = [study for study in sensitivity(entries, rule, over) if study.results[AS_IS.name].score is not None]
    names: Column[Sensitivity] = words(first, lambda study: study.name)
    return Table.of(
        "Place (score) with one thing changed; with an asterisk: another place than as is",
        [names, *map(_variant, VARIANTS)],
        studies,
    )


def _variant(variant: Variant) -> Column[Sensitivity]:
    def write(study: Sensitivity) -> str:
        result = study.results[variant.name]
        moved = "*" * (variant.name in study.moves)
        return f"{result.place or NONE}{moved} ({_interval(result.score, None, None)})"

    return Column(variant.name, lambda study: study.results[variant.name].place, write=write)


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return NONE
    return _short(value) + ("" if low is None or high is None else f" [{_short(low)}, {_short(high)}]")


def _short(value: float) -> str:
    """Scores are exponentials: of a network much slower than the baseline, digits without end that say nothing."""
    return f"{value:,.2f}" if value < LARGE else f"> {LARGE:,}"
