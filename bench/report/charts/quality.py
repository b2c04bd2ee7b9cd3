"""PSNR against parameters, FLOPs, time and memory, a chart each: after the paper's Figure 1."""

from collections import Counter
from collections.abc import Collection, Sequence

from bench.core.wording import number
from bench.report.charts.chart import GUIDE, MEASURED, OWN, PUBLISHED, SUBJECT, Axis, Chart, Mark, Series
from bench.report.charts.points import COSTS, PARAMETERS, PREFERRED, Cost, Point, pareto_front, points
from bench.report.lookup import DeviceRecords
from bench.score import BASELINES

STUDIED = "dvmsr"  # the network that the paper is about
SOURCES = {
    "measured": "measured here",
    "own": "your own, measured here",
    "published": "published in the paper's Table 1",
}
NOT_TOGETHER = ", not timed together with the front"
NOT_ABOVE = ", not above bicubic"
FIRST, LOOKED_FOR, ON_FRONT, ANY, PRINTED = range(5)  # ranks of names
NEAR_COST, NEAR_DB = 0.02, 0.04  # share, and dB: a published point so near to its measured one needs no name
FLOOR = 1.0  # dB below the median of all points, as far down as a chart reaches


def quality_charts(device: DeviceRecords, dataset: str) -> dict[str, Chart]:
    """Key of each cost that was measured of a scored network -> its chart; published sizes alone where none was."""
    made = {}
    for cost in COSTS:
        found = points(device, dataset, cost)
        if any(p.here for p in found) or (cost is PARAMETERS and dataset == PREFERRED and found):
            made[cost.key] = quality_chart(found, dataset, cost, device.label)
    return made


def quality_chart(every: Sequence[Point], dataset: str, cost: Cost, device: str) -> Chart:
    """The chart of `every` point, of which there is one at least."""
    found, below = _seen(every)
    front = pareto_front(found)
    names = _short_names([p.label for p in found])
    measured = {p.label: p for p in found if p.here}

    def mark(point: Point) -> Mark:
        twin = measured.get(point.label) if point.source == "published" else None
        name = "" if twin and _near(point, twin) else names[point.label] + " (paper)" * bool(twin)
        facts = _facts(point, dataset, cost, front)
        return Mark(point.cost, point.psnr_db, name, _rank(point, front), facts, point.file)

    def series(role: str, title: str, shape: str, chosen: Sequence[Point], filled: bool = True) -> Series:
        return Series(role, title, tuple(map(mark, chosen)), shape, filled)

    here = [p for p in found if p.source == "measured"]
    steps = Series(GUIDE, "Pareto front", tuple(Mark(p.cost, p.psnr_db) for p in front), shape="", line="steps")
    made = [
        steps,
        series(PUBLISHED, "published", "circle", [p for p in found if p.source == "published"], False),
        series(MEASURED, "measured", "diamond", [p for p in here if p.model != STUDIED]),
        series(OWN, "your own", "triangle-up", [p for p in found if p.source == "own"]),
        series(SUBJECT, "DVMSR", "star", [p for p in here if p.model == STUDIED]),
    ]
    key = "figure1" if cost is PARAMETERS else f"figure1_{cost.key}"
    return Chart(
        key if dataset == PREFERRED else f"{key}_{dataset.lower()}",
        f"PSNR on {dataset} against {cost.noun}",
        Axis(cost.axis, log=True),
        Axis(f"PSNR of Y on {dataset}, x4 (dB)"),
        tuple(one for one in made if one.marks),
        _caption(found, below, dataset, cost, device),
        conclusion(found, front, cost),
    )


def _seen(every: Sequence[Point]) -> tuple[list[Point], list[Point]]:
    """The points of the chart, and those so far below that they would flatten all that matters."""
    scores = sorted(p.psnr_db for p in every)
    low = scores[len(scores) // 2] - FLOOR
    low = min([low, *(p.psnr_db for p in every if _rank(p, ()) <= LOOKED_FOR)])
    return [p for p in every if p.psnr_db >= low], [p for p in every if p.psnr_db < low]


def _rank(point: Point, front: Sequence[Point]) -> int:
    if point.here and (point.model == STUDIED or point.source == "own"):
        return FIRST
    if point.here and point.model in BASELINES.values():
        return LOOKED_FOR
    if point in front:
        return ON_FRONT
    return ANY if point.here else PRINTED


def _near(a: Point, b: Point) -> bool:
    return abs(a.cost / b.cost - 1) < NEAR_COST and abs(a.psnr_db - b.psnr_db) < NEAR_DB


def _facts(point: Point, dataset: str, cost: Cost, front: Sequence[Point]) -> tuple[tuple[str, str], ...]:
    return (
        ("", point.label),
        (cost.axis, _amount(point.cost)),
        (f"PSNR of Y on {dataset} (dB)", number(point.psnr_db, 3)),
        ("Source", SOURCES[point.source] + NOT_TOGETHER * point.apart + NOT_ABOVE * point.useless),
        ("On the Pareto front", "yes" if point in front else "no"),
    )


def _amount(value: float) -> str:
    return number(value, 0 if value >= 100 else 1 if value >= 10 else 2)


def _caption(found: Sequence[Point], below: Sequence[Point], dataset: str, cost: Cost, device: str) -> str:
    what = f"PSNR of the luma channel on {dataset} (x4, border of 4 pixels cut off) against {cost.noun}"
    apart = " Times outside the front's run compare with none on it." if any(p.apart for p in found) else ""
    if not any(p.here for p in found):
        return f"{what}, as published in the paper's Table 1; none was measured on {device}."
    after = "After the paper's Figure 1: " if cost is PARAMETERS else ""
    lower = "; ".join(f"{p.label}, {number(p.psnr_db, 2)} dB" for p in below if p.here)
    under = f" Below the chart: {lower}." if lower else ""
    left_out = "Networks without parameters and variants by option are left out."
    return f"{after}{what}, measured on {device}. {left_out}{under}{apart}"


def conclusion(found: Sequence[Point], front: Sequence[Point], cost: Cost) -> str:
    """Where the network that a reader looks for lies; of a report without it, what the front is made of."""
    asked = [p for p in found if p.source == "own"] or [p for p in found if p.here and p.model == STUDIED]
    names = _short_names([p.label for p in found])
    if not front:
        return "None of these networks can be compared."
    if not asked or not front:
        return f"The best for their {cost.noun}: {', '.join(names[p.label] for p in front)}."
    sentences = []
    for one in asked[:3]:
        who = f"{names[one.label]} ({number(one.psnr_db, 2)} dB)"
        better = [p for p in front if p.cost <= one.cost and p.psnr_db >= one.psnr_db and p != one]
        if one.apart:
            sentences.append(f"{who} was not timed together with the front.")
        elif one in front:
            sentences.append(f"{who} is on the front: none of these scores more for as little {cost.noun}.")
        elif better:
            best = max(better, key=lambda p: p.psnr_db)
            gain = f"{best.psnr_db - one.psnr_db:.2f} dB more at {best.cost / one.cost:.0%} of its {cost.noun}"
            sentences.append(f"{who} is below the front: {names[best.label]} scores {gain}.")
        else:
            sentences.append(f"{who} is not above bicubic, which costs nothing.")
    return " ".join(sentences)


def _short_names(labels: Collection[str]) -> dict[str, str]:
    """Each label without what is in its brackets, where no other is the same without its own."""
    count = Counter(label.split(" (")[0] for label in set(labels))
    return {label: short if count[short := label.split(" (")[0]] == 1 else label for label in labels}
