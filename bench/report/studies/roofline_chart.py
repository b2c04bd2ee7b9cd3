"""The roofline itself: operations a second against operations a byte, under the two rates of each process."""

from collections.abc import Sequence
from statistics import median

from bench.core.wording import number, threads_text
from bench.report.charts.chart import CATEGORIES, Axis, Chart, Mark, Series
from bench.studies.roofline.costs import Cost, cost, costs_by_kind
from bench.studies.roofline.roofline_record import RooflineRecord

LABELLED = 0.1  # of a network's time; smaller kinds of layer are drawn without a name
SIDES = 2.5  # of the intensities drawn, beyond the points at either end


def roofline_chart(records: Sequence[RooflineRecord], names: Sequence[str]) -> Chart | None:
    """A star a network, a circle a layer type of it, its roof in the same colour; None where nothing computes."""
    drawn = list(zip(CATEGORIES, records, names, strict=False))
    points = [(role, r, name, *_points(r, name)) for role, r, name in drawn]
    x = [m.x for *_, kinds, whole in points for m in (*kinds, *whole)]
    if not x:
        return None
    low, high = min(x) / SIDES, max(x) * SIDES
    series = [Series(role, "", _roof(r, low, high), shape="", line="solid") for role, r, *_ in points]
    series += [Series(role, "", kinds, "circle") for role, _, _, kinds, _ in points if kinds]
    series += [Series(role, name, whole, "star") for role, _, name, _, whole in points if whole]
    s = records[0].settings
    left_out = f" Only the first {len(drawn)} networks are drawn." if len(drawn) < len(records) else ""
    return Chart(
        "roofline",
        "Roofline",
        Axis("FLOP per byte moved", log=True),
        Axis("GFLOP/s", log=True),
        tuple(series),
        "Star: a whole pass; circle: one layer type of it, named from a tenth of the time on. Lines: the roof of each "
        f"network's own process, its copy rate (slope) and its matrix product (level).{left_out} Measured on "
        f"{s.device_name}{threads_text(s.threads, ', ')}, {s.height}x{s.width}, {s.precision}.",
        _conclusion(records, names),
    )


def _points(record: RooflineRecord, name: str) -> tuple[tuple[Mark, ...], tuple[Mark, ...]]:
    """Layer types, and the whole; what only moves data is no point."""
    total = cost(record.layers, record.rates)
    kinds = []
    for kind, one in costs_by_kind(record).items():
        if one.flops and one.ms and one.bytes:
            share = one.ms / total.ms
            named = kind if share >= LABELLED else ""
            kinds.append(_mark(f"{kind} of {name}", one, one.ms, named, f"{share:.0%} of its layers' time"))
    ms = median(record.passes_ms)
    whole = (_mark(name, total, ms, "", "the whole pass"),) if total.flops and total.bytes and ms else ()
    return tuple(kinds), whole


def _mark(title: str, one: Cost, ms: float, name: str, what: str) -> Mark:
    x, y = one.flops / one.bytes, one.flops / ms / 1e6
    facts = (("", title), ("What", what), ("FLOP/byte", number(x, 1)), ("GFLOP/s", number(y, 1)))
    return Mark(x, y, name, facts=facts)


def _roof(record: RooflineRecord, low: float, high: float) -> tuple[Mark, ...]:
    flops, moved = record.rates.flops_per_s, record.rates.bytes_per_s
    ridge = flops / moved
    corners = sorted({low, *([ridge] if low < ridge < high else []), high})
    return tuple(Mark(x, min(x * moved, flops) / 1e9) for x in corners)


def _conclusion(records: Sequence[RooflineRecord], names: Sequence[str]) -> str:
    found = []
    for name, record in zip(names, records, strict=True):
        total = cost(record.layers, record.rates)
        if total.floor_ms:
            found.append(
                f"{name} takes {median(record.passes_ms) / total.floor_ms:.1f} times its floor, bound by {total.bound}"
            )
    return f"{'; '.join(found)}." if found else "No network does arithmetic here."
