"""Scores by hand, the published results of 2026, and orders that the data do and do not settle."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.score import (
    AS_IS,
    NOT_MEASURED,
    RULES,
    TOO_FEW,
    VARIANTS,
    WARM_MEDIAN,
    Baseline,
    Entry,
    Ranked,
    rank,
    score,
    sensitivity,
)

ROOT = Path(__file__).parents[2]
EXP2 = math.exp(2)

# NTIRE 2026, results.json: PSNR (dB) and time (ms) on the validation and the test set, parameters (M), FLOPs (G).
NTIRE_2026 = [
    ("SPAN", 26.940388, 27.012206, 8.004025, 7.468771, 0.150688, 9.833808),
    ("PDS", 26.896448, 26.9936, 6.958888, 6.441813, 0.141748, 9.253683),
    ("ZenoSR", 26.89706, 27.006071, 47.898943, 43.022381, 0.037786, 2.681119),
    ("SPANMamba", 26.902246, 27.004362, 39.526017, 37.529168, 1.106028, 33.398194),
    ("HAESR", 27.076204, 27.222649, 88.179108, 83.989035, 0.352869, 26.613292),
    ("RFDN_SPAN", 26.912533, 26.982053, 17.35922, 15.960958, 0.346152, 22.600876),
    ("HFENet", 26.918958, 27.027774, 34.748278, 32.529421, 0.143628, 8.905165),
    ("VSCINet", 26.896725, 27.027901, 54.008276, 47.564175, 0.051465, 3.298253),
    ("DWMamba", 26.936981, 27.064562, 104.28048, 108.698814, 0.67364, 19.343745),
    ("DSCF", 26.921331, 26.985641, 8.40112, 7.36052, 0.125992, 8.219787),
    ("PKDSR", 26.908662, 26.998381, 7.038301, 6.55867, 0.143928, 9.39629),
    ("AMCANet", 26.897179, 27.017596, 18.735866, 17.781623, 0.086384, 5.243314),
    ("DISP", 26.901709, 27.015727, 6.730188, 6.294153, 0.163792, 10.693378),
    ("ERRN2", 26.900914, 27.00783, 9.835515, 8.909605, 0.245968, 16.062087),
    ("SAFMN", 26.802364, 26.91425, 131.890973, 127.499934, 0.149248, 9.620355),
    ("SPANV2", 26.918728, 27.003516, 5.687407, 4.795524, 0.139104, 1.591738),
]


def published_2026() -> list[Entry]:
    return [
        Entry(name, (val_ms + test_ms) / 2, g * 1e9, m * 1e6, psnr_valid=valid, psnr_test=test)
        for name, valid, test, val_ms, test_ms, m, g in NTIRE_2026
    ]


def samples(median: float, seed: int, count: int = 40, spread: float = 0.01) -> tuple[float, ...]:
    return tuple(median * (1 + spread * np.random.default_rng(seed).standard_normal(count)))


BASE = Baseline("base", samples(10.0, seed=0), 10e9, 1e6, cold_ms=50.0, flops_complete=30e9)


def timed(name: str, median: float, seed: int, cold_ms: float | None = 50.0, flops_complete: float = 30e9) -> Entry:
    return Entry(name, samples(median, seed), 10e9, 1e6, cold_ms=cold_ms, flops_complete=flops_complete)


def by_name(results: list[Ranked]) -> dict[str, Ranked]:
    return {r.name: r for r in results}


@pytest.mark.parametrize("year", [2024, 2025, 2026])
def test_the_baseline_scores_exp_2_by_definition(year: int) -> None:
    rule = RULES[year]
    b = rule.baseline
    (result,) = rank([Entry(b.name, b.runtime_ms, b.flops, b.parameters)], rule)
    assert result.score == pytest.approx(7.3890561)
    assert rule.runtime + rule.flops + rule.parameters == pytest.approx(1)


def test_2024_and_2025_by_hand() -> None:
    # DVMSR beside RLFN's published baseline: 37.692 ms, 20.17 G, 0.424 M.
    (dvmsr,) = rank([Entry("DVMSR", 37.692, 20.17e9, 0.424e6)], RULES[2024])
    assert dvmsr.score == pytest.approx(
        0.7 * math.exp(2 * 37.692 / 13.54) + 0.15 * math.exp(2 * 20.17 / 19.67) + 0.15 * math.exp(2 * 0.424 / 0.317)
    )
    (half,) = rank([Entry("half", 16.69 / 2, 16.70e9, 0.276e6)], RULES[2025])
    assert half.score == pytest.approx(0.7 * math.e + 0.3 * EXP2)


def test_2026_as_published() -> None:
    results = rank(published_2026(), RULES[2026])
    scores = {r.name: round(r.score or 0.0, 2) for r in results}
    assert (scores["SPANV2"], scores["PDS"], scores["PKDSR"], scores["DISP"]) == (3.87, 5.84, 5.99, 6.07)
    assert scores["SPAN"] == 7.39
    ranked = [r.name for r in results if r.best]
    assert ranked[:7] == ["SPANV2", "PDS", "PKDSR", "DISP", "DSCF", "SPAN", "ERRN2"]
    assert [r.rank_text for r in results][: len(ranked)] == [str(n) for n in range(1, len(ranked) + 1)]
    ordered = [r.score or 0.0 for r in results if r.best]
    assert ordered == sorted(ordered)


def test_2026_gate() -> None:
    results = by_name(rank(published_2026(), RULES[2026]))
    # 26.896 dB is printed, and accepted, as 26.90; 26.982 dB is not 26.99.
    assert results["PDS"].gate == "passed"
    assert {name for name, r in results.items() if r.reason} == {"RFDN_SPAN", "SAFMN"}
    assert results["RFDN_SPAN"].reason == "26.98 dB on DIV2K_LSDIR_test, below 26.99"
    assert results["SAFMN"].reason.count("below") == 2
    assert results["SAFMN"].rank_text == "-"
    assert results["SAFMN"].score is not None


def test_gate_not_measured() -> None:
    none, valid = rank([timed("none", 5.0, 1), replace(timed("valid", 20.0, 2), psnr_valid=27.0)], RULES[2026], BASE)
    assert none.gate == NOT_MEASURED
    assert valid.gate == "not measured on DIV2K_LSDIR_test"
    assert none.best == 1


def test_interval_of_the_ratio_is_carried_into_the_score() -> None:
    (result,) = rank([timed("a", 12.0, 1)], RULES[2026], BASE)
    assert result.score
    assert result.low
    assert result.high
    assert result.low < result.score < result.high
    # The medians of 40 samples with 1 % noise are known to 0.2 % each, so the ratio 1.2 to some 0.6 % at 95 %.
    assert result.score == pytest.approx(score(RULES[2026], 1.2, 1, 1), rel=0.02)
    assert 0.003 < (result.high - result.low) / result.score < 0.05


def test_samples_of_the_baseline_taken_in_turn_come_first() -> None:
    entry = timed("a", 24.0, 1)
    (result,) = rank([replace(entry, baseline_ms=samples(20.0, 9))], RULES[2026], BASE)
    assert result.score == pytest.approx(score(RULES[2026], 1.2, 1, 1), rel=0.02)


def test_samples_beside_a_published_baseline() -> None:
    (result,) = rank([Entry("a", [7.736398] * 8, 9_833_808_000, 150_688)], RULES[2026])
    assert (result.score, result.low, result.high) == pytest.approx((EXP2, EXP2, EXP2))


def test_ties_share_a_range_of_ranks() -> None:
    entries = [timed(f"tie {seed}", 12.0, seed) for seed in (1, 2, 3)] + [timed("slow", 30.0, 4), timed("fast", 8.0, 5)]
    results = by_name(rank(entries, RULES[2026], BASE))
    assert results["fast"].rank_text == "1"
    assert [results[f"tie {seed}"].rank_text for seed in (1, 2, 3)] == ["2-4"] * 3
    assert results["slow"].rank_text == "5"
    assert sorted(r.place or 0 for r in results.values()) == [1, 2, 3, 4, 5]


def test_overlap_is_not_transitive() -> None:
    # a and c are apart, and b meets both.
    entries = [Entry(name, times, 1e9, 1e6) for name, times in (
        ("a", [1.0, 1.02, 1.04] * 6), ("b", [1.0, 1.06, 1.12] * 6), ("c", [1.08, 1.1, 1.12] * 6)
    )]  # fmt: skip
    results = by_name(rank(entries, RULES[2026], Baseline("one", 1.0, 1e9, 1e6)))
    assert [results[n].rank_text for n in "abc"] == ["1-2", "1-3", "2-3"]


def test_who_is_not_ranked_widens_nobodys_range() -> None:
    few = replace(timed("few", 5.0, 1), runtime_ms=[5.0, 5.1])
    doubtful = replace(timed("doubtful", 4.0, 4), doubt="below bicubic on Set5")
    results = rank([doubtful, few, timed("a", 12.0, 2), timed("b", 20.0, 3)], RULES[2026], BASE)
    assert [r.name for r in results] == ["a", "b", "few", "doubtful"]
    assert [r.rank_text for r in results] == ["1", "2", "-", "-"]
    assert [r.reason for r in results[2:]] == [TOO_FEW, "below bicubic on Set5"]
    assert all(r.score for r in results)


def test_failures_are_listed_unranked() -> None:
    failed = Entry("broken", [], math.nan, -1, failure="out of memory")
    results = rank([failed, timed("a", 12.0, 2)], RULES[2026], BASE)
    assert [r.name for r in results] == ["a", "broken"]
    assert (results[1].score, results[1].rank_text, results[1].reason) == (None, "-", "out of memory")


def test_a_very_slow_entry_has_an_infinite_score() -> None:
    (result,) = rank([Entry("slow", 1e6, 1e9, 1e6)], RULES[2026])
    assert result.score == math.inf


WRONG_BASELINES = [
    replace(BASE, runtime_ms=0.0),
    replace(BASE, runtime_ms=[]),
    replace(BASE, runtime_ms=[1.0, math.nan]),
    replace(BASE, flops=0),
    replace(BASE, flops_complete=-1.0),
    replace(BASE, parameters=-3),
    replace(BASE, cold_ms=0.0),
    replace(BASE, flops=math.inf),
]
A = timed("a", 12.0, 1)
WRONG_ENTRIES = [
    replace(A, runtime_ms=[]),
    replace(A, runtime_ms=-1.0),
    replace(A, runtime_ms=[1.0, math.inf]),
    replace(A, baseline_ms=[]),
    replace(A, baseline_ms=[0.0]),
    replace(A, flops=math.nan),
    replace(A, flops_complete=-1.0),
    replace(A, parameters=-1),
    replace(A, cold_ms=math.nan),
    replace(A, psnr_valid=math.nan),
]


@pytest.mark.parametrize("baseline", WRONG_BASELINES)
def test_nonsense_baselines_are_refused(baseline: Baseline) -> None:
    with pytest.raises(ValueError, match="base: "):
        rank([A], RULES[2026], baseline)


@pytest.mark.parametrize("entry", WRONG_ENTRIES)
def test_nonsense_entries_are_refused(entry: Entry) -> None:
    with pytest.raises(ValueError, match="a: "):
        rank([entry], RULES[2026], BASE)


def test_nothing_is_needed_of_an_interpolation() -> None:
    (result,) = rank([Entry("bicubic", 1.0, 0, 0)], RULES[2026], Baseline("one", 1.0, 1e9, 1e6))
    assert result.score == pytest.approx(0.8 * EXP2 + 0.2)


def test_sensitivity_to_the_cold_start() -> None:
    # Warm, a is the faster one; a cold start of 1,000 ms in 41 passes makes its mean the slower one.
    a, b = timed("a", 8.0, 1, cold_ms=1000.0), timed("b", 12.0, 2, cold_ms=13.0)
    studies = {s.name: s for s in sensitivity([a, b], RULES[2026], BASE)}
    assert list(studies) == ["b", "a"]
    expected = ["without cold starts", "median in place of the mean"]
    assert studies["a"].moves == studies["b"].moves == expected
    as_is = studies["a"].results[AS_IS.name]
    base_mean = (50.0 + sum(BASE.runtime_ms)) / 41  # type: ignore[arg-type]
    own_mean = (1000.0 + sum(a.runtime_ms)) / 41  # type: ignore[arg-type]
    assert as_is.score == pytest.approx(score(RULES[2026], own_mean / base_mean, 1, 1))
    warm = studies["a"].results["without cold starts"]
    assert warm.score == pytest.approx(score(RULES[2026], sum(a.runtime_ms) / sum(BASE.runtime_ms), 1, 1))  # type: ignore[arg-type]
    assert warm.rank_text == "1"


def test_sensitivity_to_hidden_flops() -> None:
    hidden, plain = timed("hidden", 10.0, 1, flops_complete=60e9), timed("plain", 10.9, 1)
    studies = {s.name: s for s in sensitivity([plain, hidden], RULES[2024], BASE)}
    assert list(studies) == ["hidden", "plain"]
    assert studies["plain"].moves == ["complete FLOPs"]
    assert set(studies["plain"].results) == {v.name for v in VARIANTS}


def test_sensitivity_says_what_is_unknown() -> None:
    published = Entry("published", 9.0, 10e9, 1e6, flops_complete=30e9)
    studies = {s.name: s for s in sensitivity([published, timed("a", 8.0, 1), timed("b", 7.0, 2)], RULES[2026], BASE)}
    warm = studies["published"].results["without cold starts"]
    assert (warm.score, warm.reason) == (None, "of published one runtime is known, not its passes")
    assert studies["a"].moves == []  # nobody overtook it
    (cold,) = sensitivity([timed("a", 8.0, 1, cold_ms=None)], RULES[2026], BASE)
    assert cold.results[AS_IS.name].reason == "the cold start of a was not measured"
    (complete,) = sensitivity([published], RULES[2026])
    assert complete.results["complete FLOPs"].reason == "the complete FLOPs of SPAN were not counted"


def test_sensitivity_needs_distinct_names() -> None:
    with pytest.raises(ValueError, match="same name"):
        sensitivity([A, A], RULES[2026], BASE)


def test_rank_quotes_the_warm_median() -> None:
    spoilt = replace(A, runtime_ms=[*samples(12.0, 1), 5000.0], cold_ms=9000.0)
    assert rank([spoilt], RULES[2026], BASE)[0].score == pytest.approx(score(RULES[2026], 1.2, 1, 1), rel=0.02)
    assert rank([spoilt], RULES[2026], BASE, WARM_MEDIAN) == rank([spoilt], RULES[2026], BASE)


def test_neither_torch_nor_a_network_is_imported() -> None:
    code = "import sys, bench.score; sys.exit(any(m.split('.')[0] in ('torch', 'models') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
