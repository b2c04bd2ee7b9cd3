"""Pictures beside each other: a description, from which the page shows them one by one and paper gets one figure."""

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from bench.report.charts.chart import FONT
from bench.report.charts.printed import STYLE, saved

Pixels = NDArray[np.uint8]
WIDE = 7.0  # inches, of a figure over both columns
MOST_COLUMNS = 6
TITLE, LINE = 0.06, 0.125  # inches above a picture: free, and each line of its title
SCALE = 0.42  # inches below, for the scale of colours
CHARACTERS = 15.0  # of a title, an inch
STEPS = 128  # of a scale of colours


@dataclass(frozen=True)
class Picture:
    """One picture and what stands above it: its name, and figures."""

    name: str
    pixels: Pixels
    figures: str = ""

    @property
    def png(self) -> bytes:
        """Of its pixels."""
        return png(self.pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class Scale:
    """What the colours of the pictures mean: `colours` (n, 3) from the value that `low` says to that of `high`."""

    title: str
    low: str
    high: str
    colours: Pixels

    @property
    def png(self) -> bytes:
        """A strip of them."""
        return png(self.colours[None])


@dataclass(frozen=True)
class Gallery:
    """A finished gallery.

    Attributes:
        key: names its files.
        columns: pictures a row; 0 to choose.
    """

    key: str
    title: str
    pictures: tuple[Picture, ...]
    caption: str
    conclusion: str
    scale: Scale | None = None
    columns: int = 0


def png(pixels: Pixels) -> bytes:
    """(h, w, 3) as a file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def pixels_of(text: str) -> Pixels:
    """(h, w, 3) of base64 of a PNG."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"))


def enlarged(pixels: Pixels, side: int) -> Pixels:
    """Each pixel as a square of whole pixels, so that the longer side is about `side`."""
    factor = max(1, round(side / max(pixels.shape[:2])))
    large: Pixels = pixels.repeat(factor, 0).repeat(factor, 1)
    return large


def framed(
    pixels: Pixels, x: float, y: float, size: float, colour: Sequence[int] = (232, 0, 11), thick: int = 2
) -> Pixels:
    """With the outline of a square, its corner and side in pixels, cut off at the edges."""
    drawn = pixels.copy()
    height, width = pixels.shape[:2]
    left, top, right, bottom = (round(v) for v in (x, y, x + size, y + size))
    for row in (*range(top - thick, top), *range(bottom, bottom + thick)):
        if 0 <= row < height:
            drawn[row, max(0, left - thick) : max(0, right + thick)] = colour
    for column in (*range(left - thick, left), *range(right, right + thick)):
        if 0 <= column < width:
            drawn[max(0, top - thick) : max(0, bottom + thick), column] = colour
    return drawn


def draw_gallery(gallery: Gallery) -> dict[str, bytes]:
    """One figure over both columns of a paper, {"png": ..., "pdf": ...}."""
    count = len(gallery.pictures)
    rows = -(-count // (gallery.columns or MOST_COLUMNS))
    columns = gallery.columns or -(-count // rows)  # rows of equal length
    side = min(WIDE / columns, 2.0)
    titles = [_title(p, side) for p in gallery.pictures]
    lines = [max(t.count("\n") + 1 for t in titles[row * columns :][:columns]) for row in range(rows)]
    aspect = max(p.size[1] / p.size[0] for p in gallery.pictures)
    heads = [TITLE + LINE * n for n in lines]
    below = SCALE if gallery.scale else 0.0
    width, height = side * columns, sum(heads) + rows * side * aspect + below
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        top = height
        for row in range(rows):
            top -= heads[row] + side * aspect
            for column, picture in enumerate(gallery.pictures[row * columns :][:columns]):
                inset = 0.03
                axes = figure.add_axes(
                    (
                        (column * side + inset) / width,
                        top / height,
                        (side - 2 * inset) / width,
                        side * aspect / height - 0.004,
                    )
                )
                axes.imshow(picture.pixels, interpolation="nearest")
                axes.set_axis_off()
                axes.set_title(titles[row * columns + column], fontsize=FONT, pad=2)
        if gallery.scale:
            _draw_scale(figure, gallery.scale, width, height)
        return saved(figure)


def _draw_scale(figure: Figure, scale: Scale, width: float, height: float) -> None:
    axes = figure.add_axes((0.3, 0.16 / height, 0.4, 0.09 / height))
    axes.imshow(scale.colours[None], aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks([0, 1], [scale.low, scale.high])
    axes.set_title(scale.title, fontsize=FONT, pad=2)  # above: the texts of its ends are wide
    axes.spines[:].set_visible(False)


def _title(picture: Picture, side: float) -> str:
    name = textwrap.wrap(picture.name, max(8, int(CHARACTERS * side)))
    return "\n".join([*name, *filter(None, [picture.figures])])
