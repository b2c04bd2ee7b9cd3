"""What the figure shows, and that its bytes depend on nothing else."""

from itertools import combinations

import pytest

from bench.report.lookup import DeviceRecords
from bench.report.plots import Point, close_up, compose, draw, pareto_front, plotted_dataset, quality_points
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, quality, record


def measured(label: str, parameters_k: float, psnr_db: float) -> Point:
    return Point(label, parameters_k, psnr_db, "measured")


def test_points_are_measured_and_published(full_device: DeviceRecords) -> None:
    points = quality_points(full_device, "Set5")
    assert Point("DVMSR", 424.428, 32.2129, "measured") in [
        Point(p.label, p.cost, round(p.psnr_db, 6), p.source) for p in points
    ]
    assert Point("DVMSR", 424, 32.19, "published") in points
    assert "Bicubic" not in {p.label for p in points}  # no parameters
    assert all(p.psnr_db > 30 for p in points)  # not the variant with the skip


def test_pareto_front_by_hand() -> None:
    a, b, c, d = measured("a", 10, 30), measured("b", 20, 29), measured("c", 30, 31), measured("d", 30, 30.5)
    assert pareto_front([d, c, b, a]) == [a, c]
    assert pareto_front([]) == []


def test_without_set5_the_best_other_set_is_named_and_published_points_left_out(make_device: MakeDevice) -> None:
    scored = record("dvmsr", complexity=complexity(424_428), quality=[quality("photos", 27.0)])
    device = make_device([scored, record("bicubic", quality=[quality("Set5", 28.4)])])
    assert plotted_dataset(device) == "photos"
    assert {p.source for p in quality_points(device, "photos")} == {"measured"}


def test_published_points_alone_where_only_bicubic_was_scored(make_device: MakeDevice) -> None:
    device = make_device([record("bicubic", complexity=complexity(0), quality=[quality("Set5", 28.4)])])
    assert plotted_dataset(device) == "Set5"
    assert {p.source for p in quality_points(device, "Set5")} == {"published"}


def test_a_close_up_only_where_measured_points_are_crowded(full_device: DeviceRecords) -> None:
    assert close_up(quality_points(full_device, "Set5")) is not None
    assert close_up([measured("a", 10, 30), measured("b", 20, 31)]) is None
    assert close_up([Point("a", 10, 30, "published")]) is None


@pytest.mark.parametrize(
    "points",
    [
        [measured("alone", 424, 32.2)],
        [measured("one", 424, 32.19), measured("on top", 424, 32.19), measured("near", 424.5, 32.191)],
    ],
    ids=["one", "on top of each other"],
)
def test_few_points_can_be_drawn(points: list[Point]) -> None:
    drawn = draw(points, "photos", "Test CPU")
    assert drawn["png"].startswith(b"\x89PNG")
    assert b"<svg" in drawn["svg"]


def test_labels_do_not_overlap(full_device: DeviceRecords) -> None:
    near = [measured("one network", 424, 32.19), measured("another one", 424.2, 32.191), measured("far", 900, 32.4)]
    for points in (quality_points(full_device, "Set5"), near):
        figure = compose(points, "Set5", "Test CPU")
        figure.canvas.draw()
        for axes in figure.axes:
            boxes = [text.get_window_extent() for text in axes.texts if text.get_text()]
            assert boxes
            assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_names_of_a_crowd_lie_on_nothing() -> None:
    crowd = [("BSRN", 352, 32.349), ("PFVM (NTIRE 2025)", 428, 32.201), ("DVMSR", 424, 32.213), ("RLFN", 544, 32.238),
             ("DVMSR (NTIRE 2024)", 424, 32.181), ("RLFN-S", 470, 32.239), ("RFDN (AIM 2020)", 433, 32.159),
             ("EFDN (NTIRE 2025 baseline)", 276, 32.076), ("RLFN (NTIRE baseline)", 317, 32.097), ("IMDN", 715, 32.21),
             ("DIPNet (NTIRE 2023)", 243, 31.805), ("SPAN (NTIRE 2024 winner)", 151, 31.739), ("IDN", 553, 31.721),
             ("CARN-M", 415, 31.883), ("FSRCNN", 12, 30.522), ("SRMDNF", 1552, 31.924)]  # fmt: skip
    points = [*(measured(*network) for network in crowd), Point("RLFN", 543, 32.24, "published")]
    figure = compose(points, "Set5", "Test CPU")
    axes = figure.axes[0]
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert {"PFVM", "EFDN", "SPAN", "RFDN", "DVMSR (NTIRE 2024)"} < boxes.keys()
    assert "RLFN (paper)" not in boxes  # it lies under the measured one
    assert not any(a.overlaps(b) for a, b in combinations(boxes.values(), 2))
    for point in points:
        x, y = axes.transData.transform((point.cost, point.psnr_db))
        assert not any(box.contains(x, y) for box in boxes.values())


def test_bytes_repeat_and_carry_no_date(full_device: DeviceRecords) -> None:
    points = quality_points(full_device, "Set5")
    first, second = draw(points, "Set5", "Test CPU"), draw(points, "Set5", "Test CPU")
    assert first == second
    assert b"<dc:date>" not in first["svg"]
    assert b"Software" not in first["png"]
