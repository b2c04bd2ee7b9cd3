"""The NTIRE efficient-SR scores of 2024 to 2026, and the order of entries as far as the measurements settle it.

The score of an entry is a weighted sum of exp(2 x / x of the baseline) over runtime, FLOPs and parameters. Lower is
better, and the baseline itself scores exp(2) = 7.39. An interval of the ratio of runtimes is carried through that sum;
FLOPs and parameters are exact. Entries whose intervals overlap are not ordered: they share a range of ranks.

Plain numbers in and out: neither torch nor a network is imported, so that reports and child processes can use it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bench.core.statistics import STATISTICS, Statistic, compare, interval_of

Times = float | Sequence[float]  # milliseconds: one figure, as a report prints it, or the raw samples
NOT_MEASURED = "not measured"
TOO_FEW = "too few samples for an interval"
BASELINES = {2024: "rlfn_ntire", 2025: "efdn", 2026: "span"}  # year of a rule -> its baseline in the registry
GATE_SETS = {"psnr_valid": "DIV2K_LSDIR_valid", "psnr_test": "DIV2K_LSDIR_test"}
LARGEST_RATIO = 354  # exp(2 x) of more is beyond a float


@dataclass(frozen=True)
class Baseline:
    """The network that scores are relative to. Fields as in `Entry`; `device` is where it was timed."""

    name: str
    runtime_ms: Times
    flops: float
    parameters: float
    cold_ms: float | None = None
    flops_complete: float | None = None
    device: str = ""


@dataclass(frozen=True)
class Rule:
    """One year's rule: three weights, the gate (dB, on DIV2K_LSDIR_valid and _test) and the published baseline."""

    year: int
    runtime: float
    flops: float
    parameters: float
    baseline: Baseline
    psnr_valid: float = 26.90
    psnr_test: float = 26.99


RULES = {
    rule.year: rule
    for rule in (
        Rule(2024, 0.7, 0.15, 0.15, Baseline("RLFN", 13.54, 19.67e9, 0.317e6, device="NVIDIA RTX 3090")),
        Rule(2025, 0.7, 0.15, 0.15, Baseline("EFDN", 16.69, 16.70e9, 0.276e6, device="NVIDIA RTX A6000")),
        # Printed as 7.74 ms, 9.83 G and 0.151 M, but the published scores were computed before rounding.
        Rule(2026, 0.8, 0.1, 0.1, Baseline("SPAN", 7.736398, 9_833_808_000, 150_688, device="NVIDIA RTX A6000")),
    )
}


@dataclass(frozen=True)
class Entry:
    """What is known of one network.

    Attributes:
        runtime_ms: samples of warm passes, or one figure, which then stands for itself without an interval.
        flops: as published, fvcore's convention.
        baseline_ms: samples of the baseline that were taken in turn with these; None: those of the baseline.
        psnr_valid, psnr_test: RGB PSNR in dB on the challenge's two sets; None where it was not measured.
        cold_ms: the first pass, which the challenge's mean includes; None where it was not measured.
        flops_complete: every operator counted.
        failure: why it has no result; the other figures are then not looked at.
        doubt: why it would miss the gate, as far as can be told without the challenge's images.
    """

    name: str
    runtime_ms: Times
    flops: float
    parameters: float
    baseline_ms: Times | None = None
    psnr_valid: float | None = None
    psnr_test: float | None = None
    cold_ms: float | None = None
    flops_complete: float | None = None
    failure: str = ""
    doubt: str = ""


@dataclass(frozen=True)
class Variant:
    """A way of making one runtime and one FLOP count of what was measured."""

    name: str
    statistic: Statistic
    cold_start: bool  # is one of the passes
    complete: bool = False  # complete FLOPs in place of those as published
    needs_passes: bool = False  # makes no sense of an entry of which one figure is known


WARM_MEDIAN = Variant("median of warm passes", "median", cold_start=False)  # what this benchmark quotes
AS_IS = Variant("as is: mean of all passes", "mean", cold_start=True)
VARIANTS = (
    AS_IS,
    Variant("without cold starts", "mean", cold_start=False, needs_passes=True),
    Variant("complete FLOPs", "mean", cold_start=True, complete=True),
    Variant("median in place of the mean", "median", cold_start=True, needs_passes=True),
)


