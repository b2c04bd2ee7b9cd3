"""Pictures of attribution: maps of networks beside one image, and where their effective receptive fields lie."""

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from bench.core.wording import number
from bench.report.charts.chart import CATEGORIES, GUIDE, Axis, Chart, Mark, Series
from bench.report.charts.gallery import STEPS, Gallery, Picture, Pixels, Scale, enlarged, framed
from bench.studies.attribution.attribution_record import FieldRecord, LamRecord
from bench.studies.attribution.map import area_of_contribution, diffusion_index, normalised

COLOUR = (0.84, 0.15, 0.10)  # of all attribution, on a pale grey image
PALE = 0.45  # darkest grey of that image
SIDE = 384  # pixels of a picture, about
DECADES = 4  # of a receptive field's colour scale
FAR = 5  # rows: what lies further than a few convolutions reach
HARDLY = 0.1  # below this share of what lies above, nothing worth naming lies below
Map = NDArray[np.float64]


def lam_gallery(records: Sequence[LamRecord], key: str) -> Gallery:
    """The image with its patch, then a column a network: map above, area of contribution below."""
    first = records[0]
    lr = first.lr()
    above = [Picture(f"{first.image}, LR {lr.shape[1]}x{lr.shape[0]}", _marked(lr, first), "patch framed")]
    below = [Picture("around the patch", _around(first))]
    for record in records:
        signed, label = record.signed.array(), record.network.label
        strength = np.sqrt(normalised(signed))
        above.append(Picture(label, _marked(_tinted(lr, strength), record), f"DI {diffusion_index(signed):.2f}"))
        below.append(Picture("area of contribution", _marked(_tinted(lr, area_of_contribution(signed)), record)))
    patch = f"the framed patch of {first.patch.size}x{first.patch.size} SR pixels"
    return Gallery(
        key,
        f"Local attribution on {first.image}",
        (*above, *below),
        f"Upper row: which LR pixels contribute to the detail in {patch}, the square root of each one's share of the "
        f"largest (local attribution map). Lower row: where they lie, as a density. DI: diffusion index; the larger, "
        f"the more pixels take part. Measured on {first.network.device_name}.",
        _diffusion(records),
        _scale("attribution over the largest", "0", "1", np.linspace(0, 1, STEPS)),
        columns=1 + len(records),
    )


def _diffusion(records: Sequence[LamRecord]) -> str:
    found = sorted(((diffusion_index(r.signed.array()), r.network.label) for r in records), reverse=True)
    texts = [f"{label} (DI {value:.2f})" for value, label in found]
    if len(found) == 1:
        return f"One network: {texts[0]}."
    return f"From most to fewest pixels that take part: {', '.join(texts)}."


def _marked(image: Pixels, record: LamRecord) -> Pixels:
    """Enlarged, with the patch, whose pixels are the SR image's."""
    large, scale, p = enlarged(image, SIDE), record.network.scale, record.patch
    factor = large.shape[0] / image.shape[0] / scale
    return framed(large, p.x * factor, p.y * factor, p.size * factor)


