"""The networks as points: what each scores against what it costs, as measured, and as the paper prints it."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from bench.core.record import Record
from bench.report.lookup import DeviceRecords, Found, Query
from bench.report.paper.published import read
from bench.report.paper.table1 import DATASETS

PREFERRED = next(iter(DATASETS))  # as in the paper's Figure 1


class Cost(NamedTuple):
    """What a score is set against: a figure of the records, times `scale` on the axis."""

    key: str
    figure: str
    scale: float
    axis: str
    noun: str


PARAMETERS = Cost("parameters", "complexity.parameters", 1e-3, "Parameters (thousands)", "parameters")
TIME = Cost("time", "runtime.median_ms", 1.0, "Time at 256x256, fp32 (ms)", "time")
COSTS = (
    PARAMETERS,
    Cost("flops", "complexity.flops", 1e-9, "FLOPs, complete, at 256x256 (GFLOP)", "FLOPs"),
    TIME,
    Cost("memory", "memory.peak_allocated", 2**-20, "Peak memory at 256x256 (MiB)", "memory"),
)


@dataclass(frozen=True)
class Point:
    """One network: its cost in the unit of the axis, its PSNR of Y in dB.

    Attributes:
        apart: its time was taken in another run than the front's, and compares with none on it.
        useless: not above bicubic, which costs nothing.
        file: the record of the score; "" for a published one.
    """

    label: str
    cost: float
    psnr_db: float
    source: Literal["measured", "own", "published"]
    apart: bool = False
    useless: bool = False
    model: str = ""
    file: str = ""

    @property
    def here(self) -> bool:
        """Whether it was measured, be it a network of this project or the user's own."""
        return self.source != "published"


def points(device: DeviceRecords, dataset: str, cost: Cost) -> list[Point]:
    """Measured networks, and the paper's where the cost is the size, by growing cost.

    Left out: networks without parameters (bicubic) and variants by option, which would only stretch the axes, and
    infinite PSNR.
    """
    found = [(name, *_figures(device, model, options, dataset, cost)) for model, name, options in device.networks()]
    run, floor = commonest_run(f.record for _, _, f, _ in found if f), bicubic_psnr(device, dataset)
    made = []
    for name, size, price, psnr in found:
        if not price or price.value <= 0 or not psnr or not math.isfinite(psnr.value):
            continue
        if size.value if size else psnr.record.source:  # an own network may be uncountable
            apart, useless = is_apart(price.record, cost.figure, run), psnr.value <= floor
            one = Point(name, price.value * cost.scale, psnr.value, kind(psnr.record), apart, useless)
            made.append(_named(one, psnr))
    if cost is PARAMETERS:
        made += published_points(dataset)
    return sorted(made, key=lambda p: (p.cost, p.psnr_db, p.label, p.source))


def _named(point: Point, psnr: Found) -> Point:
    model = "" if psnr.record.source else psnr.record.model
    return Point(**{**vars(point), "model": model, "file": psnr.file})


def _figures(
    device: DeviceRecords, model: str, options: Mapping[str, Any], dataset: str, cost: Cost
) -> tuple[Found | None, Found | None, Found | None]:
    """Size, cost and score of a network."""
    wanted = ("complexity.parameters", cost.figure, f"quality.{dataset}.psnr_y")
    size, price, psnr = (device.find(Query(model, figure, options)) for figure in wanted)
    return size, price, psnr


def published_points(dataset: str) -> list[Point]:
    """The networks of the paper's Table 1."""
    made = []
    for row in read("table1") if dataset in DATASETS else ():
        parameters_k, psnr_db = row.number("params_k"), row.number(f"{DATASETS[dataset]}_psnr")
        if parameters_k and psnr_db:
            made.append(Point(row.label, parameters_k, psnr_db, "published"))
    return made


def plotted_dataset(device: DeviceRecords) -> str:
    """The data set to plot: the first of Table 1's with a measured point, else any other, else PREFERRED."""
    for dataset in [*DATASETS, *device.scored_sets]:
        if any(p.here for p in points(device, dataset, PARAMETERS)):
            return dataset
    return PREFERRED


def bicubic_psnr(device: DeviceRecords, dataset: str) -> float:
    """Of luma in dB, measured or as the paper prints it; -inf where nobody knows."""
    if found := device.find(Query("bicubic", f"quality.{dataset}.psnr_y")):
        return found.value
    rows = {row.label: row for row in read("table1")} if dataset in DATASETS else {}
    printed = rows["Bicubic"].number(f"{DATASETS[dataset]}_psnr") if "Bicubic" in rows else None
    return -math.inf if printed is None else printed


def kind(record: Record) -> Literal["measured", "own"]:
    """How a record's point is marked."""
    return "own" if record.source else "measured"


def commonest_run(records: Iterable[Record]) -> str:
    """The run in which most of these were timed, the latest of several; "" where none says."""
    runs = Counter(r.runtime.run for r in records if r.runtime and r.runtime.run)
    return max(runs, key=lambda run: (runs[run], run), default="")


def is_apart(record: Record, figure: str, run: str) -> bool:
    """Whether the figure is a time that was not taken in `run`."""
    return figure.startswith("runtime.") and not (run and record.runtime and record.runtime.run == run)


def pareto_front(found: Sequence[Point]) -> list[Point]:
    """The points that no other matches at a lower cost, by growing cost: each is better than all before it.

    None is a network that is not above bicubic, or whose time compares with no other.
    """
    front: list[Point] = []
    for point in sorted((p for p in found if not (p.apart or p.useless)), key=lambda p: (p.cost, -p.psnr_db)):
        if not front or point.psnr_db > front[-1].psnr_db:
            front.append(point)
    return front
