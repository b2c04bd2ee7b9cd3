"""The interactive charts: PSNR against parameters, FLOPs, time and memory, as Vega-Lite specifications.

Colours are the style sheet's, so that one drawing serves light, dark and paper.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.core.wording import number
from bench.report.cost_plots import COSTS
from bench.report.lookup import DeviceRecords, Found, Query
from bench.report.plots import (
    PREFERRED,
    Point,
    bicubic_psnr,
    commonest_run,
    is_apart,
    kind,
    pareto_front,
    quality_points,
)
from bench.report.table1 import DATASETS
from bench.report.web.images import datasets

VEGA_LITE = "6.4"
SIZES = (("complexity.parameters", 1e-3, "Parameters (thousands)"), *COSTS)
TITLES = ("parameters", "FLOPs", "time", "memory")
SOURCES = {
    "measured": "measured here",
    "own": "your own, measured here",
    "published": "published in the paper's Table 1",
}
NOT_TOGETHER = ", not timed together with the front"
NOT_ABOVE = ", not above bicubic"
HEIGHT = 340  # pixels
LOOKED_FOR = ("dvmsr", "span")  # the subject, and what everybody is compared with
NAME_HEIGHT = 0.06  # of the range of PSNR: names that are closer would lie on each other


@dataclass(frozen=True)
class Chart:
    """One chart: `spec` draws it, `fronts` says in words what it shows, by data set."""

    key: str
    title: str
    spec: Mapping[str, Any]
    fronts: Mapping[str, str]


def charts(device: DeviceRecords, anchors: Mapping[str, str]) -> list[Chart]:
    """A chart for every cost that was measured. `anchors`: record's file -> its place in the page."""
    scores = {d: _found(device, f"quality.{d}.psnr_y") for d in datasets(device)}
    sizes = _found(device, "complexity.parameters")
    first = {name for model, name, _ in device.networks() if model in LOOKED_FOR}
    made = []
    for (figure, scale, axis), title in zip(SIZES, TITLES, strict=True):
        costs = _found(device, figure)
        run = commonest_run(cost.record for cost in costs.values())
        rows: list[dict[str, Any]] = []
        for dataset, scored in scores.items():
            points, floor = {}, bicubic_psnr(device, dataset)
            for name in scored.keys() & costs.keys():
                cost, psnr, size = costs[name], scored[name], sizes.get(name)
                # Bicubic has no parameters: left out, as in the paper's figure. An own network may be uncountable.
                sized = size.value if size else psnr.record.source
                if sized and cost.value > 0 and math.isfinite(psnr.value):
                    apart = is_apart(cost.record, figure, run)
                    useless = psnr.value <= floor
                    point = Point(name[1], cost.value * scale, psnr.value, kind(psnr.record), apart, useless)
                    points[point] = anchors.get(psnr.file, "")
            if figure == "complexity.parameters" and points and dataset in DATASETS:
                points |= {p: "" for p in quality_points(device, dataset) if not p.here}
            rows += _rows(points, dataset, axis, first) if points else []
        if rows:
            key = figure.replace(".", "-")
            made.append(Chart(key, f"PSNR against {title}", _spec(rows, axis), _fronts(rows)))
    return made


def _found(device: DeviceRecords, figure: str) -> dict[tuple[str, str], Found]:
    """Model and name of each network that has the figure -> its record."""
    found = {(model, name): device.find(Query(model, figure, options)) for model, name, options in device.networks()}
    return {network: f for network, f in found.items() if f}


def _rows(points: Mapping[Point, str], dataset: str, axis: str, first: Collection[str]) -> list[dict[str, Any]]:
    """The chart's data: a row a point, in an order that depends on nothing else. `first`: always named, with room."""
    front = pareto_front(list(points))
    named = _named(points, front, first)
    rows = []
    for point in sorted(points, key=lambda p: (p.cost, p.psnr_db, p.label, p.source)):
        cost = f"{point.cost:,.0f}" if point.cost >= 100 else f"{point.cost:.3g}"
        where = SOURCES[point.source] + NOT_TOGETHER * point.apart + NOT_ABOVE * point.useless
        rows.append(
            {
                "dataset": dataset,
                "network": point.label,
                "cost": round(point.cost, 6),
                "psnr": round(point.psnr_db, 4),
                "source": point.source,
                "front": point in front,
                "named": point in named,
                "record": points[point],
                "text": f"{point.label}, {where}: {number(point.psnr_db, 3)} dB, {axis}: {cost}",
                "hover": {
                    "Network": point.label,
                    axis: cost,
                    f"PSNR of Y on {dataset} (dB)": number(point.psnr_db, 3),
                    "Source": where,
                    "On the Pareto front": "yes" if point in front else "no",
                },
            }
        )
    return rows


