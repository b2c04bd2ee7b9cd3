"""The sections on challenges: what was counted of each team's entry, beside what the challenge published."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from bench.core.record import Complexity
from bench.core.table import Column, Table, raw, words
from bench.core.wording import without_paths
from bench.report.document import Part, Section
from bench.report.ranks.standings import Standings, scope_text, standings, standings_table
from bench.report.ranks.teams import HOOKS, HOOKS_NOTE, agreed, agreement, published_flops, team_name
from bench.studies.challenge.team_record import TeamRecord

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
    def counted(self) -> int:
        """How many of its teams."""
        return sum(team.complexity is not None for team in self.teams)

    @cached_property
    def standings(self) -> Standings | None:
        """By its year's rule; None where nothing was timed."""
        return standings(self.teams) if any(team.runtime for team in self.teams) else None

    @property
    def title(self) -> str:
        """Its heading."""
        year = self.teams[0].year
        return f"Entries of NTIRE {year}" if year else f"Entries of a challenge ({self.folder})"

    @property
    def key(self) -> str:
        """For the name of its file."""
        return re.sub(r"[^a-z0-9_-]", "-", self.folder.lower())


def vanished_share(team: TeamRecord) -> float:
    """Of the work, from 0 to 1."""
    return team.complexity.hidden_share() if team.complexity else 0.0


class _Row(NamedTuple):
    """A team that was counted."""

    challenge: Challenge
    team: TeamRecord
    counts: Complexity


def _over_published(row: _Row) -> float | None:
    flops = published_flops(row.team)
    return row.counts.flops / flops if flops else None


COUNTS: tuple[Column[_Row], ...] = (
    words(
        "Team", lambda r: team_name(r.team), "team", source=lambda r: f"{r.challenge.folder}/records/{r.team.file_name}"
    ),
    Column("Parameters", lambda r: r.counts.parameters, "parameters"),
    Column("FLOPs as published (G)", lambda r: published_flops(r.team), "flops_published", 4, 1e-9),
    Column("FLOPs complete (GFLOP)", lambda r: r.counts.flops, "flops_complete", 2, 1e-9),
    raw("macs_complete", lambda r: r.counts.macs),
    Column("Complete / published", _over_published, decimals=2),
    Column("Vanished (%)", lambda r: vanished_share(r.team), "vanished_share", 1, 100),
    Column("FLOPs in results.json (G)", lambda r: r.team.published.get("flops"), "challenge_flops_g", 4),
    Column(
        "Parameters in results.json (M)", lambda r: r.team.published.get("num_parameters"), "challenge_parameters_m", 6
    ),
    words("Equal", lambda r: agreement(r.team), "equal"),
    raw("record", lambda r: r.team.file_name),
)


def count_table(challenge: Challenge) -> Table:
    """A row a team that was counted, in the challenge's order."""
    rows = [_Row(challenge, team, team.complexity) for team in challenge.teams if team.complexity]
    return Table.of(f"{challenge.title}: counts", COUNTS, rows, challenge.key)


def scored(challenge: Challenge) -> tuple[str, Table] | None:
    """What the scores are over, and the scores; None where nothing was timed."""
    found = challenge.standings
    return (scope_text(found), standings_table(found, folder=challenge.folder)) if found else None


def challenge_section(challenge: Challenge) -> Section:
    """The report's section."""
    parts: list[Part] = [counted_text(challenge), INTRO, count_table(challenge)]
    parts += scored(challenge) or ()
    return Section("", challenge.title, [*parts, failures_text(challenge)])


def counted_text(challenge: Challenge) -> str:
    """Which checkout, how many teams, and how many have the published counts."""
    teams = challenge.teams
    commit = teams[0].conditions.commit[:12]
    timed = "" if challenge.standings else " Nothing was timed, so there are no scores and no ranks."
    hooks = f" {HOOKS_NOTE}" if any(team.their_counts.get("convention") == HOOKS for team in teams) else ""
    return f"{challenge.counted} of {len(teams)} teams counted, of the checkout {commit}.{timed} {agreed(teams)}{hooks}"


def failures_text(challenge: Challenge) -> str:
    """Teams that failed, in which part, and why; "" where none did."""
    lines = [f"- {team_name(team)}: {without_paths(team.reason)}" for team in challenge.teams if team.reason]
    return "\n".join(["Failed:\n", *lines]) if lines else ""