@dataclass(frozen=True)
class Ranked:
    """One entry's result.

    Attributes:
        score: None where it cannot be computed; `reason` says why.
        low, high: 95 % interval of the score; None where too few samples give one.
        best, worst: the ranks it may have: 1 + the entries that are surely better, and all those that are not surely
            worse. None for an entry that is not ranked.
        place: by the score alone.
        gate: "passed", or "not measured" where a set's PSNR is missing.
        reason: why it is not ranked, else "".
    """

    name: str
    score: float | None
    low: float | None
    high: float | None
    best: int | None = None
    worst: int | None = None
    place: int | None = None
    gate: str = ""
    reason: str = ""

    @property
    def rank_text(self) -> str:
        """Its rank as a cell: "2", "3-5" for a tie, "-" where it is not ranked."""
        if self.best is None:
            return "-"
        return f"{self.best}" if self.best == self.worst else f"{self.best}-{self.worst}"


@dataclass(frozen=True)
class Sensitivity:
    """One entry under every variant. `moves` names those in which it changes places with another entry."""

    name: str
    results: dict[str, Ranked]  # by the variant's name
    moves: list[str]


def score(rule: Rule, runtime: float, flops: float, parameters: float) -> float:
    """The weighted sum for three ratios to the baseline; infinite from LARGEST_RATIO on."""
    terms = (rule.runtime, runtime), (rule.flops, flops), (rule.parameters, parameters)
    return sum(weight * (math.exp(2 * ratio) if ratio < LARGEST_RATIO else math.inf) for weight, ratio in terms)


def rank(
    entries: Sequence[Entry], rule: Rule, baseline: Baseline | None = None, variant: Variant = WARM_MEDIAN
) -> list[Ranked]:
    """Score and order the entries: ranked ones, then those without an interval, then those below the gate or failed.

    Who is not ranked widens nobody's range.

    Args:
        baseline: None for the one that the rule publishes.

    Raises:
        ValueError: for a baseline that is not positive, no samples, and negative or undefined numbers.
    """
    baseline = baseline or rule.baseline
    _check(baseline, zero=False)
    judged = [_judge(entry, rule, baseline, variant) for entry in entries]
    valid = sorted((r for r in judged if not r.reason), key=lambda r: r.score or 0.0)
    unranked = sorted(
        (r for r in judged if r.reason), key=lambda r: (r.score is None, r.reason != TOO_FEW, r.score or 0)
    )
    return [_placed(r, place, valid) for place, r in enumerate(valid, start=1)] + unranked


def sensitivity(entries: Sequence[Entry], rule: Rule, baseline: Baseline | None = None) -> list[Sensitivity]:
    """The ranking as the challenge makes it, and with one thing changed at a time. In the order as is.

    A variant leaves out entries that it needs more of than is known. The published baseline's one runtime, a mean with
    its cold start, serves in all of them. Raises ValueError as `rank` does.
    """
    ranked = {v.name: {r.name: r for r in rank(entries, rule, baseline, v)} for v in VARIANTS}
    if any(len(results) < len(entries) for results in ranked.values()):
        raise ValueError("two entries have the same name")
    as_is = ranked[AS_IS.name]
    moved = {variant: _moved(as_is, results) for variant, results in ranked.items()}
    return [
        Sensitivity(name, {v: of[name] for v, of in ranked.items()}, [v for v in ranked if name in moved[v]])
        for name in as_is
    ]


def _moved(before: dict[str, Ranked], after: dict[str, Ranked]) -> set[str]:
    """Those whose place differs, among the entries that have one in both."""
    first = [name for name, r in before.items() if r.place and after[name].place]
    second = [name for name, r in after.items() if r.place and before[name].place]
    return {a for a, b in zip(first, second, strict=True) if a != b}


def _judge(entry: Entry, rule: Rule, baseline: Baseline, variant: Variant) -> Ranked:
    if entry.failure:
        return Ranked(entry.name, None, None, None, gate=NOT_MEASURED, reason=entry.failure)
    _check(entry, zero=True)
    gate, missed = _gate(entry, rule)
    unknown = _unknown(entry, baseline, variant)
    if unknown:
        return Ranked(entry.name, None, None, None, gate=gate, reason=unknown)
    counts = _flops(entry, variant) / _flops(baseline, variant), entry.parameters / baseline.parameters
    value, low, high = (
        None if runtime is None else score(rule, runtime, *counts)
        for runtime in _runtime_ratio(entry, baseline, variant)
    )
    return Ranked(entry.name, value, low, high, gate=gate, reason=missed or entry.doubt or TOO_FEW * (low is None))


def _placed(result: Ranked, place: int, valid: Sequence[Ranked]) -> Ranked:
    better = sum(_surely_better(other, result) for other in valid)
    worse = sum(_surely_better(result, other) for other in valid)
    return replace(result, place=place, best=1 + better, worst=len(valid) - worse)


