"""Nothing useless wins: what bicubic does as well, or the gate would surely refuse, is on no front and has no rank."""

import pytest

from bench.core.record import Record, WeightsInfo
from bench.report.charts.points import COSTS, PARAMETERS, bicubic_psnr, pareto_front, points
from bench.report.charts.quality import quality_charts
from bench.report.ranks.doubts import doubt
from bench.report.ranks.scores import year_scores
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, quality, record, runtime


def network(model: str, parameters: int, psnr_y: float | None, weights: WeightsInfo | None = None) -> Record:
    """Timed in turn with the others, the smaller the faster."""
    return record(
        model,
        model.upper(),
        complexity=complexity(parameters, flops_published=9 * 10**9, flops=parameters),
        runtime=runtime(1 + parameters / 1000, run="one"),
        quality=[quality("Set5", psnr_y)] if psnr_y else [],
        **({"weights": weights} if weights else {}),
    )


PARTY = (
    network("bicubic", 0, 28.43),
    network("span", 150_000, 31.74),
    network("rlfn", 540_000, 32.2),
    network("fsrcnn", 12_000, 30.5),
    network("srcnn", 8_000, 21.76),
    network("dipnet", 5_000, None, WeightsInfo("random", note="no weights of this network were published")),
    network("dvmsr", 424_000, None, WeightsInfo("random", "DVMSR.pth", source="https://example.org/DVMSR.pth")),
)


def test_the_useless_have_no_rank(make_device: MakeDevice) -> None:
    latest = year_scores(make_device(list(PARTY)))[0]
    ranks = {result.name: (result.rank_text, result.reason) for result in latest.ranked}
    assert [name for name in ranks if ranks[name][0] != "-"] == ["SPAN", "DVMSR", "RLFN"]
    assert ranks["SRCNN"][1] == "not above bicubic on Set5: 19.86 dB, 26.53"
    assert ranks["FSRCNN"][1] == "28.60 dB on Set5, 1.24 below span"
    assert ranks["DIPNET"][1] == "it has no weights, so nothing is known of its PSNR"
    assert ranks["DVMSR"] == ("2", "")  # whose weights are only not on this machine


def test_the_useless_are_on_no_front(make_device: MakeDevice) -> None:
    device = make_device(list(PARTY))
    assert bicubic_psnr(device, "Set5") == pytest.approx(28.43)
    for cost in (PARAMETERS, COSTS[1]):
        measured = [point for point in points(device, "Set5", cost) if point.here]
        assert "SRCNN" in [point.label for point in measured]
        assert [point.label for point in pareto_front(measured)] == ["FSRCNN", "SPAN", "RLFN"]
    for chart in quality_charts(device, "Set5").values():
        assert "SRCNN, 21.76 dB" in chart.caption  # so far down that it would flatten the chart


def test_a_point_says_that_it_is_not_above_bicubic(make_device: MakeDevice) -> None:
    low = network("srcnn", 8_000, 28.40)
    chart = quality_charts(make_device([PARTY[0], low, network("imdn", 9_000, 28.6)]), "Set5")["flops"]
    facts = {m.facts[0][1]: dict(m.facts) for s in chart.series for m in s.marks if m.facts}
    assert facts["SRCNN"]["Source"] == "measured here, not above bicubic"
    assert facts["SRCNN"]["On the Pareto front"] == "no"


def test_bicubic_is_the_papers_where_it_was_not_measured(make_device: MakeDevice) -> None:
    assert bicubic_psnr(make_device([PARTY[1]]), "Set5") == 28.42
    assert bicubic_psnr(make_device([PARTY[1]]), "mine") == -float("inf")


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({}, ""),
        ({"mine": 20.0}, ""),
        ({"Set5": 29.9}, ""),
        ({"Set5": 29.69}, "29.69 dB on Set5, 0.31 below SPAN"),
        ({"Set5": 29.71}, ""),
        ({"B100": 26.0, "Set5": 29.0}, "not above bicubic on B100: 26.00 dB, 26.00"),
    ],
)
def test_doubts_by_hand(own: dict[str, float], says: str) -> None:
    assert doubt(own, {"Set5": 26.7, "B100": 26.0}, {"Set5": 30.0}, "SPAN") == says
