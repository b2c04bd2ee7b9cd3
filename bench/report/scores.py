"""The networks' NTIRE scores by each year's rule, over that year's baseline network as it was measured here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.record import Record, in_turn
from bench.report import markup
from bench.report.headline import headline_rows
from bench.report.lookup import DeviceRecords, Found, Query
from bench.report.ranking import SENSITIVITY, median_text, score_text, sensitivity_cells
from bench.score import NOT_MEASURED, RULES, Baseline, Entry, Ranked, Rule, rank

BASELINES = {2024: "rlfn_ntire", 2025: "efdn", 2026: "span"}  # year of a rule -> its baseline network
GATE_SETS = {"psnr_valid": "DIV2K_LSDIR_valid", "psnr_test": "DIV2K_LSDIR_test"}
HEADERS = ["Network", "Rank", "Score", "Median time (ms)", "Parameters", "FLOPs as published (G)",
           "FLOPs complete (GFLOP)", "Gate"]  # fmt: skip
INTRO = """\
Score = sum of weight x exp(2 x / x of the baseline) over runtime, FLOPs as published and parameters; lower is better,
and the baseline has exp(2) = 7.39. Runtime here is the median of warm passes at 1 x 3 x 256 x 256 in fp32; its 95 %
bootstrap interval, from six samples on, is carried through the sum, and networks whose intervals overlap share a range
of ranks. Scored are networks that were timed in turn with the baseline, in one run. Interpolation is no entry. A
rank on this device is no rank on another."""
AS_IS_NOTE = (
    "Slow networks have few passes here, in which one cold start weighs more than in the challenge's hundred images."
)


@dataclass(frozen=True)
class YearScores:
    """One rule over one device's records.

    Attributes:
        baseline: the network that the scores are over; None where it was not timed here.
        ranked: best first, then those without a rank.
        found: name of each entry -> the record of its time.
        apart: timed, but not in turn with the baseline.
    """

    rule: Rule
    baseline: str
    over: Baseline | None
    entries: tuple[Entry, ...]
    ranked: tuple[Ranked, ...]
    found: Mapping[str, Found]
    apart: tuple[str, ...]


def year_scores(device: DeviceRecords) -> list[YearScores]:
    """Every rule, the latest first; none where nothing was timed."""
    if not any(m.record.runtime for m in device.measured):
        return []
    return [_of_rule(device, RULES[year], model) for year, model in sorted(BASELINES.items(), reverse=True)]


def _of_rule(device: DeviceRecords, rule: Rule, model: str) -> YearScores:
    base = device.find(Query(model, "runtime.median_ms"))
    found: dict[str, Found] = {}
    apart: list[str] = []
    for row in headline_rows(device):
        if row.timed is None:
            continue
        record = row.timed.record
        query = Query(record.model, "runtime.median_ms", record.options if record.source else {})
        timed = base and device.find(query, lambda r: r is base.record or in_turn(r.runtime, base.record.runtime))
        if base is None or timed is None:
            apart.append(row.name)
        elif timed.record.complexity is None or timed.record.complexity.parameters:
            found[row.name] = timed
    over = _baseline(device, base) if base else None
    entries = tuple(_entry(device, name, f) for name, f in found.items()) if over else ()
    ranked = tuple(rank(entries, rule, over)) if entries else ()
    name = base.record.display_name if base else model
    return YearScores(rule, name, over, entries, ranked, found if over else {}, tuple(apart))


def _entry(device: DeviceRecords, name: str, found: Found) -> Entry:
    record, c = found.record, found.record.complexity
    flops = c.flops_published if c else None
    assert record.runtime
    return Entry(
        name=name,
        runtime_ms=record.runtime.samples_ms,
        flops=float(flops or 0),
        parameters=float(c.parameters if c else 0),
        psnr_valid=_psnr(device, record, GATE_SETS["psnr_valid"]),
        psnr_test=_psnr(device, record, GATE_SETS["psnr_test"]),
        cold_ms=record.runtime.cold_ms,
        flops_complete=float(c.flops) if c else None,
        failure="" if flops else "no published FLOPs: fvcore cannot trace it",
    )


def _psnr(device: DeviceRecords, record: Record, dataset: str) -> float | None:
    options = record.options if record.source else {}
    scored = device.find(Query(record.model, f"quality.{dataset}.psnr_rgb", options))
    return scored.value if scored else None


def _baseline(device: DeviceRecords, found: Found) -> Baseline | None:
    record, c = found.record, found.record.complexity
    if not record.runtime or not c or not c.flops_published or not c.parameters:
        return None
    return Baseline(
        name=record.display_name,
        runtime_ms=record.runtime.samples_ms,
        flops=float(c.flops_published),
        parameters=float(c.parameters),
        cold_ms=record.runtime.cold_ms,
        flops_complete=float(c.flops),
        device=device.label,
    )


# ---- text -----------------------------------------------------------------------------------------------------------


def scores_body(years: Sequence[YearScores]) -> str:
    """The section without its heading."""
    parts = [INTRO]
    for year in years:
        parts.append(f"### Rule of {year.rule.year}\n\n{rule_text(year)}")
        if year.ranked:
            parts.append(markup.markdown_table(HEADERS, [score_row(year, r) for r in year.ranked]))
            headers, rows = sensitivity_cells(year.entries, year.rule, year.over, "Network")
            if rows:
                folded = f"{SENSITIVITY} {AS_IS_NOTE}\n\n{markup.markdown_table(headers, rows)}"
                title = f"What the ranks by the rule of {year.rule.year} depend on"
                parts.append(f"<details><summary>{title}</summary>\n\n{folded}\n\n</details>")
        parts += [text for text in (gates_text(year), apart_text(year), left_out_text(year)) if text]
    return "\n\n".join(parts) + "\n"


def rule_text(year: YearScores) -> str:
    """Weights and baseline."""
    rule = year.rule
    weights = f"{rule.runtime:g} runtime + {rule.flops:g} FLOPs + {rule.parameters:g} parameters"
    if year.over:
        return f"{weights}, over {year.baseline} as measured in the same run."
    command = f"python bench/profile.py --model {BASELINES[rule.year]} dvmsr rlfn --measure runtime"
    return f"{weights}. No scores: the baseline, {BASELINES[rule.year]}, was not timed here (`{command}`)."


def score_row(year: YearScores, result: Ranked) -> list[str]:
    """Cells in the order of HEADERS."""
    record = year.found[result.name].record
    c = record.complexity
    return [
        result.name,
        result.rank_text,
        score_text(result),
        median_text(record.runtime.samples_ms) if record.runtime else markup.NONE,
        f"{c.parameters:,}" if c else markup.NONE,
        markup.number(c.flops_published / 1e9 if c and c.flops_published else None, 2),
        markup.number(c.flops / 1e9 if c else None, 1),
        result.gate,
    ]


def apart_text(year: YearScores) -> str:
    """Which networks have no score since they were timed in another run."""
    if not year.apart or not year.over:
        return ""
    model = BASELINES[year.rule.year]
    return (
        f"Not timed in turn with {year.baseline}, hence without a score: {', '.join(year.apart)}. One run of "
        f"`python bench/profile.py --model {model} ... --measure runtime` with both scores them."
    )


def gates_text(year: YearScores) -> str:
    """What the ranks do not say of the PSNR that the challenge demands; "" where all was measured."""
    unknown = [r.name for r in year.ranked if r.gate.startswith(NOT_MEASURED)]
    if not unknown:
        return ""
    who = "any network" if len(unknown) == len(year.ranked) else ", ".join(unknown)
    rule = year.rule
    return (
        f"The gate ({rule.psnr_valid:.2f} dB on {GATE_SETS['psnr_valid']}, {rule.psnr_test:.2f} dB on "
        f"{GATE_SETS['psnr_test']}) was not measured of {who}: whether the challenge would rank it is not known."
    )


def left_out_text(year: YearScores) -> str:
    """Why ranked networks are fewer than timed ones."""
    return " ".join(f"{r.name} is not ranked: {r.reason}." for r in year.ranked if r.reason)


def scores_csv(years: Sequence[YearScores]) -> str:
    """Every score as raw numbers."""
    headers = ["rule", "baseline", "network", "rank_best", "rank_worst", "place", "score", "low", "high"]
    headers += ["median_ms", "parameters", "flops_published", "flops_complete", "gate", "reason", "record"]
    lines: list[list[markup.Value]] = []
    for year in years:
        for r in year.ranked:
            found = year.found[r.name]
            c = found.record.complexity
            line: list[markup.Value] = [year.rule.year, year.baseline, r.name, r.best, r.worst, r.place, r.score]
            line += [r.low, r.high, found.value]
            line += [c.parameters, c.flops_published, c.flops] if c else [None] * 3
            lines.append([*line, r.gate, r.reason, found.file])
    return markup.csv_text(headers, lines)