def _named(points: Collection[Point], front: Sequence[Point], first: Collection[str]) -> set[Point]:
    """Those whose names have room: the networks that readers look for, then the front from the best downwards."""
    scores = [point.psnr_db for point in points]
    room = NAME_HEIGHT * (max(scores) - min(scores))
    named: list[Point] = []
    looked_for = sorted((p for p in points if p.here and p.label in first), key=lambda p: -p.psnr_db)
    for point in [*looked_for, *(p for p in reversed(front) if p.here)]:
        if all(abs(point.psnr_db - other.psnr_db) > room for other in named):
            named.append(point)
    return set(named)


def _fronts(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """The Pareto front in words, by data set."""
    fronts = {}
    for dataset in dict.fromkeys(row["dataset"] for row in rows):
        on_it = [row["text"] for row in rows if row["dataset"] == dataset and row["front"]]
        fronts[dataset] = "Pareto front, from the cheapest to the best. " + "; ".join(on_it) + "."
    return fronts


def first_set(found: Iterable[str]) -> str:
    """The data set that a reader sees first."""
    names = list(found)
    return PREFERRED if PREFERRED in names else names[0]


def _spec(rows: Sequence[Mapping[str, Any]], axis: str) -> dict[str, Any]:
    """The Vega-Lite specification; the page sets the parameters `dataset` and `find`."""
    sought = "find === '' || test(regexp(find, 'i'), datum.network)"  # the page makes a pattern of what is typed
    leftmost = "scale('x', datum.cost) < 14 + 5.2 * length(datum.network)"  # a name to the left would cross the axis
    x = {"field": "cost", "type": "quantitative", "scale": {"type": "log", "padding": 24, "nice": False}}
    y = {"field": "psnr", "type": "quantitative", "scale": {"zero": False, "padding": 24, "nice": False}}
    point = {
        "encoding": {
            "opacity": {"condition": {"test": sought, "value": 1}, "value": 0.12},
            "description": {"field": "text"},
        }
    }
    layers: list[dict[str, Any]] = [
        {
            "name": "front",
            "transform": [{"filter": "datum.front"}],
            "mark": {"type": "line", "interpolate": "step-after", "strokeDash": [5, 4], "aria": False},
            "encoding": {"order": {"field": "cost"}},
        },
        {
            "name": "published",
            "transform": [{"filter": "datum.source === 'published'"}],
            "mark": {"type": "point", "shape": "circle", "size": 80, "strokeWidth": 1.8, "filled": False},
            **point,
        },
        {
            "name": "measured",
            "transform": [{"filter": "datum.source === 'measured'"}],
            "mark": {"type": "point", "shape": "diamond", "size": 170, "filled": True, "cursor": "pointer"},
            **point,
        },
        {
            "name": "own",
            "transform": [{"filter": "datum.source === 'own'"}],
            "mark": {"type": "point", "shape": "triangle-up", "size": 130, "filled": True, "cursor": "pointer"},
            **point,
        },
        {
            "name": "names",
            "transform": [{"filter": f"datum.source !== 'published' && (find === '' ? datum.named : {sought})"}],
            "mark": {
                "type": "text",
                "align": {"expr": f"{leftmost} ? 'left' : 'right'"},
                "dx": {"expr": f"{leftmost} ? 8 : -8"},
                "dy": -9,
                "fontSize": 11,
                "aria": False,
            },
            "encoding": {"text": {"field": "network"}},
        },
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": "container",
        "height": HEIGHT,
        "autosize": {"type": "fit", "contains": "padding"},
        "background": "transparent",
        "data": {"values": list(rows)},
        "params": [
            {"name": "dataset", "value": first_set(row["dataset"] for row in rows)},
            {"name": "find", "value": ""},
        ],
        "transform": [{"filter": "datum.dataset === dataset"}],
        "encoding": {
            "x": {**x, "axis": {"title": axis, "labelOverlap": True, "labelBound": True, "format": ",", "grid": False}},
            "y": {**y, "axis": {"title": "PSNR of Y (dB)", "tickCount": 6}},
        },
        "layer": layers,
    }
