"""Per-image results: what each network does worst and best, and which images are hard for all."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench.record import ImageQuality, Record
from bench.report import markup
from bench.report.lookup import DeviceRecords, Query
from bench.report.web.grid import Cell, Grid, plain
from bench.statistics import mean_psnr

IMAGE_HEADERS = ("Image", "LR size", "PSNR Y (dB)", "SSIM Y", "PSNR RGB (dB)", "Time (ms)")


@dataclass(frozen=True)
class Scored:
    """One network's images of one data set, from the record that its mean is quoted from."""

    name: str
    file: str
    images: tuple[ImageQuality, ...]


def datasets(device: DeviceRecords) -> list[str]:
    """Those that anything was scored on."""
    return sorted({q.dataset for m in device.measured for q in m.record.quality})


def scored(device: DeviceRecords, dataset: str) -> list[Scored]:
    """The networks as they are, without options, that were scored on `dataset`."""
    found = (device.find(Query(m, f"quality.{dataset}.psnr_y")) for m in _models(device))
    return [Scored(f.record.display_name, f.file, _images(f.record, dataset)) for f in found if f]


def extremes(networks: list[Scored], dataset: str) -> Grid:
    """Each network's worst and best image, by its PSNR and by its distance from the median of all networks.

    The first says which images are hard, the second where this network is weak.
    """
    headers = ("Network", "Worst image", "Best image", "Furthest behind the median", "Furthest ahead", "Mean (dB)")
    by_image: dict[str, list[float]] = {}
    for image in (image for network in networks for image in network.images):
        by_image.setdefault(image.name, []).append(_psnr(image))
    usual = {name: float(np.median(values)) for name, values in by_image.items()}
    rows = []
    for network in networks:
        values = {image.name: _psnr(image) for image in network.images}
        apart = {name: value - usual[name] for name, value in values.items() if math.isfinite(value - usual[name])}
        texts = [_end(values, min, ".2f"), _end(values, max, ".2f"), _end(apart, min, "+.2f"), _end(apart, max, "+.2f")]
        mean = mean_psnr([image.psnr_y for image in network.images])
        rows.append((Cell(network.name, network.file), *plain([*texts, markup.number(mean, 3)])))
    return Grid(f"PSNR of Y (dB) of each network's worst and best images on {dataset}", headers, tuple(rows))


def _end(values: Mapping[str, float], choose: Callable[..., str], form: str) -> str:
    """The image at one end, and its value: "22.73, comic"."""
    if not values:
        return markup.NONE
    name = choose(values, key=lambda image: values[image])
    value = f"{values[name]:{form}}" if math.isfinite(values[name]) else "∞"
    return f"{value}, {name}"


def every_image(networks: list[Scored], dataset: str) -> Grid:
    """PSNR of Y of every image, a column a network; the image that is hardest on average first."""
    by_name = {n.name: {image.name: image for image in n.images} for n in networks}
    names = dict.fromkeys(image.name for n in networks for image in n.images)
    rows = []
    for name in names:
        values = {network: _psnr(images[name]) for network, images in by_name.items() if name in images}
        best = max(values, key=lambda network: values[network])
        mean = sum(values.values()) / len(values)
        cells = [markup.number(values.get(network), 2) for network in by_name]
        rows.append((mean, name, (*plain([name, best, markup.number(mean, 2)]), *plain(cells))))
    headers = ("Image", "Best network", "Mean", *by_name)
    ordered = tuple(row for _, _, row in sorted(rows, key=lambda r: (r[0], r[1])))
    return Grid(f"PSNR of Y (dB) of every image of {dataset}, hardest first", headers, ordered, 2)


def record_images(record: Record) -> list[Grid]:
    """Every image of one record, a table a data set."""
    grids = []
    for quality in record.quality:
        rows = []
        for image in quality.images:
            scores = [(_psnr(image), 3), (image.ssim_y, 4), (_infinite(image.psnr_rgb), 3)]
            cells = [markup.number(value, decimals) for value, decimals in scores]
            time = markup.number(image.time_ms, markup.time_decimals(image.time_ms))
            rows.append(plain([image.name, f"{image.height}x{image.width}", *cells, time]))
        grids.append(Grid(f"{quality.dataset}, LR {quality.lr_source}", IMAGE_HEADERS, tuple(rows), 2))
    return grids


def _models(device: DeviceRecords) -> list[str]:
    return list(dict.fromkeys(m.record.model for m in device.measured))


def _images(record: Record, dataset: str) -> tuple[ImageQuality, ...]:
    return next(tuple(q.images) for q in record.quality if q.dataset == dataset)


def _psnr(image: ImageQuality) -> float:
    return _infinite(image.psnr_y)


def _infinite(psnr: float | None) -> float:
    """A record has None for identical images."""
    return math.inf if psnr is None else psnr
