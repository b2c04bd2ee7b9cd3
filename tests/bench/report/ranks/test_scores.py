"""NTIRE scores of the report's networks: who is scored, over what, and what is not claimed."""

import math

import pytest
from markupsafe import Markup

from bench.core.record import Record
from bench.core.render import to_csv
from bench.report.ranks.scores import score_table, scores_section, year_scores
from bench.report.web.ranks import score_part, score_texts
from bench.score import NOT_MEASURED
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, quality, record, runtime

PARTY = ("span", "dvmsr", "rlfn", "bicubic")


def timed(model: str, median: float, party: tuple[str, ...] = PARTY, parameters: int = 150_688) -> Record:
    """A network that was timed in turn with the others of its party."""
    of_party = runtime(median, run=" ".join(sorted(party)))
    counts = complexity(parameters, flops_published=9_833_808_000, flops=20 * 10**9, macs=9 * 10**9)
    return record(model, model.upper(), complexity=counts, runtime=of_party)


def test_scores_are_over_the_baseline_of_the_same_run(make_device: MakeDevice) -> None:
    elsewhere = timed("imdn", 10.0, ("imdn", "efdn"))
    device = make_device([timed("span", 100.0), timed("dvmsr", 200.0), timed("rlfn", 200.5), elsewhere,
                          timed("bicubic", 1.0, parameters=0)])  # fmt: skip
    latest, *others = year_scores(device)
    assert (latest.rule.year, latest.baseline) == (2026, "SPAN")
    assert [r.name for r in latest.ranked] == ["SPAN", "DVMSR", "RLFN"]  # interpolation is no entry
    scores = [r.score for r in latest.ranked]
    assert scores[:2] == pytest.approx([math.exp(2), 0.8 * math.exp(4) + 0.2 * math.exp(2)])
    assert [r.rank_text for r in latest.ranked] == ["1", "2-3", "2-3"]
    assert latest.apart == ("IMDN",)
    assert "Not timed in turn with SPAN, hence without a score: IMDN." in scores_section([latest]).body
    for year in others:
        assert year.ranked == ()
        text = scores_section([year]).body
        assert f"`python bench/profile.py --model {'efdn' if year.rule.year == 2025 else 'rlfn_ntire'}" in text
        assert score_part(year, *map(Markup, score_texts(year))).tables == ()


def test_the_gate_is_never_passed_unmeasured(make_device: MakeDevice) -> None:
    fine = timed("dvmsr", 200.0)
    fine.quality = [quality("DIV2K_LSDIR_valid", 29.0), quality("DIV2K_LSDIR_test", 29.1)]
    poor = timed("rlfn", 150.0)
    poor.quality = [quality("DIV2K_LSDIR_valid", 28.0)]
    latest = year_scores(make_device([timed("span", 100.0), fine, poor]))[0]
    gates = {r.name: r.gate for r in latest.ranked}
    assert gates == {"SPAN": NOT_MEASURED, "DVMSR": "passed", "RLFN": "missed"}
    text = scores_section([latest]).body
    assert "was not measured of SPAN: whether the challenge would rank it is not known" in text
    row = next(line for line in text.splitlines() if line.startswith("| RLFN"))
    assert "26.10 dB on DIV2K_LSDIR_valid, below 26.90" in row
    (table,) = score_part(latest, *map(Markup, score_texts(latest))).tables
    shown = table.shown
    place = [column.title for column in shown.columns].index("Gate")
    assert {row[0].text: row[place].text for row in shown.rows} == gates
    assert all(row[0].record for row in table.shown.rows)


def test_sensitivity_and_large_scores(make_device: MakeDevice) -> None:
    device = make_device([timed("span", 100.0), timed("dvmsr", 6000.0), timed("rlfn", 150.0)])
    latest = year_scores(device)[0]
    text = scores_section([latest]).body
    assert "| without cold starts" in text.replace("  ", "")
    assert "> 1,000,000" in text  # 0.8 exp(120), without fifty digits
    lines = to_csv(score_table([latest])).splitlines()
    assert len({line.count(",") for line in lines}) == 1
    assert lines[1].startswith("2026,SPAN,SPAN,1,1,1,7.389056099,")
    assert score_part(latest, *map(Markup, score_texts(latest))).folded is not None


def test_nothing_timed_nothing_said(make_device: MakeDevice) -> None:
    assert year_scores(make_device([record("rlfn", complexity=complexity(1))])) == []
