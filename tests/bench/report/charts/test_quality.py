"""Quality against cost: which networks are points, which are on the front, who is named, and what the chart says."""

import pytest

from bench.core.record import Record
from bench.report.charts.chart import MEASURED, PUBLISHED, SUBJECT, Chart, Mark
from bench.report.charts.points import (
    COSTS,
    PARAMETERS,
    TIME,
    Point,
    pareto_front,
    plotted_dataset,
    points,
    published_points,
)
from bench.report.charts.quality import conclusion, quality_chart, quality_charts
from bench.report.lookup import DeviceRecords
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, full_set, quality, record, runtime


def measured(label: str, parameters_k: float, psnr_db: float) -> Point:
    return Point(label, parameters_k, psnr_db, "measured")


def network(model: str, name: str, cost: int, psnr: float) -> Record:
    counts = complexity(cost * 1000, flops=cost * 10**9, macs=10)
    return record(model, name, complexity=counts, runtime=runtime(cost, run="one"), quality=[quality("Set5", psnr)])


def marks(chart: Chart, role: str) -> list[Mark]:
    return [mark for series in chart.series if series.role == role for mark in series.marks]


def test_points_are_measured_and_published(full_device: DeviceRecords) -> None:
    found = points(full_device, "Set5", PARAMETERS)
    assert ("DVMSR", 424.428, 32.2129, "measured") in [(p.label, p.cost, round(p.psnr_db, 6), p.source) for p in found]
    assert Point("DVMSR", 424, 32.19, "published") in found
    assert "Bicubic" not in {p.label for p in found}  # no parameters
    assert all(p.psnr_db > 30 for p in found)  # not the variant with the skip


def test_costs_other_than_the_size_are_the_records_own(full_device: DeviceRecords) -> None:
    found = points(full_device, "Set5", TIME)
    assert [p.cost for p in found] == sorted(p.cost for p in found)
    assert {p.source for p in found} == {"measured"}
    assert len(found) >= 3


def test_pareto_front_by_hand() -> None:
    a, b, c, d = measured("a", 10, 30), measured("b", 20, 29), measured("c", 30, 31), measured("d", 30, 30.5)
    assert pareto_front([d, c, b, a]) == [a, c]
    assert pareto_front([]) == []


def test_without_set5_the_best_other_set_is_named_and_published_points_left_out(make_device: MakeDevice) -> None:
    scored = record("dvmsr", complexity=complexity(424_428), quality=[quality("photos", 27.0)])
    device = make_device([scored, record("bicubic", quality=[quality("Set5", 28.4)])])
    assert plotted_dataset(device) == "photos"
    assert {p.source for p in points(device, "photos", PARAMETERS)} == {"measured"}


def test_published_points_alone_where_only_bicubic_was_scored(make_device: MakeDevice) -> None:
    device = make_device([record("bicubic", complexity=complexity(0), quality=[quality("Set5", 28.4)])])
    assert plotted_dataset(device) == "Set5"
    (only,) = quality_charts(device, "Set5").values()
    assert only.key == "figure1"
    assert "none was measured on Test CPU" in only.caption
    assert quality_charts(make_device([r for r in full_set() if not r.quality]), "photos") == {}


def test_the_subject_and_the_baseline_are_named_off_the_front_too(make_device: MakeDevice) -> None:
    device = make_device(
        [
            network("rlfn", "RLFN", 100, 32.2),
            network("dvmsr", "DVMSR", 900, 32.0),  # neither is on any front
            network("span", "SPAN", 800, 31.9),
            network("efdn", "EFDN", 110, 32.21),
            network("imdn", "IMDN", 120, 33.0),
        ]
    )
    charts = list(quality_charts(device, "Set5").values())
    assert [chart.key for chart in charts] == ["figure1", "figure1_flops", "figure1_time"]
    for chart in charts:
        assert chart.x.log
        assert [mark.name for mark in marks(chart, SUBJECT)] == ["DVMSR"]
        assert {"DVMSR", "SPAN"} <= {name.text for name in chart.names}
        assert chart.conclusion.startswith(
            "DVMSR (32.00 dB) is below the front: IMDN scores 1.00 dB more at 13% of its"
        )


def test_a_published_point_under_its_measured_one_has_no_name() -> None:
    every = [
        measured("RLFN", 543.7, 32.238),
        Point("RLFN", 543, 32.24, "published"),
        Point("IDN", 553, 31.82, "published"),
    ]
    named = [mark.name for mark in marks(quality_chart(every, "Set5", PARAMETERS, "Test CPU"), PUBLISHED)]
    assert named == ["", "IDN"]
    apart = quality_chart([measured("IDN", 553, 31.7), *every], "Set5", PARAMETERS, "Test CPU")
    assert [mark.name for mark in marks(apart, PUBLISHED)] == ["", "IDN (paper)"]


def test_what_would_flatten_the_chart_is_told_in_words() -> None:
    every = [measured("a", 10, 32.0), measured("b", 20, 32.1), measured("c", 30, 32.2), measured("FSRCNN", 12, 29.0)]
    chart = quality_chart(every, "Set5", PARAMETERS, "Test CPU")
    assert [mark.x for mark in marks(chart, MEASURED)] == [10, 20, 30]
    assert "Below the chart: FSRCNN, 29.00 dB." in chart.caption
    mine = quality_chart([*every, Point("mine", 12, 28.9, "own")], "Set5", PARAMETERS, "Test CPU")
    assert chart.window.bottom > 30 > mine.window.bottom  # a reader's own network is always to be seen


@pytest.mark.parametrize(
    ("point", "says"),
    [
        (
            Point("mine", 50, 33.0, "own"),
            "mine (33.00 dB) is on the front: none of these scores more for as little time.",
        ),
        (
            Point("mine", 50, 31.0, "own"),
            "mine (31.00 dB) is below the front: a scores 1.00 dB more at 20% of its time.",
        ),
        (Point("mine", 50, 31.0, "own", apart=True), "mine (31.00 dB) was not timed together with the front."),
        (Point("mine", 5, 20.0, "own", useless=True), "mine (20.00 dB) is not above bicubic, which costs nothing."),
    ],
)
def test_what_is_said_of_ones_own_network(point: Point, says: str) -> None:
    every = [measured("a", 10, 32.0), point]
    assert conclusion(every, pareto_front(every), TIME) == says


def test_without_a_network_to_look_for_the_front_is_named() -> None:
    every = [measured("a (x)", 10, 30.0), measured("b", 20, 31.0), measured("c", 30, 30.5)]
    assert conclusion(every, pareto_front(every), COSTS[1]) == "The best for their FLOPs: a, b."
    assert len(published_points("Set5")) > 10
