"""Figures of attribution: maps of networks beside one image, and their effective receptive fields.

PNG whose bytes depend on the records alone.
"""

import io
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from bench.report.plots import DPI, STYLE
from bench.studies.attribution.attribution_record import FieldRecord, LamRecord
from bench.studies.attribution.map import area_of_contribution, diffusion_index, normalised

MAP_COLOUR, AREA_COLOUR, BOX = (0.84, 0.15, 0.10), (0.00, 0.45, 0.70), "#e8000b"
PANEL = 2.6  # inches a side
LABEL_WIDTH = 26  # characters of a network's name, before it is broken
DECADES = 4  # of a receptive field's colour scale


def draw_lams(records: Sequence[LamRecord], labels: Sequence[str]) -> bytes:
    """The image with its patch, then a column a network: map above, area of contribution below."""
    with mpl.rc_context(STYLE):
        columns = 1 + len(records)
        figure = Figure(figsize=(PANEL * columns, 2 * PANEL + 0.9), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(2, columns, squeeze=False)
        first = records[0]
        lr = first.lr()
        _show(axes[0, 0], lr, f"{first.image}\nLR {lr.shape[1]}x{lr.shape[0]}")
        _mark(axes[0, 0], first)
        _show(axes[1, 0], lr, "around the patch")
        _mark(axes[1, 0], first)
        _zoom(axes[1, 0], first)
        for above, below, record, label in zip(axes[0, 1:], axes[1, 1:], records, labels, strict=True):
            signed = record.signed.array()
            title = f"{_broken(label)}\nDI {diffusion_index(signed):.2f}"
            _show(above, _tinted(lr, np.sqrt(normalised(signed)), MAP_COLOUR), title)
            _show(below, _tinted(lr, area_of_contribution(signed), AREA_COLOUR), "")
            for one in (above, below):
                _mark(one, record)
        return _png(figure)


def _show(axes: Axes, image: NDArray[np.generic], title: str) -> None:
    axes.imshow(image, interpolation="nearest")
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def _mark(axes: Axes, record: LamRecord) -> None:
    """The patch, in LR pixels, whose centres lie at whole numbers."""
    scale, p = record.network.scale, record.patch
    corner = (p.x / scale - 0.5, p.y / scale - 0.5)
    axes.add_patch(Rectangle(corner, p.size / scale, p.size / scale, fill=False, edgecolor=BOX, linewidth=1.2))


def _zoom(axes: Axes, record: LamRecord) -> None:
    """The patch with as much again on each side and at least four LR pixels."""
    scale, p = record.network.scale, record.patch
    reach = max(1.5 * p.size / scale, p.size / 2 / scale + 4)
    x, y = ((start + p.size / 2) / scale - 0.5 for start in (p.x, p.y))
    axes.set_xlim(x - reach, x + reach)
    axes.set_ylim(y + reach, y - reach)


def _tinted(lr: NDArray[np.uint8], strength: NDArray[np.float64], colour: tuple[float, ...]) -> NDArray[np.float64]:
    """The image as pale grey with `colour` laid over it, (h, w, 3) in [0, 1]."""
    pale = 0.45 + 0.55 * lr.mean(2, keepdims=True) / 255
    cover = strength[:, :, None]
    mixed: NDArray[np.float64] = pale * (1 - cover) + np.array(colour) * cover
    return mixed


def draw_fields(records: Sequence[FieldRecord], labels: Sequence[str]) -> bytes:
    """How much of the absolute gradient lies within a distance, all networks; then where it lies, a panel a network."""
    with mpl.rc_context(STYLE):
        width = PANEL * (1.6 + len(records)) + 0.6
        figure = Figure(figsize=(width, PANEL + 1.5), dpi=DPI, layout="constrained")  # room for titles of square panels
        FigureCanvasAgg(figure)
        ratios = [1.6, *[1.0] * len(records)]
        curves, *maps = figure.subplots(1, 1 + len(records), width_ratios=ratios)
        for record, label, axes in zip(records, labels, maps, strict=True):
            share = record.absolute.array().astype(np.float64)
            curves.plot(*cumulated(share), label=label, linewidth=1.4)
            scaled = np.log10(np.maximum(share / share.max(), 10.0**-DECADES))
            axes.imshow(scaled, vmin=-DECADES, vmax=0, cmap="magma", interpolation="nearest")
            axes.set_title(f"{_broken(label)}\n{record.dataset}, {record.size}x{record.size}", fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
        curves.axhline(0.95, color="grey", linestyle="--", linewidth=0.8)
        curves.set_xlabel("distance (LR pixels)")
        curves.set_ylabel("share of the gradient")
        curves.set_ylim(0, 1.02)
        curves.set_xlim(left=0)
        curves.legend(fontsize=7, frameon=False, loc="lower right")
        return _png(figure)


def cumulated(share: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances from the middle pixel of an (s, s) map, ascending, and the share within each."""
    middle = share.shape[0] // 2
    rows, columns = np.indices(share.shape) - middle
    distances, index = np.unique(rows**2 + columns**2, return_inverse=True)
    rings = np.bincount(index.ravel(), weights=share.ravel())
    return np.sqrt(distances), np.cumsum(rings)


def _broken(label: str) -> str:
    """A long name over two lines."""
    if len(label) <= LABEL_WIDTH or " (" not in label:
        return label
    return "\n(".join(label.split(" (", 1))


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
