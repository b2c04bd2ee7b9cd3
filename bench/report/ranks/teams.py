"""A challenge's teams: what they are called, their entries, and whether our counts are those of the challenge."""

import re
from collections.abc import Sequence

from bench.core.wording import NONE
from bench.report.ranks.doubts import doubt, rgb_scores
from bench.score import Baseline, Entry
from bench.studies.challenge.team_record import TeamRecord

HOOKS = "hooks on modules"  # how challenges before 2024 counted
HOOKS_NOTE = "Challenges before 2024 counted FLOPs with hooks on modules, which is another convention and not compared."
COUNTS = (  # of the checkout -> ours, unit, heading
    ("num_parameters", "parameters", 1e6, "Parameters (M)"),
    ("flops", "flops_published", 1e9, "FLOPs (G)"),
    ("activations", "activations_published", 1e6, "Activations (M)"),
    ("num_conv", "conv2d", 1, "Conv2d"),
)


def team_name(record: TeamRecord) -> str:
    """What it is called: its name, with its number where that is not in it."""
    number = re.match(r"\d+", record.label)
    return record.label if number and int(number[0]) == record.team else f"{record.team:02} {record.label}"


def published_flops(record: TeamRecord) -> int | None:
    """As published: by the checkout's own code, else by ours."""
    theirs = record.their_counts.get("flops")
    if isinstance(theirs, int):
        return theirs
    return record.complexity.flops_published if record.complexity else None


def psnr(record: TeamRecord, dataset: str) -> float | None:
    """Of RGB, in dB; None where it was not measured."""
    return rgb_scores(record.quality).get(dataset)


def entry(record: TeamRecord, base: TeamRecord | None = None) -> Entry:
    """As the rules score it, beside the team `base` that it was timed in turn with."""
    c, flops = record.complexity, published_flops(record)
    failure = record.reason
    if not failure and not (c and flops and record.runtime):
        failure = "runtime not measured" if c and flops else "no published FLOPs: fvcore cannot trace it"
    return Entry(
        name=team_name(record),
        runtime_ms=record.runtime.samples_ms if record.runtime else [],
        flops=float(flops or 0),
        parameters=float(c.parameters if c else 0),
        baseline_ms=record.baseline_samples_ms or None,
        psnr_valid=psnr(record, "DIV2K_LSDIR_valid"),
        psnr_test=psnr(record, "DIV2K_LSDIR_test"),
        cold_ms=record.runtime.cold_ms if record.runtime else None,
        flops_complete=float(c.flops) if c else None,
        failure=failure,
        doubt=doubt(rgb_scores(record.quality), {}, rgb_scores(base.quality), team_name(base)) if base else "",
    )


def baseline(records: Sequence[TeamRecord], team: int) -> Baseline | None:
    """The team that the others were timed in turn with; None where it was not measured."""
    for record in records:
        c, flops = record.complexity, published_flops(record)
        if record.team == team and record.runtime and c and flops:
            return Baseline(
                name=team_name(record),
                runtime_ms=record.runtime.samples_ms,
                flops=float(flops),
                parameters=float(c.parameters),
                cold_ms=record.runtime.cold_ms,
                flops_complete=float(c.flops),
                device=record.conditions.device_name,
            )
    return None


def agreement(record: TeamRecord) -> str:
    """Whether our counts are those of the team's own code and of its results.json: "yes", "NO", or why nobody knows."""
    if record.complexity is None:
        return NONE
    if problem := record.their_counts.get("problem", ""):
        return f"its own code fails: {problem}"
    agree = True
    for key, field, unit, _ in COUNTS:
        ours, theirs = getattr(record.complexity, field), record.their_counts.get(key)
        published = record.published.get(key)
        other = key == "flops" and record.their_counts.get("convention") == HOOKS
        same_code = theirs is None or theirs == ours or other
        same_paper = published is None or (ours is not None and round(ours / unit, 6) == round(published, 6))
        agree = agree and same_code and same_paper
    return "yes" if agree else "NO"


def agreed(records: Sequence[TeamRecord]) -> str:
    """How many of them agree, in words."""
    counted = [agreement(record) for record in records if record.complexity]
    return f"{counted.count('yes')} of {len(counted)} agree to the digit with all that there is to compare with."
