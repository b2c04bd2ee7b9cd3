"""Per-image results: what each network does worst and best, and which images are hard for all."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from bench.core.record import ImageQuality, Record
from bench.core.statistics import in_db, mean_psnr
from bench.core.table import Column, Table, words
from bench.core.wording import NONE, number, time_decimals
from bench.report.lookup import DeviceRecords, Query


@dataclass(frozen=True)
class Scored:
    """One network's images of one data set, from the record that its mean is quoted from."""

    name: str
    file: str
    images: tuple[ImageQuality, ...]


def scored(device: DeviceRecords, dataset: str) -> list[Scored]:
    """The networks as they are, without options, that were scored on `dataset`."""
    figure = f"quality.{dataset}.psnr_y"
    found = (device.find(Query(model, figure, options)) for model, _, options in device.networks())
    return [Scored(f.record.display_name, f.file, _images(f.record, dataset)) for f in found if f]


def extremes(networks: list[Scored], dataset: str) -> Table:
    """Each network's worst and best image, by its PSNR and by its distance from the median of all networks.

    The first says which images are hard, the second where this network is weak.
    """
    by_image: dict[str, list[float]] = {}
    for image in (image for network in networks for image in network.images):
        by_image.setdefault(image.name, []).append(_psnr(image))
    usual = {name: float(np.median(values)) for name, values in by_image.items()}

    def values(network: Scored) -> dict[str, float]:
        return {image.name: _psnr(image) for image in network.images}

    def apart(network: Scored) -> dict[str, float]:
        differences = {name: value - usual[name] for name, value in values(network).items()}
        return {name: value for name, value in differences.items() if math.isfinite(value)}

    columns: list[Column[Scored]] = [
        words("Network", lambda n: n.name, source=lambda n: n.file),
        Column("Worst image", lambda n: _end(values(n), min, ".2f")),
        Column("Best image", lambda n: _end(values(n), max, ".2f")),
        Column("Furthest behind the median", lambda n: _end(apart(n), min, "+.2f")),
        Column("Furthest ahead", lambda n: _end(apart(n), max, "+.2f")),
        Column("Mean (dB)", lambda n: mean_psnr([image.psnr_y for image in n.images]), decimals=3),
    ]
    return Table.of(f"PSNR of Y (dB) of each network's worst and best images on {dataset}", columns, networks)


def _end(values: Mapping[str, float], choose: Callable[..., str], form: str) -> str:
    """The image at one end, and its value: "22.73, comic"."""
    if not values:
        return NONE
    name = choose(values, key=lambda image: values[image])
    value = f"{values[name]:{form}}" if math.isfinite(values[name]) else "∞"
    return f"{value}, {name}"


class _Image(NamedTuple):
    """One image, and its PSNR by network."""

    name: str
    values: dict[str, float]

    @property
    def mean(self) -> float:
        """Over the networks."""
        return sum(self.values.values()) / len(self.values)


def every_image(networks: list[Scored], dataset: str) -> Table:
    """PSNR of Y of every image, a column a network; the image that is hardest on average first."""
    found: dict[str, dict[str, float]] = {}
    for network in networks:
        for image in network.images:
            found.setdefault(image.name, {})[network.name] = _psnr(image)
    rows = sorted((_Image(name, values) for name, values in found.items()), key=lambda row: (row.mean, row.name))

    def of(name: str) -> Column[_Image]:
        return Column(name, lambda row: row.values.get(name), decimals=2)

    columns: list[Column[_Image]] = [
        words("Image", lambda row: row.name),
        words("Best network", lambda row: max(row.values, key=lambda name: row.values[name])),
        Column("Mean", lambda row: row.mean, decimals=2),
        *(of(name) for name in dict.fromkeys(n.name for n in networks)),
    ]
    return Table.of(f"PSNR of Y (dB) of every image of {dataset}, hardest first", columns, rows)


IMAGES: tuple[Column[ImageQuality], ...] = (
    words("Image", lambda image: image.name),
    words("LR size", lambda image: f"{image.height}x{image.width}"),
    Column("PSNR Y (dB)", lambda image: in_db(image.psnr_y), decimals=3),
    Column("SSIM Y", lambda image: image.ssim_y, decimals=4),
    Column("PSNR RGB (dB)", lambda image: in_db(image.psnr_rgb), decimals=3),
    Column("Time (ms)", lambda i: i.time_ms, write=lambda i: number(i.time_ms, time_decimals(i.time_ms))),
)


def record_images(record: Record) -> list[Table]:
    """Every image of one record, a table a data set."""
    return [Table.of(f"{q.dataset}, LR {q.lr_source}", IMAGES, q.images) for q in record.quality]


def _images(record: Record, dataset: str) -> tuple[ImageQuality, ...]:
    return next(tuple(q.images) for q in record.quality if q.dataset == dataset)


def _psnr(image: ImageQuality) -> float:
    return in_db(image.psnr_y)
