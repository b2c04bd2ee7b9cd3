"""The figure of one place: the networks' crops and the ground truth in rows, magnified without smoothing.

PNG whose bytes depend on the records alone.
"""

import io
import textwrap
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bench.report.plots import DPI, STYLE
from bench.studies.attribution.attribution_record import image_of

PANEL, TITLE = 2.0, 0.55  # inches: a side, and the height of a title
COLUMNS = 6  # at most
LABEL_WIDTH = 26  # characters of a network's name, before it is broken


def draw_crops(pictures: Sequence[str], titles: Sequence[str]) -> bytes:
    """`pictures`: each as base64 of a PNG, all of one size. `titles`: a name and, after a line break, figures."""
    with mpl.rc_context(STYLE):
        rows = -(-len(pictures) // COLUMNS)
        columns = -(-len(pictures) // rows)  # rows of equal length
        figure = Figure(figsize=(PANEL * columns, (PANEL + TITLE) * rows), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for one in axes:
            one.set_axis_off()
        for one, picture, title in zip(figure.axes, pictures, titles, strict=False):
            one.imshow(image_of(picture), interpolation="nearest")
            name, _, figures = title.partition("\n")
            one.set_title("\n".join([*textwrap.wrap(name, LABEL_WIDTH), figures]), fontsize=8)
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()
