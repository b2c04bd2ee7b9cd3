"""Scores of networks, and the entries of challenges, as the page's tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from bench.report import challenges, scores
from bench.report.challenges import Challenge
from bench.report.ranking import sensitivity_cells
from bench.report.scores import YearScores
from bench.report.web.grid import Cell, Grid, plain


@dataclass(frozen=True)
class RankPart:
    """A heading, text before its first table, tables that are shown and one that is folded away, text after them."""

    title: str
    before: Markup
    grids: tuple[Grid, ...]
    folded: Grid | None
    after: Markup


def score_part(year: YearScores, before: Markup, after: Markup) -> RankPart:
    """One rule's scores."""
    if not year.ranked:
        return RankPart(f"Rule of {year.rule.year}", before, (), None, after)
    rows = []
    for result in year.ranked:
        name, *others = scores.score_row(year, result)
        rows.append((Cell(name, year.found[result.name].file), *plain(others)))
    grid = Grid(f"NTIRE scores by the rule of {year.rule.year}", tuple(scores.HEADERS), tuple(rows))
    headers, cells = sensitivity_cells(year.entries, year.rule, year.over, "Network", bold="*")
    caption = "Place (score) with one thing changed; between asterisks: another place than as is"
    folded = Grid(caption, tuple(headers), tuple(map(plain, cells))) if cells else None
    return RankPart(f"Rule of {year.rule.year}", before, (grid,), folded, after)


def challenge_part(challenge: Challenge, before: Markup, after: Markup) -> RankPart:
    """One challenge's entries."""
    rows = []
    for team, (name, *others) in challenges.team_rows(challenge):
        rows.append((Cell(name, f"{challenge.folder}/records/{team.file_name}"), *plain(others)))
    grids = [Grid(f"{challenge.title}: counts", tuple(challenges.HEADERS), tuple(rows))]
    if timed := challenges.scored_cells(challenge):
        grids.append(Grid("Scores", tuple(timed[1]), tuple(map(plain, timed[2]))))
    return RankPart(challenge.title, before, tuple(grids), None, after)


def score_texts(year: YearScores) -> tuple[str, str]:
    """What stands before and after the tables of a rule, as Markdown."""
    after = [scores.gates_text(year), scores.apart_text(year), scores.left_out_text(year)]
    return scores.rule_text(year), "\n\n".join(filter(None, after))


def challenge_texts(challenge: Challenge) -> tuple[str, str]:
    """Likewise, of a challenge."""
    timed = challenges.scored_cells(challenge)
    parts: Sequence[str] = [challenges.scope_text(challenge), challenges.INTRO, timed[0] if timed else ""]
    return "\n\n".join(filter(None, parts)), challenges.failures_text(challenge)
