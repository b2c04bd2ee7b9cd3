"""What the charts show, by hand, and that Vega-Lite accepts their specifications."""

import vl_convert

from bench.core.record import Source, WeightsInfo
from bench.report.lookup import DeviceRecords
from bench.report.web.charts import VEGA_LITE, charts
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, quality, record, runtime


def test_every_cost_has_a_chart_that_compiles(full_device: DeviceRecords) -> None:
    made = charts(full_device, {})
    assert [chart.title for chart in made] == [
        "PSNR against parameters",
        "PSNR against FLOPs",
        "PSNR against time",
        "PSNR against memory",
    ]
    for chart in made:
        assert vl_convert.vegalite_to_vega(dict(chart.spec), vl_version=VEGA_LITE)["marks"]
        assert set(chart.fronts) <= {"Set5", "Set14", "B100"}


def test_points_and_front_by_hand(make_device: MakeDevice) -> None:
    small = record("small", complexity=complexity(1000), runtime=runtime(9.0), quality=[quality("photos", 30.0)])
    large = record("large", complexity=complexity(3000), quality=[quality("photos", 31.0)])
    worse = record("worse", complexity=complexity(5000), quality=[quality("photos", 30.5)])
    none = record("bicubic", complexity=complexity(0), runtime=runtime(1.0), quality=[quality("photos", 29.0)])
    device = make_device([small, large, worse, none])
    sizes, *_, times = charts(device, {m.file: m.record.model for m in device.measured})
    rows = sizes.spec["data"]["values"]
    assert [(r["network"], r["cost"], r["psnr"], r["front"], r["record"]) for r in rows] == [
        ("small", 1.0, 30.0, True, "small"),
        ("large", 3.0, 31.0, True, "large"),
        ("worse", 5.0, 30.5, False, "worse"),
    ]
    assert "small, measured here: 30.000 dB" in sizes.fronts["photos"]
    assert "worse" not in sizes.fronts["photos"]
    assert [r["network"] for r in times.spec["data"]["values"]] == ["small"]


def test_an_own_network_is_marked_as_such_even_where_it_cannot_be_counted(make_device: MakeDevice) -> None:
    own = record(
        "mine-0a", "mine", options={"width": 8}, runtime=runtime(2.0), quality=[quality("photos", 30.0)],
        source=Source("file", "mine.py", "ab" * 32), weights=WeightsInfo("custom", "w.pth", "cd" * 32),
    )  # fmt: skip
    (times,) = charts(make_device([own]), {})
    (row,) = times.spec["data"]["values"]
    assert (row["network"], row["source"], row["cost"]) == ("mine", "own", 2.0)


def test_names_on_the_front_keep_their_distance(make_device: MakeDevice) -> None:
    scores = {"a": 30.0, "b": 31.98, "c": 32.0}
    records = [
        record(name, complexity=complexity(1000 * (1 + i)), quality=[quality("photos", psnr)])
        for i, (name, psnr) in enumerate(scores.items())
    ]
    rows = charts(make_device(records), {})[0].spec["data"]["values"]
    assert [(r["network"], r["named"]) for r in rows] == [("a", True), ("b", False), ("c", True)]
