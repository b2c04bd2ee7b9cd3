"""Worst and best images, by hand."""

from bench.core.record import ImageQuality, Quality
from bench.core.table import Cell
from bench.report.web.images import every_image, extremes, scored
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import record


def images(**psnr_y: float | None) -> list[Quality]:
    return [
        Quality("photos", [ImageQuality(n, 8, 9, 30.0, v, 0.9, 30.0, 30.0, 1.0) for n, v in psnr_y.items()], "files")
    ]


def test_worst_best_and_distance_from_the_median(make_device: MakeDevice) -> None:
    device = make_device(
        [
            record("a", quality=images(cat=30.0, dog=20.0)),
            record("b", quality=images(cat=31.0, dog=20.5)),
            record("c", quality=images(cat=30.5, dog=21.5)),
        ]
    )
    networks = scored(device, "photos")
    first, *_ = extremes(networks, "photos").rows
    assert first[0] == Cell("a", "a", networks[0].file)
    assert [cell.text for cell in first[1:]] == ["20.00, dog", "30.00, cat", "-0.50, cat", "-0.50, cat", "25.000"]
    hardest, easiest = every_image(networks, "photos").rows
    assert [cell.text for cell in hardest] == ["dog", "c", "20.67", "20.00", "20.50", "21.50"]
    assert [cell.text for cell in easiest][:2] == ["cat", "b"]


def test_an_identical_image_is_infinite(make_device: MakeDevice) -> None:
    device = make_device([record("a", quality=images(cat=None)), record("b", quality=images(cat=None, dog=9.0))])
    networks = scored(device, "photos")
    assert [cell.text for cell in extremes(networks, "photos").rows[0][1:]] == ["∞, cat", "∞, cat", "—", "—", "∞"]
    assert [cell.text for cell in every_image(networks, "photos").rows[0]][3:] == ["—", "9.00"]
