"""The sections on challenges: what was counted of each team's entry, beside what the challenge published."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bench.challenge.record import TeamRecord
from bench.report import markup
from bench.report.challenge import HOOKS, HOOKS_NOTE, agreed, agreement, published_flops, ranking, team_name

HEADERS = ["Team", "Parameters", "FLOPs as published (G)", "FLOPs complete (GFLOP)", "Complete / published",
           "Vanished (%)", "FLOPs in results.json (G)", "Parameters in results.json (M)", "Equal"]  # fmt: skip
INTRO = """\
As published: fvcore, a multiply-add is 1. Complete: everything that runs, a multiply-add is 2, so that an entry of
nothing but convolutions has about twice the published count. Vanished: share of the work in products, convolutions and
operators with a formula that ran and is in no published count. Equal: parameters, FLOPs, activations and convolutions
are those of the checkout's own code, and of its results.json where the team is in it."""


@dataclass(frozen=True)
class Challenge:
    """A folder of team records beside the networks' records, all of one device."""

    folder: str
    teams: tuple[TeamRecord, ...]

    @property
    def device(self) -> str:
        """ "cpu" or "cuda"."""
        return self.teams[0].conditions.device

    @property
    def device_name(self) -> str:
        """Where all of it was measured."""
        return self.teams[0].conditions.device_name

    @property
    def title(self) -> str:
        """Its heading."""
        year = self.teams[0].year
        return f"Entries of NTIRE {year}" if year else f"Entries of a challenge ({self.folder})"

    @property
    def key(self) -> str:
        """For the name of its file."""
        return re.sub(r"[^a-z0-9_-]", "-", self.folder.lower())


def challenge_body(challenge: Challenge) -> str:
    """The section without its heading."""
    parts = [scope_text(challenge), INTRO, markup.markdown_table(HEADERS, [row for _, row in team_rows(challenge)])]
    if timed := scored_cells(challenge):
        parts.append(f"{timed[0]}\n\n{markup.markdown_table(*timed[1:])}")
    parts.append(failures_text(challenge))
    return "\n\n".join(part for part in parts if part) + "\n"


def scope_text(challenge: Challenge) -> str:
    """Which checkout, how many teams, and how many have the published counts."""
    teams = challenge.teams
    counted = sum(team.complexity is not None for team in teams)
    commit = teams[0].conditions.commit[:12]
    timed = "" if any(team.runtime for team in teams) else " Nothing was timed, so there are no scores and no ranks."
    hooks = f" {HOOKS_NOTE}" if any(team.their_counts.get("convention") == HOOKS for team in teams) else ""
    return f"{counted} of {len(teams)} teams counted, of the checkout {commit}.{timed} {agreed(teams)}{hooks}"


def team_rows(challenge: Challenge) -> list[tuple[TeamRecord, list[str]]]:
    """A row of HEADERS a team that was counted, in the challenge's order."""
    return [(team, _row(team)) for team in challenge.teams if team.complexity]


def _row(team: TeamRecord) -> list[str]:
    c = team.complexity
    assert c
    flops = published_flops(team)
    published = team.published
    return [
        team_name(team),
        f"{c.parameters:,}",
        markup.number(flops / 1e9 if flops else None, 4),
        markup.number(c.flops / 1e9, 2),
        markup.number(c.flops / flops if flops else None, 2),
        markup.number(100 * vanished_share(team), 1),
        markup.number(published.get("flops"), 4),
        markup.number(published.get("num_parameters"), 6),
        agreement(team),
    ]


def vanished_share(team: TeamRecord) -> float:
    """Of the work, from 0 to 1."""
    return sum(v.share for v in team.complexity.vanished if v.what == "FLOPs") if team.complexity else 0.0


def failures_text(challenge: Challenge) -> str:
    """Teams that failed, in which part, and why; "" where none did."""
    lines = [f"- {team_name(team)}: {markup.without_paths(team.reason)}" for team in challenge.teams if team.reason]
    return "\n".join(["Failed:\n", *lines]) if lines else ""


def scored_cells(challenge: Challenge) -> tuple[str, list[str], list[list[str]]] | None:
    """What the scores are over, headers and cells; None where nothing was timed."""
    return ranking(challenge.teams) if any(team.runtime for team in challenge.teams) else None


def challenge_csv(challenge: Challenge) -> str:
    """Every counted team as raw numbers."""
    headers = ["team", "parameters", "flops_published", "flops_complete", "macs_complete", "vanished_share"]
    headers += ["challenge_flops_g", "challenge_parameters_m", "equal", "record"]
    lines: list[Sequence[markup.Value]] = []
    for team in challenge.teams:
        if c := team.complexity:
            counts: list[markup.Value] = [c.parameters, published_flops(team), c.flops, c.macs, vanished_share(team)]
            published = [team.published.get("flops"), team.published.get("num_parameters")]
            lines.append([team_name(team), *counts, *published, agreement(team), team.file_name])
    return markup.csv_text(headers, lines)