def _surely_better(a: Ranked, b: Ranked) -> bool:
    """Whether the whole interval of `a` is below that of `b`; an unknown interval settles nothing."""
    return a.high is not None and b.low is not None and a.high < b.low


def _gate(entry: Entry, rule: Rule) -> tuple[str, str]:
    """What is said of the gate, and why the entry missed it.

    Compared to two decimals, as the challenge's tables print them: the 2026 runner-up has 26.896 dB.
    """
    sets = {name: (getattr(entry, field), getattr(rule, field)) for field, name in GATE_SETS.items()}
    measured = {name: (psnr, least) for name, (psnr, least) in sets.items() if psnr is not None}
    below = [f"{p:.2f} dB on {name}, below {least:.2f}" for name, (p, least) in measured.items() if round(p, 2) < least]
    if below:
        return "missed", " and ".join(below)
    if not measured:
        return NOT_MEASURED, ""
    return next((f"{NOT_MEASURED} on {name}" for name in sets if name not in measured), "passed"), ""


def _unknown(entry: Entry, baseline: Baseline, variant: Variant) -> str:
    """What this variant needs and nobody measured; "" where all is known."""
    if variant.needs_passes and isinstance(entry.runtime_ms, int | float):
        return f"of {entry.name} one runtime is known, not its passes"
    for side in (entry, baseline):
        if variant.complete and side.flops_complete is None:
            return f"the complete FLOPs of {side.name} were not counted"
        if variant.cold_start and side.cold_ms is None and not isinstance(side.runtime_ms, int | float):
            return f"the cold start of {side.name} was not measured"
    return ""


def _flops(side: Entry | Baseline, variant: Variant) -> float:
    return (side.flops_complete if variant.complete else side.flops) or 0.0


def _runtime_ratio(entry: Entry, baseline: Baseline, variant: Variant) -> tuple[float, float | None, float | None]:
    """Runtime over the baseline's, and its 95 % interval; None, None where a side has too few samples."""
    base_ms = baseline.runtime_ms if entry.baseline_ms is None else entry.baseline_ms
    own, base = _passes(entry.runtime_ms, entry.cold_ms, variant), _passes(base_ms, baseline.cold_ms, variant)
    if isinstance(own, list) and isinstance(base, list):
        both = compare(own, base, variant.statistic)
        return both.ratio, both.low, both.high
    # At least one side is exact, so that intervals can be divided.
    (a, a_low, a_high), (b, b_low, b_high) = _figure(own, variant.statistic), _figure(base, variant.statistic)
    if a_low is None or a_high is None or b_low is None or b_high is None:
        return a / b, None, None
    return a / b, a_low / b_high, a_high / b_low


def _passes(runtime_ms: Times, cold_ms: float | None, variant: Variant) -> float | list[float]:
    if isinstance(runtime_ms, int | float):
        return runtime_ms
    return [*([cold_ms] if variant.cold_start and cold_ms is not None else []), *runtime_ms]


def _figure(passes: float | list[float], statistic: Statistic) -> tuple[float, float | None, float | None]:
    if not isinstance(passes, list):
        return passes, passes, passes
    return float(STATISTICS[statistic](passes)), *(interval_of(statistic, passes) or (None, None))


def _check(side: Entry | Baseline, zero: bool) -> None:
    """Raise ValueError for numbers that no network has. `zero`: interpolation has no FLOPs and no parameters."""
    _check_times(f"{side.name}: runtime", side.runtime_ms)
    counts = [side.flops, side.parameters, *([] if side.flops_complete is None else [side.flops_complete])]
    if not all(math.isfinite(n) and (n > 0 or (zero and n == 0)) for n in counts):
        raise ValueError(f"{side.name}: FLOPs or parameters of {counts}")
    if side.cold_ms is not None:
        _check_times(f"{side.name}: cold start", side.cold_ms)
    if isinstance(side, Entry):
        if side.baseline_ms is not None:
            _check_times(f"{side.name}: the baseline's runtime", side.baseline_ms)
        if any(psnr is not None and math.isnan(psnr) for psnr in (side.psnr_valid, side.psnr_test)):
            raise ValueError(f"{side.name}: PSNR is not a number")


def _check_times(what: str, times: Times) -> None:
    samples = [times] if isinstance(times, int | float) else times
    if len(samples) == 0 or not all(math.isfinite(ms) and ms > 0 for ms in samples):
        raise ValueError(f"{what}: no samples, or one that is no positive number of milliseconds")
