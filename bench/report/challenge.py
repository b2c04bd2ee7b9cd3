"""Records of a challenge's submissions -> ranking, its sensitivity, counts beside the published ones, and remarks."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.challenge.record import TeamRecord
from bench.counts.text import vanished_lines
from bench.record_file import write_bytes
from bench.report.markup import NONE, csv_text, markdown_table, number
from bench.report.plots import DPI, MEASURED, STYLE
from bench.report.ranking import SENSITIVITY, median_text, score_text, sensitivity_cells
from bench.score import RULES, Baseline, Entry, Ranked, Rule, rank
from bench.statistics import mean_psnr

PLOT = "ranking.png"
HOOKS = "hooks on modules"  # how challenges before 2024 counted
HOOKS_NOTE = "Challenges before 2024 counted FLOPs with hooks on modules, which is another convention and not compared."
COUNTS = (
    ("num_parameters", "parameters", 1e6),
    ("flops", "flops_published", 1e9),
    ("activations", "activations_published", 1e6),
    ("num_conv", "conv2d", 1),
)


@dataclass(frozen=True)
class ChallengeReport:
    """What was written, and its first table as text."""

    summary: str
    files: list[Path]


def challenge_report(
    records: Sequence[TeamRecord], year: int, baseline: int, published: bool, out: Path
) -> ChallengeReport:
    """Write ranking.csv, ranking.md and, where anything was timed, ranking.png into `out`.

    Args:
        year: of the rule.
        baseline: the team whose measurements the scores are over, if it was measured and not `published`.
    """
    rule = RULES[year]
    over = None if published else _baseline(records, baseline)
    entries = [_entry(record) for record in records]
    ranked = rank(entries, rule, over)
    by_name = {team_name(record): record for record in records}
    scored = [r for r in ranked if r.score is not None]
    headers, rows = _ranking(ranked, by_name)
    pages = [
        _heading(records, rule, over),
        f"![Scores with their intervals]({PLOT})" if scored else "",
        markdown_table(headers, rows),
        _sensitivity(entries, rule, over),
        _counts(records),
        _vanished(records),
        _remarks(records),
    ]
    files = {
        "ranking.csv": csv_text(headers, rows).encode(),
        "ranking.md": ("\n\n".join(page for page in pages if page) + "\n").encode(),
    }
    if scored:
        files[PLOT] = _plot(scored, rule)
    for name, content in files.items():
        write_bytes(out / name, content)
    measured = sum(record.status == "measured" for record in records)
    summary = f"{markdown_table(headers[:8], [row[:8] for row in rows])}\n{measured} of {len(records)} teams measured"
    return ChallengeReport(summary, [out / name for name in files])


def ranking(records: Sequence[TeamRecord]) -> tuple[str, list[str], list[list[str]]]:
    """What the scores of one challenge's teams are over, and a table of them, a row a team: headers and cells.

    By the rule of the records' year, or the latest, over the entry that was timed in turn with the others.
    """
    rule = RULES[records[0].year if records[0].year in RULES else max(RULES)]
    names = {record.baseline for record in records}
    team = next((record.team for record in records if {record.label, team_name(record)} & names), -1)
    over = _baseline(records, team)
    headers, rows = _ranking(
        rank([_entry(record) for record in records], rule, over), {team_name(record): record for record in records}
    )
    turned = [[row[1], row[0], *row[2:]] for row in [headers, *rows]]
    return _heading(records, rule, over).partition("\n\n")[2], turned[0], turned[1:]


# ---- entries --------------------------------------------------------------------------------------------------------


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


def _psnr(record: TeamRecord, dataset: str) -> float | None:
    found = [q for q in record.quality if q.dataset == dataset]
    return mean_psnr([image.psnr_rgb for image in found[0].images]) if found else None


def _entry(record: TeamRecord) -> Entry:
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
        psnr_valid=_psnr(record, "DIV2K_LSDIR_valid"),
        psnr_test=_psnr(record, "DIV2K_LSDIR_test"),
        cold_ms=record.runtime.cold_ms if record.runtime else None,
        flops_complete=float(c.flops) if c else None,
        failure=failure,
    )


def _baseline(records: Sequence[TeamRecord], team: int) -> Baseline | None:
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


# ---- tables ---------------------------------------------------------------------------------------------------------


def _heading(records: Sequence[TeamRecord], rule: Rule, over: Baseline | None) -> str:
    c = records[0].conditions
    on = f"{c.device_name}, {c.threads} threads" if c.threads else c.device_name
    base = f"{over.name}, measured in the same run" if over else f"{rule.baseline.name}, as published"
    weights = f"{rule.runtime:g} runtime + {rule.flops:g} FLOPs + {rule.parameters:g} parameters"
    year = records[0].year or ""
    where = f"{on}, inputs of {c.size}x{c.size}; checkout {c.commit[:12]}. "
    head = f"# NTIRE {year} efficient SR, measured\n\n{where}"
    if not any(record.runtime for record in records):
        return f"{head}Counts only: nothing was timed, so there are no scores and no ranks."
    return (
        f"{head}Scores by the rule of {rule.year} ({weights}, each as exp(2 x / baseline)) over {base}; lower is "
        "better. Every team was timed in turn with the baseline, warm, fresh images; [95 % bootstrap interval]. Ranks "
        "that the data do not separate are given as a range. A rank on this machine is no rank on another."
    )


def _ranking(ranked: Sequence[Ranked], by_name: dict[str, TeamRecord]) -> tuple[list[str], list[list[str]]]:
    headers = ["Rank", "Team", "Score", "Runtime (ms)", "Parameters", "FLOPs published (G)", "FLOPs complete (G)"]
    headers += ["PSNR valid (dB)", "PSNR test (dB)", "Cold start (ms)", "Memory (MiB)", "Gate", "Remark"]
    rows = []
    for result in ranked:
        record = by_name[result.name]
        c, r, m = record.complexity, record.runtime, record.memory
        flops = published_flops(record)
        rows.append(
            [
                result.rank_text,
                result.name,
                score_text(result),
                median_text(r.samples_ms) if r else NONE,
                f"{c.parameters:,}" if c else NONE,
                number(flops / 1e9 if flops else None, 4),
                number(c.flops / 1e9 if c else None, 2),
                number(_psnr(record, "DIV2K_LSDIR_valid"), 3),
                number(_psnr(record, "DIV2K_LSDIR_test"), 3),
                number(r.cold_ms if r else None, 1),
                number(m.peak_allocated / 2**20 if m else None, 0),
                result.gate,
                result.reason,
            ]
        )
    return headers, rows


def _sensitivity(entries: Sequence[Entry], rule: Rule, over: Baseline | None) -> str:
    headers, rows = sensitivity_cells(entries, rule, over, "Team")
    if not rows:
        return ""
    return f"## What the ranking depends on\n\n{SENSITIVITY}\n\n{markdown_table(headers, rows)}"


def _counts(records: Sequence[TeamRecord]) -> str:
    kinds = ("Parameters (M)", "FLOPs (G)", "Activations (M)", "Conv2d")
    headers = ["Team", *(h for kind in kinds for h in (f"{kind}: ours", "its own code", "published")), "Agree"]
    rows = []
    for record in records:
        if not record.complexity:
            continue
        cells: list[str] = []
        for key, field, unit in COUNTS:
            decimals = 0 if unit == 1 else 6
            ours, theirs = getattr(record.complexity, field), record.their_counts.get(key)
            cells += [number(None if v is None else v / unit, decimals) for v in (ours, theirs)]
            cells.append(number(record.published.get(key), decimals))
        rows.append([team_name(record), *cells, agreement(record)])
    if not rows:
        return ""
    return (
        f"## Counts beside those of the checkout's own code and its results.json\n\n{agreed(records)} {HOOKS_NOTE}\n\n"
        + markdown_table(headers, rows)
    )


def agreement(record: TeamRecord) -> str:
    """Whether our counts are those of the team's own code and of its results.json: "yes", "NO", or why nobody knows."""
    if record.complexity is None:
        return NONE
    if problem := record.their_counts.get("problem", ""):
        return f"its own code fails: {problem}"
    agree = True
    for key, field, unit in COUNTS:
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
    peak = max(record.peak_resident for record in records) / 2**20
    lines.append(f"\nAll teams together took {seconds / 60:.0f} minutes, the largest of them {peak:,.0f} MiB.")
    return "## Remarks\n\n" + "\n".join(lines)


# ---- plot -----------------------------------------------------------------------------------------------------------


def _plot(scored: Sequence[Ranked], rule: Rule) -> bytes:
    """Scores with their intervals, best on top."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, 1.2 + 0.28 * len(scored)), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        for place, result in enumerate(scored):
            score = result.score or 0.0
            low, high = result.low or score, result.high or score
            axes.plot([low, high], [place, place], color=MEASURED, linewidth=4, alpha=0.4, solid_capstyle="butt")
            axes.plot(score, place, "D", color=MEASURED, markersize=5, fillstyle="none" if result.reason else "full")
        axes.set_yticks(range(len(scored)), [f"{r.name}  {r.rank_text}" for r in scored])
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel(f"score by the rule of {rule.year}, 95 % interval; lower is better, log scale")
        axes.grid(axis="x", alpha=0.3)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=DPI, metadata={"Software": None})
    return content.getvalue()
