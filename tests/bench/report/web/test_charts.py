"""What a chart names: the networks that readers look for, wherever they lie, then the front as far as there is room."""

from itertools import pairwise

from bench.core.record import Record
from bench.report.web.charts import NAME_HEIGHT, charts
from tests.bench.report.conftest import MakeDevice
from tests.bench.report.records import complexity, quality, record, runtime


def network(model: str, name: str, cost: int, psnr: float) -> Record:
    counts = complexity(cost * 1000, flops=cost * 10**9, macs=10)
    return record(model, name, complexity=counts, runtime=runtime(cost, run="one"), quality=[quality("Set5", psnr)])


def test_the_subject_and_the_baseline_are_named_off_the_front_too(make_device: MakeDevice) -> None:
    device = make_device(
        [
            network("rlfn", "RLFN", 100, 32.2),
            network("dvmsr", "DVMSR", 900, 32.0),  # neither is on any front
            network("span", "SPAN", 800, 31.0),
            network("efdn", "EFDN", 110, 32.21),  # above RLFN by less than a name is high
            network("imdn", "IMDN", 120, 33.0),
        ]
    )
    found = charts(device, {})
    assert [chart.key for chart in found] == ["complexity-parameters", "complexity-flops", "runtime-median_ms"]
    for chart in found:
        rows = [row for row in chart.spec["data"]["values"] if row["source"] == "measured"]
        named = {row["network"]: row["psnr"] for row in rows if row["named"]}
        assert {"DVMSR", "SPAN", "IMDN"} <= set(named)
        assert len({"RLFN", "EFDN"} & set(named)) == 1
        scores = sorted(named.values())
        every = [row["psnr"] for row in chart.spec["data"]["values"]]
        room = NAME_HEIGHT * (max(every) - min(every))
        assert all(high - low > room for low, high in pairwise(scores))
