"""Charts on the page: Vega-Lite specifications, in the very size and places of the printed ones.

Colours are the style sheet's, by the names of the marks, so that one drawing serves light, dark and paper.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bench.report.charts.chart import (
    BOTTOM,
    FONT,
    RIGHT,
    TOP,
    Axis,
    Chart,
    Series,
)

VEGA_LITE = "6.4"
SHAPES = {"star": "M0-1 .22-.31H.95L.36.12.59.81 0 .38-.59.81-.36.12-.95-.31H-.22Z"}  # the others are Vega's own names
SIZES = {"circle": 14, "square": 16, "triangle-up": 18, "triangle-down": 18, "diamond": 20, "cross": 16, "star": 44}
SOUGHT = "find === '' || test(regexp(find, 'i'), datum.name)"  # the page makes a pattern of what is typed


def specification(chart: Chart, anchors: Mapping[str, str]) -> dict[str, Any]:
    """The Vega-Lite specification; the page sets the parameter `find`.

    Args:
        anchors: record's file -> its place in the page, where a click on its point leads.
    """
    w = chart.window
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "width": chart.plot_width,
        "height": chart.plot_height,
        "padding": {"left": chart.left, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        "autosize": "none",
        "background": "transparent",
        "config": {"font": '"DejaVu Sans", system-ui, sans-serif', "view": {"stroke": None}},
        "params": [{"name": "find", "value": ""}],
        "data": {"values": _rows(chart, anchors)},
        "encoding": {
            "x": _channel("x", chart.x, (w.left, w.right), chart.x_ticks),
            "y": _channel("y", chart.y, (w.bottom, w.top), chart.y_ticks),
        },
        "layer": [
            *(_line(series, i) for i, series in enumerate(chart.series) if series.joined),
            *(_spans(series, i) for i, series in enumerate(chart.series) if any(m.span for m in series.marks)),
            _leaders(),
            *(_points(series, i) for i, series in enumerate(chart.series) if series.shape),
            *(_names(role, strong) for role, strong in dict.fromkeys((n.role, n.strong) for n in chart.names)),
        ],
    }


def _rows(chart: Chart, anchors: Mapping[str, str]) -> list[dict[str, Any]]:
    """A row a point, a name, and a line from a name to its point; `in` says which."""
    rows: list[dict[str, Any]] = []
    for i, series in enumerate(chart.series):
        for m in series.marks:
            row: dict[str, Any] = {"in": i, "x": m.x, "y": m.y}
            if series.shape:
                text = f"{series.title}: {m.words}" if series.title else m.words
                hover = {name or "Network": fact for name, fact in m.facts}
                row |= {"name": m.whole, "text": text, "hover": hover, "record": anchors.get(m.record, "")}
            if m.span:
                row |= {"low": m.span[0], "high": m.span[1]}
            rows.append(row)
    for name in chart.names:
        x, y = chart.value(name.middle)
        rows.append({"in": f"{name.role} {name.strong}", "x": x, "y": y, "text": name.text, "name": name.whole})
        if name.line:
            (x, y), (to_x, to_y) = (chart.value(end) for end in name.line)
            rows.append({"in": "leaders", "x": x, "y": y, "to_x": to_x, "to_y": to_y, "name": name.whole})
    return rows


def _channel(
    name: str, axis: Axis, domain: tuple[float, float], ticks: Sequence[tuple[float, str]]
) -> Mapping[str, Any]:
    words = " : ".join(f"abs(datum.value - {v!r}) < {abs(v) * 1e-6 + 1e-12!r} ? '{text}'" for v, text in ticks)
    return {
        "field": name,
        "type": "quantitative",
        "scale": {"domain": list(domain), "nice": False, **({"type": "log"} if axis.log else {"zero": False})},
        "axis": {
            "title": axis.title,
            "values": [value for value, _ in ticks],
            "labelExpr": f"{words} : ''" if words else "''",
            "labelFontSize": FONT,
            "titleFontSize": FONT,
            "titleFontWeight": "normal",
            "titlePadding": 3,
            "labelPadding": 2,
            "tickSize": 2.5,
            "tickWidth": 0.5,
            "domainWidth": 0.6,
            "labelOverlap": False,
            "grid": name == "y",
            "gridWidth": 0.5,
        },
    }


def _of(which: object) -> list[dict[str, Any]]:
    return [{"filter": {"field": "in", "equal": which}}]


def _line(series: Series, i: int) -> dict[str, Any]:
    mark: dict[str, Any] = {"type": "line", "strokeWidth": 0.9, "aria": False}
    mark |= {"strokeDash": [3, 2]} if series.line != "solid" else {}
    mark |= {"interpolate": "step-after"} if series.line == "steps" else {}
    return {"name": f"{series.role}_line_{i}", "transform": _of(i), "mark": mark, "encoding": {"order": {"field": "x"}}}


def _points(series: Series, i: int) -> dict[str, Any]:
    mark: dict[str, Any] = {
        "type": "point",
        "shape": SHAPES.get(series.shape, series.shape),
        "size": SIZES[series.shape],
        "filled": series.filled,
        "strokeWidth": 0.5 if series.filled else 0.9,
        "tooltip": {"content": "data"},
    }
    if any(m.record for m in series.marks):
        mark["cursor"] = "pointer"
    opacity = {"condition": {"test": SOUGHT, "value": 1}, "value": 0.12}
    encoding = {"opacity": opacity, "description": {"field": "text"}, "tooltip": {"field": "hover"}}
    return {"name": f"{series.role}_points_{i}", "transform": _of(i), "mark": mark, "encoding": encoding}


def _spans(series: Series, i: int) -> dict[str, Any]:
    return {
        "name": f"{series.role}_spans_{i}",
        "transform": _of(i),
        "mark": {"type": "rule", "strokeWidth": 2.2, "opacity": 0.4, "aria": False},
        "encoding": {"x": {"field": "low"}, "x2": {"field": "high"}},
    }


def _leaders() -> dict[str, Any]:
    return {
        "name": "leaders",
        "transform": [*_of("leaders"), {"filter": SOUGHT}],
        "mark": {"type": "rule", "strokeWidth": 0.5, "aria": False},
        "encoding": {"x2": {"field": "to_x"}, "y2": {"field": "to_y"}},
    }


def _names(role: str, strong: bool) -> dict[str, Any]:
    mark = {
        "type": "text",
        "fontSize": FONT,
        "fontWeight": "bold" if strong else "normal",
        "baseline": "middle",
        "aria": False,
    }
    return {
        "name": f"{role}_names_{strong}".lower(),
        "transform": [*_of(f"{role} {strong}"), {"filter": SOUGHT}],
        "mark": mark,
        "encoding": {"text": {"field": "text"}},
    }
