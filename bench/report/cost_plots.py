"""Quality against its cost on this device: PSNR against FLOPs, time and memory, a panel each, measured points only."""

import io
import math

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.report.headline import APART
from bench.report.lookup import DeviceRecords, Query
from bench.report.plots import (
    DPI,
    FRONT,
    STYLE,
    Point,
    bicubic_psnr,
    commonest_run,
    draw_points,
    is_apart,
    kind,
    label_points,
    pareto_front,
)

PLOT = "figure1_costs.png"
COSTS = (  # figure of the records, factor, axis
    ("complexity.flops", 1e-9, "FLOPs, complete, at 256x256 (GFLOP)"),
    ("runtime.median_ms", 1.0, "Time at 256x256, fp32 (ms)"),
    ("memory.peak_allocated", 2**-20, "Peak memory at 256x256 (MiB)"),
)
NOT_TOGETHER = "\n† not timed together with the others, and no part of the front"
WIDTH, HEIGHT = 9.5, 5.2  # inches, of one panel


def cost_points(device: DeviceRecords, dataset: str, figure: str, scale: float) -> list[Point]:
    """Networks with both figures, by growing cost; variants by option and those without parameters are left out."""
    points = []
    networks = device.networks()
    found = [device.find(Query(model, figure, options)) for model, _, options in networks]
    run, floor = commonest_run(f.record for f in found if f), bicubic_psnr(device, dataset)
    for model, label, options in networks:
        parameters = device.find(Query(model, "complexity.parameters", options))
        cost = device.find(Query(model, figure, options))
        psnr = device.find(Query(model, f"quality.{dataset}.psnr_y", options))
        if not cost or cost.value <= 0 or not psnr or not math.isfinite(psnr.value):
            continue
        if parameters.value if parameters else psnr.record.source:  # an own network may be uncountable
            apart = is_apart(cost.record, figure, run)
            name = label + APART * apart
            points.append(Point(name, cost.value * scale, psnr.value, kind(psnr.record), apart, psnr.value <= floor))
    return sorted(points, key=lambda p: (p.cost, p.psnr_db, p.label))


def draw_costs(device: DeviceRecords, dataset: str) -> bytes | None:
    """The figure as PNG; None where no network has a score and a cost."""
    panels = [(axis, cost_points(device, dataset, figure, scale)) for figure, scale, axis in COSTS]
    panels = [(axis, points) for axis, points in panels if points]
    if not panels:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, HEIGHT * len(panels)), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        all_axes = list(figure.subplots(len(panels), squeeze=False)[:, 0])
        for axes, (axis, points) in zip(all_axes, panels, strict=True):
            front = pareto_front(points)
            axes.step([p.cost for p in front], [p.psnr_db for p in front], where="post", color=FRONT, linestyle="--",
                      linewidth=1.2, zorder=1, label="Pareto front")  # fmt: skip
            draw_points(axes, points)
            axes.set_xscale("log")
            axes.margins(0.15)
            axes.set_xlabel(axis + NOT_TOGETHER * any(p.apart for p in points))
            axes.set_ylabel(f"PSNR of Y on {dataset}, x4 (dB)")
            axes.grid(visible=True, color="#e4e4e4", linewidth=0.7)
            axes.set_axisbelow(True)
        all_axes[0].set_title(f"Quality against cost on {dataset}\nmeasured on {device.label}", loc="left", fontsize=12)
        all_axes[0].legend(frameon=False, loc="lower right")
        figure.canvas.draw()  # settles the layout, which the labels are placed in
        figure.set_layout_engine("none")
        for axes, (_, points) in zip(all_axes, panels, strict=True):
            label_points(axes, points, {m.record.display_name for m in device.measured})
        png = io.BytesIO()
        figure.savefig(png, format="png", metadata={"Software": None})
    return png.getvalue()
