"""What the page needs to set two or three networks side by side: every figure of each, and how two of them differ."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bench.core.wording import MEBI
from bench.report.headline import HeadlineRow
from bench.report.lookup import DeviceRecords, Query
from bench.report.ranks.scores import YearScores

RATIO, MINUS = "ratio", "minus"  # how two values differ


class Measure(NamedTuple):
    """A row of the comparison: `figure` of the records, times `scale`, to `decimals`."""

    title: str
    figure: str
    how: str
    scale: float = 1.0
    decimals: int = 0


TIME = Measure("Time, median, fp32 (ms)", "runtime.median_ms", RATIO, decimals=1)
COUNTED = (
    Measure("Peak memory (MiB)", "memory.peak_allocated", RATIO, MEBI),
    Measure("Parameters", "complexity.parameters", RATIO),
    Measure("FLOPs as published, a multiply-add is 1 (G)", "complexity.flops_published", RATIO, 1e-9, 2),
    Measure("FLOPs by fvcore, nothing hidden (G)", "complexity.flops_fvcore_unfused", RATIO, 1e-9, 2),
    Measure("FLOPs complete, a multiply-add is 2 (GFLOP)", "complexity.flops", RATIO, 1e-9, 2),
    Measure("Activations as published (M)", "complexity.activations_published", RATIO, 1e-6, 2),
    Measure("Convolutions", "complexity.conv2d", RATIO),
)  # fmt: skip
Line = dict[str, Any]


def side_by_side(device: DeviceRecords, rows: Sequence[HeadlineRow], years: Sequence[YearScores]) -> list[Line]:
    """A line a figure: `title`, `how`, `decimals`, and `values`, by the name of the network; a time has its `runs`."""
    records = {row.name: next(f.record for f in [row.timed, *row.found] if f) for row in rows}

    def values(figure: str, scale: float) -> dict[str, float]:
        found = {
            name: device.find(Query(r.model, figure, r.options if r.source else {})) for name, r in records.items()
        }
        return {name: round(f.value * scale, 6) for name, f in found.items() if f}

    timed = {row.name: row.timed for row in rows if row.timed}
    runs = {name: f.record.runtime.run for name, f in timed.items() if f.record.runtime}
    lines = [_line(TIME, {name: round(f.value, 6) for name, f in timed.items()}, runs=runs)]
    for dataset in device.scored_sets:
        for title, name, decimals in (("PSNR of Y", "psnr_y", 3), ("SSIM of Y", "ssim_y", 4)):
            unit = " (dB)" if name == "psnr_y" else ""
            measure = Measure(f"{title}, {dataset}{unit}", f"quality.{dataset}.{name}", MINUS, decimals=decimals)
            lines.append(_line(measure, values(measure.figure, 1.0)))
    lines += [_line(measure, values(measure.figure, measure.scale)) for measure in COUNTED]
    for year in years:
        scores = {r.name: round(r.score, 6) for r in year.ranked if r.score is not None and not r.reason}
        measure = Measure(f"Score of {year.rule.year}, lower is better", "", MINUS, decimals=2)
        lines.append(_line(measure, scores))
    return [line for line in lines if line["values"]]


def _line(measure: Measure, values: Mapping[str, float], **more: Any) -> Line:
    return {"title": measure.title, "how": measure.how, "decimals": measure.decimals, "values": dict(values), **more}
