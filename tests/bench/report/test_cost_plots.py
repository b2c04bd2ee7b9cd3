"""Quality against cost: which networks are points, and what a folder without scores gives."""

import io

import numpy as np
from PIL import Image

from bench.report.cost_plots import COSTS, cost_points, draw_costs
from bench.report.lookup import DeviceRecords
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import full_set


def test_points_are_the_records_own(full_device: DeviceRecords) -> None:
    figure, scale, _ = COSTS[1]
    points = cost_points(full_device, "Set5", figure, scale)
    assert [p.cost for p in points] == sorted(p.cost for p in points)
    assert "Bicubic" not in {p.label for p in points}
    assert {p.source for p in points} == {"measured"}
    assert len(points) >= 3


def test_the_same_bytes_twice_and_none_without_scores(full_device: DeviceRecords, make_device: MakeDevice) -> None:
    first, second = draw_costs(full_device, "Set5"), draw_costs(full_device, "Set5")
    assert first is not None
    assert first == second
    image = np.asarray(Image.open(io.BytesIO(first)).convert("L"))
    assert image.shape[0] > 2 * image.shape[1] / 2
    assert image.std() > 5
    unscored = [r for r in full_set() if not r.quality]
    assert draw_costs(make_device(unscored), "Set5") is None