def _around(record: LamRecord) -> Pixels:
    """The patch with as much again on each side and at least four LR pixels, from within the image."""
    lr, scale, p = record.lr(), record.network.scale, record.patch
    reach = max(round(1.5 * p.size / scale), p.size // (2 * scale) + 4)
    x, y = ((start + p.size // 2) // scale for start in (p.x, p.y))
    left, top = max(0, x - reach), max(0, y - reach)
    piece = lr[top : y + reach, left : x + reach]
    large = enlarged(piece, SIDE)
    factor = large.shape[0] / piece.shape[0]
    return framed(large, (p.x / scale - left) * factor, (p.y / scale - top) * factor, p.size / scale * factor)


def _tinted(lr: Pixels, strength: Map) -> Pixels:
    """The image as pale grey with colour laid over it, as strong as `strength` (h, w) in [0, 1]."""
    pale = PALE + (1 - PALE) * lr.mean(2, keepdims=True) / 255
    return _bytes(pale * (1 - strength[:, :, None]) + np.array(COLOUR) * strength[:, :, None])


def _scale(title: str, low: str, high: str, strength: Map) -> Scale:
    pale = (1 + PALE) / 2
    return Scale(title, low, high, _bytes(pale * (1 - strength[:, None]) + np.array(COLOUR) * strength[:, None]))


def _bytes(image: Map) -> Pixels:
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def field_gallery(records: Sequence[FieldRecord], key: str) -> Gallery:
    """Where the absolute gradient of an output pixel lies, a picture a network."""
    colours = mpl.colormaps["magma"]
    pictures = []
    for record in records:
        share = record.absolute.array().astype(np.float64)
        strength = 1 + np.log10(np.maximum(share / share.max(), 10.0**-DECADES)) / DECADES
        pixels = enlarged(_bytes(colours(strength)[:, :, :3]), SIDE)
        pictures.append(
            Picture(record.network.label, pixels, f"{record.dataset}, {record.size}x{record.size} LR pixels")
        )
    scale = _bytes(colours(np.linspace(0, 1, STEPS))[:, :3])
    return Gallery(
        key,
        "Where the receptive field lies",
        tuple(pictures),
        "Share of the absolute gradient of an output pixel, which lies in the middle, by LR pixel: mean over positions "
        f"of many images, logarithmic. Measured on {records[0].network.device_name}.",
        " ".join(direction(record) for record in records),
        Scale("share of the gradient over the largest", f"1e-{DECADES}", "1", scale),
    )


def direction(record: FieldRecord) -> str:
    """In words: whether a network sees what lies below a pixel as far as what lies above it."""
    share = record.absolute.array().astype(np.float64)
    middle = share.shape[0] // 2
    above, below = share[: max(0, middle - FAR)].sum(), share[middle + FAR + 1 :].sum()
    figures = f"{_percent(above)} of its gradient is more than {FAR} rows above a pixel, {_percent(below)} below"
    if above and below < HARDLY * above:
        return f"{record.network.label} sees far only what lies above: {figures}."
    if below and above < HARDLY * below:
        return f"{record.network.label} sees far only what lies below: {figures}."
    return f"{record.network.label} looks both ways: {figures}."


def _percent(share: float) -> str:
    return number(100 * share, 0 if share >= 0.1 or share == 0 else 1) + " %"


def field_chart(records: Sequence[FieldRecord], key: str) -> Chart:
    """How much of the absolute gradient lies within a distance, a line a network."""
    series = []
    for role, record in zip(CATEGORIES, records, strict=False):
        distances, held = cumulated(record.absolute.array().astype(np.float64))
        points = dict(zip(distances.tolist(), held.tolist(), strict=True))
        marks = tuple(Mark(x, y) for x, y in points.items())
        series.append(Series(role, record.network.label, marks, shape="", line="solid"))
    reach = max(m.x for s in series for m in s.marks)
    series.append(Series(GUIDE, "95 %", (Mark(0.0, 0.95), Mark(reach, 0.95)), shape="", line="dashed"))
    radii = [(_within(s.marks, 0.95), s.title) for s in series[:-1]]
    texts = [f"{name} {number(radius, 1)}" for radius, name in sorted(radii)]
    return Chart(
        key,
        "How far the receptive field reaches",
        Axis("Distance (LR pixels)"),
        Axis("Share of the gradient within"),
        tuple(series),
        "Share of the absolute gradient of an output pixel within a distance, mean over positions of many images. "
        f"Measured on {records[0].network.device_name}.",
        f"95 % lies within this many LR pixels: {', '.join(texts)}.",
    )


def _within(marks: Sequence[Mark], share: float) -> float:
    return next((m.x for m in marks if m.y >= share), marks[-1].x)


def cumulated(share: Map) -> tuple[Map, Map]:
    """Distances from the middle pixel of an (s, s) map, ascending, and the share within each."""
    middle = share.shape[0] // 2
    rows, columns = np.indices(share.shape) - middle
    distances, index = np.unique(rows**2 + columns**2, return_inverse=True)
    rings = np.bincount(index.ravel(), weights=share.ravel())
    return np.sqrt(distances), np.cumsum(rings)
