"""Scores of networks, and the entries of challenges, as the page's tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.core.table import Table
from bench.report.ranks import challenges, scores
from bench.report.ranks.challenges import Challenge
from bench.report.ranks.scores import YearScores

FIRST = 3  # names in the line that stands for a rule


@dataclass(frozen=True)
class RankPart:
    """A heading with its result in words, text before its first table, the tables, one more folded away, text after.

    `says` is what a reader sees before anything is unfolded.
    """

    title: str
    says: str
    before: Markup
    tables: tuple[Table, ...]
    folded: Table | None
    after: Markup


def score_part(year: YearScores, before: Markup, after: Markup) -> RankPart:
    """One rule's scores."""
    tables = (scores.score_table([year]),) if year.ranked else ()
    best = [f"{r.rank_text} {r.name}" for r in year.ranked if r.score is not None and not r.reason][:FIRST]
    says = f"over {year.baseline}: {', '.join(best)}" if best else "no scores"
    return RankPart(f"Rule of {year.rule.year}", says, before, tables, scores.changed_table(year), after)


def challenge_part(challenge: Challenge, before: Markup, after: Markup) -> RankPart:
    """One challenge's entries."""
    timed = challenges.scored(challenge)
    tables = (challenges.count_table(challenge), *((timed[1],) if timed else ()))
    says = f"{challenge.counted} of {len(challenge.teams)} teams counted" + ", timed and ranked" * bool(timed)
    return RankPart(challenge.title, says, before, tables, None, after)


def score_texts(year: YearScores) -> tuple[str, str]:
    """What stands before and after the tables of a rule, as Markdown."""
    after = [scores.gates_text(year), scores.apart_text(year)]
    return scores.rule_text(year), "\n\n".join(filter(None, after))


def challenge_texts(challenge: Challenge) -> tuple[str, str]:
    """Likewise, of a challenge."""
    timed = challenges.scored(challenge)
    parts: Sequence[str] = [challenges.counted_text(challenge), challenges.INTRO, timed[0] if timed else ""]
    return "\n\n".join(filter(None, parts)), challenges.failures_text(challenge)
