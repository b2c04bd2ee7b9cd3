"""Scores of networks, and the entries of challenges, as the page's tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.core.table import Table
from bench.report import challenges, scores
from bench.report.challenges import Challenge
from bench.report.scores import YearScores


@dataclass(frozen=True)
class RankPart:
    """A heading, text before its first table, tables that are shown and one that is folded away, text after them."""

    title: str
    before: Markup
    tables: tuple[Table, ...]
    folded: Table | None
    after: Markup


def score_part(year: YearScores, before: Markup, after: Markup) -> RankPart:
    """One rule's scores."""
    tables = (scores.score_table([year]),) if year.ranked else ()
    return RankPart(f"Rule of {year.rule.year}", before, tables, scores.changed_table(year), after)


def challenge_part(challenge: Challenge, before: Markup, after: Markup) -> RankPart:
    """One challenge's entries."""
    timed = challenges.scored(challenge)
    tables = (challenges.count_table(challenge), *((timed[1],) if timed else ()))
    return RankPart(challenge.title, before, tables, None, after)


def score_texts(year: YearScores) -> tuple[str, str]:
    """What stands before and after the tables of a rule, as Markdown."""
    after = [scores.gates_text(year), scores.apart_text(year)]
    return scores.rule_text(year), "\n\n".join(filter(None, after))


def challenge_texts(challenge: Challenge) -> tuple[str, str]:
    """Likewise, of a challenge."""
    timed = challenges.scored(challenge)
    parts: Sequence[str] = [challenges.counted_text(challenge), challenges.INTRO, timed[0] if timed else ""]
    return "\n\n".join(filter(None, parts)), challenges.failures_text(challenge)
