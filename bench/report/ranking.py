"""Scores, times and ranks as text, of challenge entries and of the report's own networks alike."""

import math
from collections.abc import Sequence

from bench.report.markup import NONE
from bench.score import AS_IS, VARIANTS, Baseline, Entry, Ranked, Rule, sensitivity
from bench.statistics import summarise

LARGE = 1e6
SENSITIVITY = (
    "Place (score) as the challenge makes it, by the mean of all passes with the cold start, and with one thing "
    "changed; bold: another place."
)


def score_text(result: Ranked) -> str:
    """Its score with the 95 % interval."""
    return _interval(result.score, result.low, result.high)


def median_text(samples_ms: Sequence[float]) -> str:
    """The median of warm passes in ms, with its 95 % interval."""
    timing = summarise(samples_ms)
    return _interval(timing.median_ms, timing.low_ms, timing.high_ms)


def sensitivity_cells(
    entries: Sequence[Entry], rule: Rule, over: Baseline | None, first: str, bold: str = "**"
) -> tuple[list[str], list[list[str]]]:
    """Headers and text cells: a row an entry that has a score, a column a variant.

    Args:
        first: header of the names.
        bold: what stands around a place that differs from the one as is.
    """
    rows = []
    for study in sensitivity(entries, rule, over):
        if study.results[AS_IS.name].score is None:
            continue
        cells = []
        for variant in VARIANTS:
            result = study.results[variant.name]
            moved = bold if variant.name in study.moves else ""
            cells.append(f"{moved}{result.place or NONE}{moved} ({_interval(result.score, None, None)})")
        rows.append([study.name, *cells])
    return [first, *(variant.name for variant in VARIANTS)], rows


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return NONE
    return _short(value) + ("" if low is None or high is None else f" [{_short(low)}, {_short(high)}]")


def _short(value: float) -> str:
    """Scores are exponentials: of a network much slower than the baseline, digits without end."""
    if value < LARGE or math.isinf(value):
        return f"{value:,.2f}"
    digits, _, exponent = f"{value:.2e}".partition("e")
    return f"{digits}e{int(exponent)}"
